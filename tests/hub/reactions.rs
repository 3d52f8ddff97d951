//! Reactions and their live event (CH-42…CH-44, RT-39; wire reference B.5).

use minidom::Element;
use serde_json::json;

use crate::support::Hub;

/// `+` what was added, `-` what was removed.
fn changes(message: &Element) -> Option<(String, String, String)> {
    let reactions = message.get_child("reactions", "jabber:client")?;
    let all = reactions.children().map(|reaction| {
        match (reaction.attr("add"), reaction.attr("remove")) {
            (Some("true"), None) => format!("+{}", reaction.attr("type").unwrap()),
            (None, Some("true")) => format!("-{}", reaction.attr("type").unwrap()),
            other => panic!("{other:?}"),
        }
    });
    Some((
        reactions.attr("message_id").unwrap().to_owned(),
        reactions.attr("user_id").unwrap().to_owned(),
        all.collect(),
    ))
}

#[tokio::test]
async fn reactions_are_a_set_for_each_user_with_a_summary_and_a_list() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let message = hub.write(&ann, &id, "x").await;
    assert_eq!(hub.history(&ann, &id).await[0]["reactions"], json!(null));
    let path = format!("/chat/Message/{message}/reactions.json");
    for (person, body) in [
        (&ann, json!({"add": "👍"})),
        (&bob, json!({"add": "👍"})),
        (&bob, json!({"add": "👌"})),
        (&bob, json!({"add": "👌"})),
        (&ann, json!({"remove": "never there"})),
    ] {
        assert_eq!(hub.put(person, &path, body).await.0, 200);
    }
    assert_eq!(
        hub.history(&bob, &id).await[0]["reactions"],
        json!({"own": ["👍", "👌"], "total": {"👍": 2, "👌": 1}})
    );
    assert_eq!(
        hub.history(&ann, &id).await[0]["reactions"],
        json!({"own": ["👍"], "total": {"👍": 2, "👌": 1}})
    );
    assert_eq!(
        hub.get(&ann, &path).await,
        (200, json!({"👍": [ann.id, bob.id], "👌": [bob.id]}))
    );
    hub.put(&bob, &path, json!({"add": "🎉", "remove": "👌"}))
        .await;
    assert_eq!(
        hub.get(&ann, &path).await.1,
        json!({"👍": [ann.id, bob.id], "🎉": [bob.id]})
    );
}

#[tokio::test]
async fn a_group_is_told_from_the_occupant_and_only_of_what_changed() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let message = hub.write(&ann, &id, "x").await;
    let mut chat = hub.chat(&ann).await;
    let path = format!("/chat/Message/{message}/reactions");
    hub.put(&bob, &path, json!({"add": "👍"})).await;
    let event = chat.message().await;
    assert_eq!(
        (event.attr("type"), event.attr("from")),
        (
            Some("groupchat"),
            Some(format!("{}/{}", hub.room(&id), bob.id).as_str())
        )
    );
    let is = |event: &Element, expected: &str| {
        let expected = (message.clone(), bob.id.to_string(), expected.to_owned());
        assert_eq!(changes(event), Some(expected));
    };
    is(&event, "+👍");
    hub.put(&bob, &path, json!({"add": "👍"})).await;
    hub.put(&bob, &path, json!({"remove": "👎"})).await;
    assert!(chat.messages().await.is_empty());
    hub.put(&bob, &path, json!({"add": "👎", "remove": "👍"}))
        .await;
    is(&chat.message().await, "+👎-👍");
}

#[tokio::test]
async fn a_private_dialog_is_told_with_its_dialog_id_and_the_own_connections_by_carbon() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    let message = hub.write(&ann, &id, "x").await;
    let (mut own, mut other) = (hub.chat(&bob).await, hub.chat(&ann).await);
    hub.put(
        &bob,
        &format!("/chat/Message/{message}/reactions"),
        json!({"add": "👍"}),
    )
    .await;
    let event = other.message().await;
    assert_eq!(event.attr("type"), Some("chat"));
    assert!(
        event
            .attr("from")
            .unwrap()
            .starts_with(&format!("{}/", hub.jid(&bob)))
    );
    let params = event.get_child("extraParams", "jabber:client").unwrap();
    assert_eq!(
        params
            .get_child("dialog_id", "jabber:client")
            .unwrap()
            .text(),
        id
    );
    let carbon = own.message().await;
    assert_eq!(carbon.attr("type"), Some("chat"));
    assert!(carbon.has_child("sent", "urn:xmpp:carbons:2"));
}

#[tokio::test]
async fn who_does_not_see_a_message_neither_reacts_nor_learns_who_did() {
    let hub = Hub::start().await;
    let (ann, eve) = (hub.person("ann").await, hub.person("eve").await);
    let id = hub.group(&ann, &[]).await;
    let message = hub.write(&ann, &id, "x").await;
    let path = format!("/chat/Message/{message}/reactions");
    assert_eq!(hub.put(&eve, &path, json!({"add": "👍"})).await.0, 404);
    assert_eq!(hub.get(&eve, &path).await.0, 404);
    for (body, field) in [
        (json!({}), "base"),
        (json!({"add": ""}), "add"),
        (json!({"add": {"x": 1}}), "add"),
        (json!({"remove": "x".repeat(33)}), "remove"),
    ] {
        let (status, error) = hub.put(&ann, &path, body.clone()).await;
        assert_eq!(status, 422, "{body}");
        assert!(error["errors"][field][0].is_string(), "{body}: {error}");
    }
    for n in 0..20 {
        assert_eq!(
            hub.put(&ann, &path, json!({"add": n.to_string()})).await.0,
            200
        );
    }
    assert_eq!(
        hub.put(&ann, &path, json!({"add": "one more"})).await.0,
        422
    );
    assert_eq!(hub.get(&ann, &path).await.1.as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn a_client_cannot_claim_somebody_elses_reaction_or_message() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let reaction = format!(
        "<reactions message_id='m' user_id='{}'><reaction add='true' type='y'/></reactions>",
        bob.id
    );
    let copy = format!(
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' type='chat' from='{0}' to='{0}'><body>x</body></message>\
         </forwarded></sent>",
        hub.jid(&bob)
    );
    for (kind, target, forged) in [
        ("chat", hub.jid(&bob), &reaction),
        ("normal", hub.jid(&bob), &reaction),
        ("groupchat", room.clone(), &reaction),
        ("chat", hub.jid(&bob), &copy),
        ("headline", hub.jid(&bob), &copy),
        ("groupchat", room, &copy),
    ] {
        from.send(&format!(
            "<message xmlns='jabber:client' type='{kind}' id='f' to='{target}'><body>x</body>\
             {forged}</message>"
        ))
        .await;
        let answers = from.sync().await;
        assert!(
            answers
                .iter()
                .any(|answer| answer.attr("type") == Some("error")),
            "{kind} {forged}"
        );
    }
    assert!(to.messages().await.is_empty());
}
