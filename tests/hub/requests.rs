//! Requests (wire reference B.9; RT-17, RT-46…RT-48, RT-54).

use minidom::Element;

use crate::support::{Chat, Hub, body_of};

/// The answer's type and, for an error, its condition.
async fn outcome(chat: &mut Chat, kind: &str, to: Option<&str>, payload: &str) -> String {
    let to = to.map(|to| format!("to='{to}'")).unwrap_or_default();
    let iq = format!("<iq xmlns='jabber:client' type='{kind}' id='q' {to}>{payload}</iq>");
    let answer = chat.ask(&iq).await;
    assert_eq!(answer.attr("id"), Some("q"));
    match answer.get_child("error", "jabber:client") {
        Some(error) => error.children().next().unwrap().name().to_owned(),
        None => answer.attr("type").unwrap().to_owned(),
    }
}

const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";

#[tokio::test]
async fn a_ping_is_answered_at_every_address_of_ones_own() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    let _other = hub.chat(&bob).await;
    let (bare, full) = (hub.jid(&ann), chat.address.clone());
    for to in [
        None,
        Some("127.0.0.1"),
        Some("muc.127.0.0.1"),
        Some(&bare),
        Some(&full),
    ] {
        assert_eq!(
            outcome(&mut chat, "get", to, PING).await,
            "result",
            "{to:?}"
        );
    }
    let bob = hub.jid(&bob);
    let refused = outcome(&mut chat, "get", Some(&bob), PING).await;
    assert_eq!(refused, "service-unavailable");
    let nowhere = outcome(&mut chat, "get", Some("else.where"), PING).await;
    assert_eq!(nowhere, "item-not-found");
}

#[tokio::test]
async fn the_contact_list_is_empty_and_what_is_not_there_says_so() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    let roster = chat
        .ask("<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    let query = roster.get_child("query", "jabber:iq:roster").unwrap();
    assert_eq!(query.children().count(), 0);
    for (kind, payload, expected) in [
        (
            "set",
            "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>",
            "not-allowed",
        ),
        ("get", "<vCard xmlns='vcard-temp'/>", "service-unavailable"),
        (
            "get",
            "<query xmlns='jabber:iq:private'/>",
            "service-unavailable",
        ),
        (
            "get",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>",
            "service-unavailable",
        ),
        (
            "set",
            "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
            "result",
        ),
        ("get", "", "bad-request"),
        (
            "get",
            "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>",
            "bad-request",
        ),
    ] {
        assert_eq!(
            outcome(&mut chat, kind, None, payload).await,
            expected,
            "{payload}"
        );
    }
}

#[tokio::test]
async fn discovery_names_what_is_there() {
    let hub = Hub::start().await;
    let (ann, eve) = (hub.person("ann").await, hub.person("eve").await);
    let room = hub.room(&hub.group(&ann, &[]).await);
    let mut chat = hub.chat(&ann).await;
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let described = |answer: Element| -> (String, Vec<String>) {
        let query = answer.children().next().unwrap();
        let identity = query.children().next().unwrap();
        let features = query.children().filter_map(|child| child.attr("var"));
        (
            identity.attr("category").unwrap().to_owned(),
            features.map(str::to_owned).collect(),
        )
    };
    for (to, category, feature) in [
        ("127.0.0.1", "server", Some("jabber:iq:privacy")),
        (
            "muc.127.0.0.1",
            "conference",
            Some("http://jabber.org/protocol/muc"),
        ),
        (room.as_str(), "conference", Some("muc_membersonly")),
        (&hub.jid(&ann), "account", None),
    ] {
        let iq = format!("<iq xmlns='jabber:client' type='get' id='i' to='{to}'>{info}</iq>");
        let (found, features) = described(chat.ask(&iq).await);
        assert_eq!(found, category, "{to}");
        let has = |name| features.iter().any(|feature| feature == name);
        assert!(feature.is_none_or(has), "{to}: {features:?}");
    }
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let answer = chat
        .ask(&format!(
            "<iq xmlns='jabber:client' type='get' id='i'>{items}</iq>"
        ))
        .await;
    let item = answer.children().next().unwrap().children().next().unwrap();
    assert_eq!(item.attr("jid"), Some("muc.127.0.0.1"));
    let mut stranger = hub.chat(&eve).await;
    for payload in [info, items] {
        let refused = outcome(&mut stranger, "get", Some(&room), payload).await;
        assert_eq!(refused, "forbidden");
    }
}

