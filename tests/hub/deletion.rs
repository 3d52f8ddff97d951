//! Deleting dialogs, histories and messages, for oneself and for all (CH-21…CH-24, CH-39, CH-40).

use serde_json::{Value, json};

use crate::support::Hub;

fn removed_id(message: &minidom::Element) -> Option<&str> {
    let remove = message.get_child("remove", "urn:xmpp:message-delete:0")?;
    remove.attr("id")
}

fn lists(body: &Value) -> [Vec<&str>; 3] {
    ["SuccessfullyDeleted", "NotFound", "WrongPermissions"].map(|name| {
        let ids = body[name]["ids"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap()).collect()
    })
}

#[tokio::test]
async fn a_message_deleted_for_oneself_is_gone_from_list_count_preview_and_search_of_one_user() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    hub.write(&ann, &id, "first message").await;
    hub.clock.advance(1);
    let last = hub.write(&ann, &id, "second message").await;
    let mut chat = hub.chat(&ann).await;
    let (_, body) = hub
        .delete(&bob, &format!("/chat/Message/{last}.json"))
        .await;
    assert_eq!(lists(&body), [vec![last.as_str()], vec![], vec![]]);
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!("first message"), &json!(1))
    );
    assert_eq!(hub.texts(&bob, &id).await, "first message");
    let (_, count) = hub
        .get(&bob, &format!("/chat/Message?chat_dialog_id={id}&count=1"))
        .await;
    assert_eq!(count, json!({"items": {"count": 1}}));
    let (_, found) = hub.get(&bob, "/chat/search?search_text=second").await;
    assert_eq!(found["results"]["messages"], json!([]));
    assert_eq!(hub.texts(&ann, &id).await, "first message second message");
    assert_eq!(
        hub.listed(&ann, &id).await.unwrap()["last_message"],
        "second message"
    );
    assert!(chat.messages().await.is_empty());
    // Once it is gone for bob, it cannot be deleted again or reacted to.
    let (_, body) = hub.delete(&bob, &format!("/chat/Message/{last}")).await;
    assert_eq!(lists(&body), [vec![], vec![last.as_str()], vec![]]);
    let reactions = format!("/chat/Message/{last}/reactions");
    assert_eq!(hub.put(&bob, &reactions, json!({"add": "x"})).await.0, 404);
}

#[tokio::test]
async fn a_forced_deletion_follows_the_roles_and_tells_the_others() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let id = hub.group(&ann, &[&bob, &eve]).await;
    let (anns, bobs, eves) = (
        hub.write(&ann, &id, "a").await,
        hub.write(&bob, &id, "b").await,
        hub.write(&eve, &id, "e").await,
    );
    let mut chat = hub.chat(&eve).await;
    let path = format!("/chat/Message/{anns},{bobs},none?force=1");
    let (_, body) = hub.delete(&bob, &path).await;
    assert_eq!(
        lists(&body),
        [vec![bobs.as_str()], vec!["none"], vec![anns.as_str()]]
    );
    let told = chat.messages().await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (
            removed_id(&told[0]),
            told[0].attr("type"),
            told[0].attr("from")
        ),
        (
            Some(bobs.as_str()),
            Some("groupchat"),
            Some(format!("{}/{}", hub.room(&id), bob.id).as_str())
        )
    );
    // The owner runs the group and deletes anybody's.
    let (_, body) = hub
        .delete(&ann, &format!("/chat/Message/{eves}?force=1"))
        .await;
    assert_eq!(lists(&body), [vec![eves.as_str()], vec![], vec![]]);
    assert_eq!(removed_id(&chat.message().await), Some(eves.as_str()));
    assert_eq!(hub.texts(&eve, &id).await, "a");
    assert_eq!(
        hub.listed(&eve, &id).await.unwrap()["unread_messages_count"],
        1
    );
}

#[tokio::test]
async fn in_a_private_dialog_only_the_author_deletes_for_both() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    let message = hub.write(&bob, &id, "b").await;
    let path = format!("/chat/Message/{message}?force=1");
    let (_, body) = hub.delete(&ann, &path).await;
    assert_eq!(lists(&body), [vec![], vec![], vec![message.as_str()]]);
    let (mut own, mut other) = (hub.chat(&bob).await, hub.chat(&ann).await);
    hub.delete(&bob, &path).await;
    let told = other.message().await;
    assert_eq!(
        (removed_id(&told), told.attr("type")),
        (Some(message.as_str()), Some("chat"))
    );
    assert!(
        told.attr("from")
            .unwrap()
            .starts_with(&format!("{}/", hub.jid(&bob)))
    );
    assert!(own.message().await.has_child("sent", "urn:xmpp:carbons:2"));
    assert_eq!(hub.texts(&ann, &id).await, "");
}

