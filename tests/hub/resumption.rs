//! Sessions that outlive their connections (XEP-0198 §5).

use minidom::Element;
use serde_json::json;

use crate::support::raw::{Carrier, Raw};
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
    // The rest of them must not meet the next session.
    from.sync().await;
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

#[tokio::test]
async fn a_session_from_before_a_new_password_cannot_be_resumed_and_its_messages_come_with_the_next()
 {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (mut to, session) = hub.resumable(&bob).await;
    let jid = hub.jid(&bob);
    // One that was written and not acknowledged, and of those that come later one of each kind.
    from.write("chat", &jid, "m0", "m0", true).await;
    assert_eq!(to.bodies(1).await, ["m0"]);
    drop(to);
    from.write("chat", &jid, "m1", "m1", true).await;
    from.write("chat", &jid, "m2", "m2", false).await;
    from.sync().await;
    let change = json!({"user": {"password": "new password", "old_password": "password"}});
    let (status, answer) = hub.put(&bob, &format!("/users/{}", bob.id), change).await;
    assert_eq!(status, 200, "{answer}");
    let mut back = Chat::open_websocket(&hub.ready().chat_url).await;
    let name = format!("{}-1", bob.id);
    let refused = back.log_in(&name, "password").await;
    assert_eq!(refused, Err("not-authorized".into()));
    back.log_in(&name, "new password").await.unwrap();
    assert_eq!(condition(&back.resume(&session, 3).await), "item-not-found");
    back.bind(None).await;
    back.send("<presence xmlns='jabber:client'/>").await;
    assert_eq!(back.bodies(3).await, ["m0", "m1", "m2"]);
    assert!(back.messages().await.is_empty());
}

#[tokio::test]
async fn a_call_signal_reaches_a_stream_that_is_resumed_at_once() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (to, session) = hub.resumable(&bob).await;
    drop(to);
    from.send(&format!(
        "<message xmlns='jabber:client' type='headline' id='call' to='{}'><extraParams>\
         <moduleIdentifier>WebRTCVideoChat</moduleIdentifier><signalType>call</signalType>\
         </extraParams></message>",
        hub.jid(&bob)
    ))
    .await;
    from.sync().await;
    let mut back = hub.logged_in(&bob).await;
    assert_eq!(back.resume(&session, 3).await.name(), "resumed");
    assert_eq!(back.message().await.attr("id"), Some("call"));
}

#[tokio::test]
async fn a_tls_stream_cut_in_the_middle_of_a_stanza_is_resumed() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let mut raw = Raw::logged_in(&hub, Carrier::Tls, &bob).await;
    raw.send(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\
         <enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/>",
    )
    .await;
    let enabled = raw.until("max=").await;
    let session = enabled.split("id=").last().unwrap();
    let session = session[1..].split(['\'', '"']).next().unwrap().to_owned();
    raw.until("<presence").await;
    raw.send("<message type='chat' to='somebody'><body>half of")
        .await;
    drop(raw);
    from.say("chat", &hub.jid(&bob), "m1", "m1").await;
    let mut back = Raw::logged_in(&hub, Carrier::Tls, &bob).await;
    back.send(&format!(
        "<resume xmlns='urn:xmpp:sm:3' previd='{session}' h='1'/>"
    ))
    .await;
    let resumed = back.until("<body>m1<").await;
    assert!(resumed.contains("<resumed"), "{resumed}");
}
