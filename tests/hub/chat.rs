//! One-to-one messages, carbons, markers, typing, headlines, requests (wire reference B).

use serde_json::json;

use crate::support::Hub;
use crate::support::client::{Chat, body_of};

fn param(message: &minidom::Element, name: &str) -> Option<String> {
    let params = message
        .children()
        .find(|child| child.name() == "extraParams")?;
    params
        .children()
        .find(|child| child.name() == name)
        .map(minidom::Element::text)
}

#[tokio::test]
async fn a_message_is_stamped_delivered_stored_and_makes_its_dialog() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("chat", &hub.jid(&bob), "m1", "hi &lt;&amp;&gt;")
        .await;
    let message = to.message().await;
    assert_eq!(message.attr("from"), Some(from.address.as_str()));
    assert_eq!(
        (body_of(&message).as_str(), message.attr("id")),
        ("hi <&>", Some("m1"))
    );
    assert!(param(&message, "date_sent").is_some());
    let dialog = param(&message, "dialog_id").unwrap();
    let (_, list) = hub.get(&bob, "/chat/Dialog.json").await;
    let item = &list["items"][0];
    assert_eq!(item["_id"], json!(dialog));
    assert_eq!(
        (&item["name"], &item["unread_messages_count"]),
        (&json!("ANN"), &json!(1))
    );
    assert_eq!(
        (&item["last_message"], &item["last_message_status"]),
        (&json!("hi <&>"), &json!(null))
    );
    let (_, own) = hub.get(&ann, "/chat/Dialog.json").await;
    assert_eq!(own["items"][0]["last_message_status"], "sent");
    let path = format!("/chat/Message.json?chat_dialog_id={dialog}");
    let (_, messages) = hub.get(&bob, &path).await;
    assert_eq!(messages["items"][0]["_id"], "m1");
    let (_, list) = hub.get(&bob, "/chat/Dialog").await;
    assert_eq!(list["items"][0]["unread_messages_count"], 0);
}

#[tokio::test]
async fn a_message_sent_again_is_neither_delivered_nor_stored_twice() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    for _ in 0..3 {
        let answers = from.say("chat", &hub.jid(&bob), "same", "hi").await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.attr("type") != Some("error"))
        );
    }
    assert_eq!(to.messages().await.len(), 1);
}

#[tokio::test]
async fn another_users_message_id_is_refused_and_changes_nothing() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("chat", &hub.jid(&bob), "m1", "original").await;
    let message = to.message().await;
    let answers = to.say("chat", &hub.jid(&ann), "m1", "forged").await;
    let error = answers
        .iter()
        .find(|answer| answer.attr("type") == Some("error"))
        .unwrap();
    assert_eq!(
        error
            .get_child("error", "jabber:client")
            .unwrap()
            .attr("code"),
        Some("409")
    );
    assert!(from.messages().await.is_empty());
    let dialog = param(&message, "dialog_id").unwrap();
    let (_, list) = hub
        .get(&ann, &format!("/chat/Message?chat_dialog_id={dialog}"))
        .await;
    assert_eq!(list["items"][0]["message"], "original");
}

#[tokio::test]
async fn all_resources_receive_and_the_senders_others_get_a_sent_carbon() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut first, mut second) = (hub.chat(&ann).await, hub.chat(&ann).await);
    let (mut one, mut two) = (hub.chat(&bob).await, hub.chat(&bob).await);
    assert!(!first.address.contains(second.resource()));
    assert!(first.resource().len() >= 16);
    first.say("chat", &hub.jid(&bob), "m1", "hi").await;
    for receiver in [&mut one, &mut two] {
        let messages = receiver.messages().await;
        assert_eq!(messages.len(), 1);
        assert!(!messages[0].has_child("received", "urn:xmpp:carbons:2"));
    }
    let carbon = second.message().await;
    assert_eq!(carbon.attr("type"), Some("chat"));
    assert_eq!(carbon.attr("from"), Some(hub.jid(&ann).as_str()));
    let inner = carbon.get_child("sent", "urn:xmpp:carbons:2").unwrap();
    let inner = inner.get_child("forwarded", "urn:xmpp:forward:0").unwrap();
    assert_eq!(
        body_of(inner.get_child("message", "jabber:client").unwrap()),
        "hi"
    );
    assert!(first.messages().await.is_empty());
}

#[tokio::test]
async fn a_headline_goes_to_all_resources_with_a_headline_carbon_and_is_kept_for_nobody() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut first, mut second) = (hub.chat(&ann).await, hub.chat(&ann).await);
    let mut to = hub.chat(&bob).await;
    let headline = |id: &str| {
        format!(
            "<message xmlns='jabber:client' type='headline' id='{id}' to='{}'>\
             <extraParams><moduleIdentifier>WebRTCVideoChat</moduleIdentifier>\
             <sessionID>s</sessionID><signalType>call</signalType></extraParams></message>",
            hub.jid(&bob)
        )
    };
    first.send(&headline("h1")).await;
    first.sync().await;
    let received = to.message().await;
    assert_eq!(received.attr("from"), Some(first.address.as_str()));
    assert_eq!(param(&received, "sessionID").as_deref(), Some("s"));
    assert_eq!(second.message().await.attr("type"), Some("headline"));
    to.leave().await;
    first.send(&headline("h2")).await;
    first.sync().await;
    let mut to = hub.bound(&bob).await;
    assert!(to.come_online().await.is_empty());
}

