//! Sessions that outlive their connections (XEP-0198 §5).

use minidom::Element;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Chat, Hub, Person, body_of};

fn condition(failed: &Element) -> String {
    assert_eq!(failed.name(), "failed");
    failed.children().next().unwrap().name().to_owned()
}

/// Tells when somebody's session has ended.
async fn watch(hub: &Hub, watcher: &mut Chat, person: &Person) {
    let answer = watcher
        .ask(&format!(
            "<iq xmlns='jabber:client' type='set' id='w'><subscribe user_jid='{}' enable='true' \
             xmlns='https://connectycube.com/protocol/status_streaming'/></iq>",
            hub.jid(person)
        ))
        .await;
    assert_eq!(answer.attr("type"), Some("result"));
}

async fn until_gone(hub: &Hub, watcher: &mut Chat, person: &Person) {
    let jid = hub.jid(person);
    watcher
        .until(|element| {
            let query = element.get_child("query", "jabber:iq:last");
            element.attr("from") == Some(&jid)
                && query.is_some_and(|query| query.attr("seconds") == Some("1"))
        })
        .await;
}

#[tokio::test]
async fn a_resumed_stream_goes_on_where_it_was_cut() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (mut to, session) = hub.resumable(&bob).await;
    assert!(session.len() >= 22, "{session}");
    let jid = hub.jid(&bob);
    for id in ["m1", "m2", "m3"] {
        from.say("chat", &jid, id, id).await;
    }
    assert_eq!(to.bodies(3).await, ["m1", "m2", "m3"]);
    to.write("chat", &hub.jid(&ann), "b1", "from bob", true)
        .await;
    assert_eq!(body_of(&from.message().await), "from bob");
    drop(to);
    from.say("chat", &jid, "m4", "m4").await;
    let mut back = hub.logged_in(&bob).await;
    // Two results, the presence and one message have arrived.
    let resumed = back.resume(&session, 4).await;
    assert_eq!(resumed.name(), "resumed");
    assert_eq!(resumed.attr("previd"), Some(session.as_str()));
    // Carbons, presence, sync and the message.
    assert_eq!(resumed.attr("h"), Some("4"));
    assert_eq!(back.bodies(3).await, ["m2", "m3", "m4"]);
    from.say("chat", &jid, "m5", "m5").await;
    assert_eq!(back.bodies(1).await, ["m5"]);
    assert_eq!(back.count().await, 4);
}

#[tokio::test]
async fn what_was_being_stored_at_the_cut_is_counted_on_resumption() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut to = hub.chat(&bob).await;
    let (mut from, session) = hub.resumable(&ann).await;
    let before = from.count().await;
    for number in 0..100 {
        let id = format!("m{number}");
        from.write("chat", &hub.jid(&bob), &id, &number.to_string(), true)
            .await;
    }
    drop(from);
    let mut back = hub.logged_in(&ann).await;
    let resumed = back.resume(&session, 3).await;
    let counted: u32 = resumed.attr("h").unwrap().parse().unwrap();
    let first = counted - before;
    for number in first..100 {
        let id = format!("m{number}");
        back.write("chat", &hub.jid(&bob), &id, &number.to_string(), true)
            .await;
    }
    let expected: Vec<String> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(to.bodies(100).await, expected);
    assert!(to.messages().await.is_empty());
}

#[tokio::test]
async fn a_stream_is_resumed_again_and_again() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (mut to, session) = hub.resumable(&bob).await;
    let mut handled = 3;
    for round in 0..20 {
        let body = round.to_string();
        from.write("chat", &hub.jid(&bob), &format!("m{round}"), &body, true)
            .await;
        if round % 2 == 0 {
            assert_eq!(to.bodies(1).await, [body.as_str()]);
            handled += 1;
        }
        drop(to);
        to = hub.logged_in(&bob).await;
        assert_eq!(to.resume(&session, handled).await.name(), "resumed");
        if round % 2 == 1 {
            assert_eq!(to.bodies(1).await, [body.as_str()]);
            handled += 1;
        }
    }
}

#[tokio::test]
async fn a_stream_is_resumed_while_its_old_line_seems_alive() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (mut old, session) = hub.resumable(&bob).await;
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    let mut new = hub.logged_in(&bob).await;
    assert_eq!(new.resume(&session, 3).await.name(), "resumed");
    assert_eq!(new.bodies(1).await, ["m1"]);
    let error = old.until(|element| element.name() == "error").await;
    assert_eq!(error.children().next().unwrap().name(), "conflict");
    while old.try_next().await.is_some() {}
    from.say("chat", &hub.jid(&bob), "m2", "m2").await;
    assert_eq!(new.bodies(1).await, ["m2"]);
}

#[tokio::test]
async fn an_expired_session_cannot_be_resumed_and_its_messages_come_with_the_next() {
    let hub = Hub::start_with(|config| config.limits.resume_seconds = 1).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    watch(&hub, &mut from, &bob).await;
    let (to, session) = hub.resumable(&bob).await;
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    drop(to);
    until_gone(&hub, &mut from, &bob).await;
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(condition(&back.resume(&session, 3).await), "item-not-found");
    back.bind(None).await;
    let missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, ["m1"]);
}

#[tokio::test]
async fn another_users_session_cannot_be_resumed() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut to, session) = hub.resumable(&bob).await;
    let mut thief = hub.logged_in(&ann).await;
    assert_eq!(
        condition(&thief.resume(&session, 0).await),
        "item-not-found"
    );
    to.sync().await;
    thief.bind(None).await;
    thief.sync().await;
}