#[tokio::test]
async fn a_dialog_deleted_for_oneself_returns_without_its_old_messages() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    hub.write(&ann, &id, "old").await;
    hub.delete(&bob, &format!("/chat/Dialog/{id}")).await;
    assert_eq!(hub.listed(&bob, &id).await, None);
    let unread = hub.get(&bob, "/chat/Message/unread").await.1;
    assert_eq!(unread, json!({"total": 0}));
    hub.write(&ann, &id, "new").await;
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!("new"), &json!(1))
    );
    assert_eq!(hub.texts(&bob, &id).await, "new");
    assert_eq!(hub.texts(&ann, &id).await, "old new");
}

#[tokio::test]
async fn a_history_is_cleared_for_oneself_or_by_the_owner_for_all() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let path = format!("/chat/Dialog/clearHistory/{id}");
    hub.write(&ann, &id, "one").await;
    assert_eq!(hub.delete(&bob, &format!("{path}.json")).await.0, 200);
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!(null), &json!(0))
    );
    assert_eq!(hub.texts(&bob, &id).await, "");
    // The same second, and the number of a deleted message given to nobody else.
    let two = hub.write(&ann, &id, "two").await;
    hub.delete(&bob, &path).await;
    hub.delete(&ann, &format!("/chat/Message/{two}?force=1"))
        .await;
    hub.write(&ann, &id, "three").await;
    assert_eq!(hub.texts(&bob, &id).await, "three");
    assert_eq!(hub.texts(&ann, &id).await, "one three");
    assert_eq!(hub.delete(&bob, &format!("{path}?force=1")).await.0, 403);
    assert_eq!(hub.delete(&ann, &format!("{path}?force=1")).await.0, 200);
    assert_eq!(hub.texts(&ann, &id).await, "");
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!(null), &json!(0))
    );
}

#[tokio::test]
async fn several_dialogs_are_answered_in_three_lists() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (own, bobs, foreign) = (
        hub.group(&ann, &[&bob]).await,
        hub.group(&bob, &[&ann]).await,
        hub.group(&bob, &[]).await,
    );
    let path = format!("/chat/Dialog/{own},{bobs},{foreign}?force=1");
    let (status, body) = hub.delete(&ann, &path).await;
    assert_eq!(status, 200);
    assert_eq!(
        lists(&body),
        [
            vec![own.as_str()],
            vec![foreign.as_str()],
            vec![bobs.as_str()]
        ]
    );
    assert_eq!(hub.listed(&bob, &own).await, None);
    assert!(hub.listed(&ann, &bobs).await.is_some());
}

#[tokio::test]
async fn what_is_deleted_for_all_leaves_nothing_behind_to_count() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let message = hub.write(&ann, &id, "x").await;
    hub.delete(&ann, &format!("/chat/Message/{message}?force=1"))
        .await;
    assert_eq!(hub.get(&bob, "/chat/Message/unread").await.1["total"], 0);
    hub.write(&ann, &id, "y").await;
    hub.delete(&ann, &format!("/chat/Dialog/{id}?force=1"))
        .await;
    assert_eq!(hub.get(&bob, "/chat/Message/unread").await.1["total"], 0);
    assert_eq!(hub.get(&ann, "/chat/Dialog").await.1["total_entries"], 0);
}

#[tokio::test]
async fn a_group_whose_last_member_leaves_is_gone() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    hub.delete(&ann, &format!("/chat/Dialog/{id}")).await;
    let path = format!("/chat/Dialog/{id}");
    let leave = json!({"pull_all": {"occupants_ids": [bob.id]}});
    assert_eq!(hub.put(&bob, &path, leave).await.0, 200);
    let history = format!("/chat/Message?chat_dialog_id={id}");
    // Not 403 any more: there is no such dialog.
    assert_eq!(hub.get(&bob, &history).await.1["items"], json!([]));
}