#[tokio::test]
async fn what_was_missed_arrives_once_in_order_with_its_delay() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    for n in 0..120 {
        from.say("chat", &hub.jid(&bob), &format!("m{n}"), &n.to_string())
            .await;
    }
    let mut to = hub.bound(&bob).await;
    let missed = to.come_online().await;
    let bodies: Vec<String> = missed.iter().map(body_of).collect();
    let expected: Vec<String> = (0..120).map(|n: u32| n.to_string()).collect();
    assert_eq!(bodies, expected);
    assert!(
        missed
            .iter()
            .all(|message| message.has_child("delay", "urn:xmpp:delay"))
    );
    assert!(
        missed
            .iter()
            .all(|message| param(message, "dialog_id").is_some())
    );
    let mut again = hub.bound(&bob).await;
    assert!(again.come_online().await.is_empty());
}

#[tokio::test]
async fn typing_is_relayed_and_neither_kept_nor_copied() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut other) = (hub.chat(&ann).await, hub.chat(&ann).await);
    let mut to = hub.chat(&bob).await;
    let typing = format!(
        "<message xmlns='jabber:client' type='chat' to='{}'>\
         <composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        hub.jid(&bob)
    );
    from.send(&typing).await;
    from.sync().await;
    assert!(
        to.message()
            .await
            .has_child("composing", "http://jabber.org/protocol/chatstates")
    );
    assert!(other.messages().await.is_empty());
    to.leave().await;
    from.send(&typing).await;
    from.sync().await;
    let mut to = hub.bound(&bob).await;
    assert!(to.come_online().await.is_empty());
}

#[tokio::test]
async fn markers_reach_the_author_and_change_the_history() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("chat", &hub.jid(&bob), "m1", "hi").await;
    let dialog = param(&to.message().await, "dialog_id").unwrap();
    let path = format!("/chat/Message?chat_dialog_id={dialog}&mark_as_read=0");
    for (marker, delivered, read, status) in [
        (
            "received",
            json!([ann.id, bob.id]),
            json!([ann.id]),
            "delivered",
        ),
        (
            "displayed",
            json!([ann.id, bob.id]),
            json!([ann.id, bob.id]),
            "read",
        ),
    ] {
        to.send(&format!(
            "<message xmlns='jabber:client' type='chat' id='x{marker}' to='{}'>\
             <{marker} xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>",
            hub.jid(&ann)
        ))
        .await;
        to.sync().await;
        assert!(
            from.message()
                .await
                .has_child(marker, "urn:xmpp:chat-markers:0")
        );
        let (_, list) = hub.get(&ann, &path).await;
        assert_eq!(
            (
                &list["items"][0]["delivered_ids"],
                &list["items"][0]["read_ids"]
            ),
            (&delivered, &read)
        );
        let (_, list) = hub.get(&ann, "/chat/Dialog").await;
        assert_eq!(list["items"][0]["last_message_status"], status);
    }
}

#[tokio::test]
async fn only_its_author_edits_or_removes_a_message() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("chat", &hub.jid(&bob), "m1", "first").await;
    let dialog = param(&to.message().await, "dialog_id").unwrap();
    let path = format!("/chat/Message?chat_dialog_id={dialog}&mark_as_read=0");
    let edit = |to: String| {
        format!(
            "<message xmlns='jabber:client' type='chat' id='e1' to='{to}'><body>second</body>\
             <replace xmlns='urn:xmpp:message-correct:0' id='m1' last='true'/></message>"
        )
    };
    to.send(&edit(hub.jid(&ann))).await;
    let refused = to.sync().await;
    assert!(
        refused
            .iter()
            .any(|answer| answer.attr("type") == Some("error"))
    );
    assert!(from.messages().await.is_empty());
    from.send(&edit(hub.jid(&bob))).await;
    from.sync().await;
    assert!(
        to.message()
            .await
            .has_child("replace", "urn:xmpp:message-correct:0")
    );
    assert_eq!(
        hub.get(&ann, &path).await.1["items"][0]["message"],
        "second"
    );
    from.send(&format!(
        "<message xmlns='jabber:client' type='chat' id='r1' to='{}'>\
         <remove xmlns='urn:xmpp:message-delete:0' id='m1'/></message>",
        hub.jid(&bob)
    ))
    .await;
    from.sync().await;
    assert!(
        to.message()
            .await
            .has_child("remove", "urn:xmpp:message-delete:0")
    );
    assert_eq!(hub.get(&ann, &path).await.1["items"], json!([]));
    assert_eq!(
        hub.get(&ann, "/chat/Dialog").await.1["items"][0]["last_message"],
        json!(null)
    );
}

