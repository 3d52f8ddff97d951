//! A database that has no room: nothing is acknowledged that is not kept, and it passes.

use serde_json::json;

use crate::support::{Hub, body_of};

#[tokio::test]
async fn messages_are_refused_while_there_is_no_room_and_taken_again_afterwards() {
    let hub = Hub::start_with(|config| config.limits.database_bytes = 1_000_000).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let jid = hub.jid(&bob);
    let mut kept = Vec::new();
    let error = loop {
        assert!(kept.len() < 1_000, "never full");
        let id = format!("m{}", kept.len());
        let body = format!("{id} {}", "x".repeat(4_000));
        let answers = from.say("chat", &jid, &id, &body).await;
        let mut errors = answers
            .iter()
            .filter(|one| one.attr("type") == Some("error"));
        if let Some(error) = errors.next() {
            break error.get_child("error", "jabber:client").unwrap().clone();
        }
        kept.push(body);
    };
    assert_eq!(
        (error.attr("code"), error.attr("type")),
        (Some("500"), Some("wait"))
    );
    assert!(error.has_child("resource-constraint", "urn:ietf:params:xml:ns:xmpp-stanzas"));
    // What was refused was neither delivered nor stored.
    let received = to.messages().await;
    assert_eq!(received.iter().map(body_of).collect::<Vec<_>>(), kept);
    let (_, list) = hub.get(&ann, "/chat/Dialog").await;
    let dialog = list["items"][0]["_id"].as_str().unwrap().to_owned();
    let ids: Vec<String> = (0..kept.len()).map(|number| format!("m{number}")).collect();
    let path = format!("/chat/Message?chat_dialog_id={dialog}&mark_as_read=0&count=1");
    let (_, history) = hub.get(&ann, &path).await;
    assert_eq!(history, json!({"items": {"count": kept.len()}}));
    let path = format!("/chat/Message/{}?force=1", ids.join(","));
    let (status, answer) = hub.delete(&ann, &path).await;
    assert_eq!(status, 200, "{answer}");
    let answers = from.say("chat", &jid, "again", "there is room again").await;
    assert!(answers.iter().all(|one| one.attr("type") != Some("error")));
    let last = to.until(|one| one.name() == "message" && one.attr("id") == Some("again"));
    assert_eq!(body_of(&last.await), "there is room again");
}