#[tokio::test]
async fn a_session_that_said_good_bye_cannot_be_resumed() {
    let hub = Hub::start().await;
    let bob = hub.person("bob").await;
    let (to, session) = hub.resumable(&bob).await;
    to.leave().await;
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(condition(&back.resume(&session, 3).await), "item-not-found");
}

#[tokio::test]
async fn claiming_more_than_was_sent_ends_the_session_and_loses_nothing() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (to, session) = hub.resumable(&bob).await;
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    drop(to);
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(
        condition(&back.resume(&session, 99).await),
        "item-not-found"
    );
    assert_eq!(condition(&back.resume(&session, 3).await), "item-not-found");
    back.bind(None).await;
    let missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, ["m1"]);
}

#[tokio::test]
async fn a_detached_session_that_is_sent_too_much_ends_and_its_messages_wait() {
    let hub = Hub::start_with(|config| config.limits.queued_stanzas = 12).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    watch(&hub, &mut from, &bob).await;
    let (to, session) = hub.resumable(&bob).await;
    drop(to);
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    for _ in 0..60 {
        from.send(&format!(
            "<message xmlns='jabber:client' type='normal' to='{}'/>",
            hub.jid(&bob)
        ))
        .await;
    }
    until_gone(&hub, &mut from, &bob).await;
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(condition(&back.resume(&session, 3).await), "item-not-found");
    back.bind(None).await;
    let missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, ["m1"]);
}

#[tokio::test]
async fn any_number_of_messages_waits_for_a_detached_session() {
    let hub = Hub::start_with(|config| config.limits.queued_stanzas = 12).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (to, session) = hub.resumable(&bob).await;
    drop(to);
    for number in 0..200 {
        let id = format!("m{number}");
        from.write(
            "chat",
            &hub.jid(&bob),
            &id,
            &number.to_string(),
            number % 2 == 0,
        )
        .await;
    }
    from.sync().await;
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(back.resume(&session, 3).await.name(), "resumed");
    for number in 0..200_u32 {
        assert_eq!(back.bodies(1).await, [number.to_string()]);
        back.acknowledge(4 + number).await;
    }
}

#[tokio::test]
async fn resumption_is_not_offered_where_it_is_turned_off() {
    let hub = Hub::start_with(|config| config.limits.resume_seconds = 0).await;
    let bob = hub.person("bob").await;
    let mut chat = hub.bound(&bob).await;
    assert_eq!(chat.enable(true).await, None);
}

#[tokio::test]
async fn a_detached_session_gives_way_before_a_connected_one() {
    let hub = Hub::start_with(|config| config.limits.connections_per_user = 2).await;
    let bob = hub.person("bob").await;
    let mut connected = hub.chat(&bob).await;
    let (detached, session) = hub.resumable(&bob).await;
    drop(detached);
    // The hub has seen the cut when the same session is cut once more after having been resumed.
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(back.resume(&session, 3).await.name(), "resumed");
    back.sync().await;
    connected.sync().await;
}

/// A TLS stream whose bytes the test writes itself.
struct Raw(tokio_rustls::client::TlsStream<tokio::net::TcpStream>);

impl Raw {
    async fn open(hub: &Hub) -> Self {
        let config = cubelet::base::tls::client_config(Some(&hub.ready().ca)).unwrap();
        let socket = tokio::net::TcpStream::connect(&hub.ready().xmpp_tls).await;
        let connector = tokio_rustls::TlsConnector::from(config);
        let name = "localhost".try_into().unwrap();
        Self(connector.connect(name, socket.unwrap()).await.unwrap())
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// What comes up to and with a text.
    async fn until(&mut self, wanted: &str) -> String {
        let mut read = String::new();
        while !read.contains(wanted) {
            let byte = tokio::time::timeout(std::time::Duration::from_secs(10), self.0.read_u8());
            read.push(char::from(byte.await.expect("nothing came").unwrap()));
        }
        read
    }

    async fn log_in(hub: &Hub, person: &Person) -> Self {
        use base64::Engine;
        let header = "<stream:stream xmlns='jabber:client' to='x' version='1.0' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";
        let secret = format!("\0{}-1\0{}", person.id, person.token);
        let secret = base64::prelude::BASE64_STANDARD.encode(secret);
        let mut raw = Self::open(hub).await;
        raw.write(header).await;
        raw.until("features>").await;
        raw.write(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        ))
        .await;
        raw.until("<success").await;
        raw.until(">").await;
        raw.write(header).await;
        raw.until("features>").await;
        raw
    }
}

#[tokio::test]
async fn a_tls_stream_cut_in_the_middle_of_a_stanza_is_resumed() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let mut raw = Raw::log_in(&hub, &bob).await;
    raw.write(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\
         <enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/>",
    )
    .await;
    let enabled = raw.until("max=").await;
    let session = enabled.split("id=").last().unwrap();
    let session = session[1..].split(['\'', '"']).next().unwrap().to_owned();
    raw.until("<presence").await;
    raw.write("<message type='chat' to='somebody'><body>half of")
        .await;
    drop(raw);
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    let mut back = Raw::log_in(&hub, &bob).await;
    back.write(&format!(
        "<resume xmlns='urn:xmpp:sm:3' previd='{session}' h='1'/>"
    ))
    .await;
    let resumed = back.until("<body>m1<").await;
    assert!(resumed.contains("<resumed"), "{resumed}");
}