#[tokio::test]
async fn a_message_to_nobody_comes_back_as_an_error_with_a_code() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    for to in ["999-1@127.0.0.1", "1-1@elsewhere.example", "nonsense"] {
        let answers = chat.say("chat", to, "m1", "hi").await;
        let error = answers
            .iter()
            .find(|answer| answer.attr("type") == Some("error"))
            .unwrap();
        assert_eq!(
            (error.attr("id"), error.attr("from")),
            (Some("m1"), Some(to))
        );
        let error = error.get_child("error", "jabber:client").unwrap();
        assert_eq!(error.attr("code"), Some("404"));
    }
}

#[tokio::test]
async fn last_activity_says_from_whom_and_zero_only_while_online() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    let other = hub.chat(&bob).await;
    let ask = format!(
        "<iq xmlns='jabber:client' type='get' id='l' to='{}'><query xmlns='jabber:iq:last'/></iq>",
        hub.jid(&bob)
    );
    let seconds = |answer: &minidom::Element| {
        assert_eq!(
            answer.attr("from"),
            Some(format!("{}-1@127.0.0.1", bob.id).as_str())
        );
        let query = answer.get_child("query", "jabber:iq:last").unwrap();
        query.attr("seconds").unwrap().to_owned()
    };
    assert_eq!(seconds(&chat.ask(&ask).await), "0");
    other.leave().await;
    assert_eq!(seconds(&chat.ask(&ask).await), "1");
    hub.clock.advance(90);
    assert_eq!(seconds(&chat.ask(&ask).await), "90");
}

#[tokio::test]
async fn watchers_are_told_when_a_user_comes_and_goes() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    let jid = hub.jid(&bob);
    let answer = chat
        .ask(&format!(
            "<iq xmlns='jabber:client' type='set' id='w'><subscribe user_jid='{jid}' enable='true' \
             xmlns='https://connectycube.com/protocol/status_streaming'/></iq>"
        ))
        .await;
    assert_eq!(answer.attr("type"), Some("result"));
    let other = hub.chat(&bob).await;
    let push = chat
        .until(|element| element.attr("from") == Some(&jid))
        .await;
    assert_eq!(
        push.get_child("query", "jabber:iq:last")
            .unwrap()
            .attr("seconds"),
        Some("0")
    );
    other.leave().await;
    let push = chat
        .until(|element| element.attr("from") == Some(&jid))
        .await;
    assert_eq!(
        push.get_child("query", "jabber:iq:last")
            .unwrap()
            .attr("seconds"),
        Some("1")
    );
}

#[tokio::test]
async fn mobile_state_gets_a_result_and_an_unknown_request_an_error() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    for (xml, kind) in [
        (
            "<mobile xmlns='http://tigase.org/protocol/mobile#v2' enable='true'/>",
            "result",
        ),
        (
            "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
            "result",
        ),
        ("<query xmlns='what:is:this'/>", "error"),
    ] {
        let iq = format!("<iq xmlns='jabber:client' type='set' id='i'>{xml}</iq>");
        let answer = chat.ask(&iq).await;
        assert_eq!(
            (answer.attr("type"), answer.attr("id")),
            (Some(kind), Some("i")),
            "{xml}"
        );
    }
}

#[tokio::test]
async fn a_call_is_declined_by_rest() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    let body = json!({"sessionID": "s-1", "recipientId": ann.id, "platform": "ios",
                      "userInfo": {"busy": "1", "bad name": "x"}});
    assert_eq!(
        hub.post(&bob, "/calls/reject.json", body).await,
        (200, json!({}))
    );
    let signal = chat.message().await;
    assert_eq!(signal.attr("type"), Some("headline"));
    assert!(signal.attr("from").unwrap().starts_with(&hub.jid(&bob)));
    assert_eq!(param(&signal, "signalType").as_deref(), Some("reject"));
    assert_eq!(param(&signal, "sessionID").as_deref(), Some("s-1"));
    assert_eq!(param(&signal, "platform").as_deref(), Some("ios"));
}

#[tokio::test]
async fn what_a_cut_connection_did_not_acknowledge_comes_again_and_the_rest_does_not() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let mut to: Chat = hub.bound(&bob).await;
    to.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(to.next().await.name(), "enabled");
    to.come_online().await;
    from.say("chat", &hub.jid(&bob), "m1", "acknowledged").await;
    to.until(|element| element.name() == "r").await;
    // Two IQ results, the presence's echo and the message.
    to.send("<a xmlns='urn:xmpp:sm:3' h='4'/>").await;
    to.sync().await;
    from.say("chat", &hub.jid(&bob), "m2", "lost").await;
    drop(to);
    let mut back = hub.bound(&bob).await;
    let mut missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    // The hub may learn of the cut only now; then the message comes as soon as it has.
    if missed.is_empty() {
        missed.push(body_of(&back.message().await));
    }
    assert_eq!(missed, ["lost"]);
}

#[tokio::test]
async fn acknowledgements_count_the_stanzas_that_were_worked_on() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    chat.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(
        chat.until(|element| element.name() == "enabled")
            .await
            .attr("id"),
        None
    );
    chat.sync().await;
    chat.send("<presence xmlns='jabber:client'/>").await;
    chat.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    let answer = chat.until(|element| element.name() == "a").await;
    assert_eq!(answer.attr("h"), Some("2"));
}