#[tokio::test]
async fn users_nobody_knows_cannot_be_asked_about_watched_or_called() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    let nobody = "999-1@127.0.0.1";
    let last = "<query xmlns='jabber:iq:last'/>";
    let asked = outcome(&mut chat, "get", Some(nobody), last).await;
    assert_eq!(asked, "item-not-found");
    let watch = |jid: &str| {
        format!(
            "<subscribe xmlns='https://connectycube.com/protocol/status_streaming' \
             user_jid='{jid}' enable='true'/>"
        )
    };
    assert_eq!(
        outcome(&mut chat, "set", None, &watch(nobody)).await,
        "item-not-found"
    );
    assert_eq!(
        outcome(&mut chat, "set", None, &watch("x")).await,
        "bad-request"
    );
    let answers = chat.say("headline", nobody, "h1", "call").await;
    let error = answers[0].get_child("error", "jabber:client").unwrap();
    assert_eq!(error.attr("code"), Some("404"));
}

#[tokio::test]
async fn a_client_that_is_not_looked_at_gets_messages_but_no_typing() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let typing = format!(
        "<message xmlns='jabber:client' type='chat' to='{}'>\
         <composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        hub.jid(&bob)
    );
    to.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    to.sync().await;
    from.send(&typing).await;
    from.say("chat", &hub.jid(&bob), "m1", "look").await;
    let messages = to.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(body_of(&messages[0]), "look");
    to.send("<active xmlns='urn:xmpp:csi:0'/>").await;
    to.sync().await;
    from.send(&typing).await;
    from.sync().await;
    assert_eq!(to.messages().await.len(), 1);
}

#[tokio::test]
async fn a_client_that_wants_push_still_gets_its_messages() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    for (place, enable) in ["true", "false"].into_iter().enumerate() {
        let mobile =
            format!("<mobile xmlns='http://tigase.org/protocol/mobile#v2' enable='{enable}'/>");
        assert_eq!(outcome(&mut to, "set", None, &mobile).await, "result");
        let id = format!("m{place}");
        from.say("chat", &hub.jid(&bob), &id, enable).await;
        assert_eq!(body_of(&to.message().await), enable);
    }
}

#[tokio::test]
async fn rules_for_message_processing_are_passed_on_and_otherwise_ignored() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.send(&format!(
        "<message xmlns='jabber:client' type='chat' id='a1' to='{}'><body>amp</body>\
         <amp xmlns='http://jabber.org/protocol/amp'>\
         <rule action='drop' condition='deliver' value='stored'/></amp></message>",
        hub.jid(&bob)
    ))
    .await;
    let message = to.message().await;
    assert_eq!(body_of(&message), "amp");
    assert!(message.has_child("amp", "http://jabber.org/protocol/amp"));
    assert!(from.sync().await.is_empty());
}

#[tokio::test]
async fn presence_of_old_clients_with_capabilities_is_taken() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.bound(&ann).await;
    assert_eq!(
        outcome(
            &mut chat,
            "set",
            None,
            "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"
        )
        .await,
        "result"
    );
    chat.send(
        "<presence xmlns='jabber:client'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' \
         node='http://strophe.im/strophejs/' ver='x'/><priority>0</priority></presence>",
    )
    .await;
    let echo = chat.next().await;
    assert_eq!(echo.attr("from"), Some(chat.address.as_str()));
    assert_eq!(
        hub.get(&ann, "/users/online?count=true").await.1["count"],
        1
    );
}
