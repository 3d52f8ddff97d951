//! Broadcast dialogs: everybody reads, administrators write (CH-12).

use reqwest::Method;
use serde_json::json;

use crate::support::{Hub, Person, body_of};

async fn broadcast(hub: &Hub, owner: &Person, admins: &[u64]) -> String {
    let body = json!({"type": 1, "name": "News", "admins_ids": admins});
    let headers = [
        ("CB-Token", owner.token.as_str()),
        ("CB-Administration-API-Key", "admin-key"),
    ];
    let (status, dialog) = hub
        .call(Method::POST, "/chat/Dialog", &headers, Some(body))
        .await;
    assert_eq!(status, 201, "{dialog}");
    dialog["_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_broadcast_dialog_is_made_with_the_administration_key_or_where_the_site_lets_users() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let body = json!({"type": 1, "name": "News"});
    assert_eq!(hub.post(&ann, "/chat/Dialog", body.clone()).await.0, 403);
    broadcast(&hub, &ann, &[]).await;
    let open = Hub::start_with(|config| config.chat.broadcast_by_users = true).await;
    let ann = open.person("ann").await;
    assert_eq!(open.post(&ann, "/chat/Dialog", body).await.0, 201);
}

#[tokio::test]
async fn every_user_has_it_and_gets_its_messages_and_only_administrators_write() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let id = broadcast(&hub, &ann, &[bob.id]).await;
    let room = hub.room(&id);
    let listed = hub.listed(&eve, &id).await.unwrap();
    assert_eq!(
        (
            &listed["type"],
            &listed["occupants_count"],
            &listed["occupants_ids"]
        ),
        (&json!(1), &json!(3), &json!([]))
    );
    let (mut admin, mut reader) = (hub.chat(&bob).await, hub.chat(&eve).await);
    admin.say("groupchat", &room, "b1", "from the admin").await;
    assert_eq!(body_of(&reader.message().await), "from the admin");
    let answers = reader.say("groupchat", &room, "b2", "me too").await;
    assert!(
        answers
            .iter()
            .any(|answer| answer.attr("type") == Some("error"))
    );
    let typing = format!(
        "<message xmlns='jabber:client' type='groupchat' to='{room}'>\
         <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
    );
    reader.send(&typing).await;
    reader.sync().await;
    assert!(admin.messages().await.is_empty());
    let body = json!({"chat_dialog_id": id, "message": "by REST"});
    assert_eq!(hub.post(&eve, "/chat/Message", body.clone()).await.0, 403);
    assert_eq!(hub.post(&bob, "/chat/Message", body).await.0, 201);
    // Somebody who signs up later sees what has been said.
    let late = hub.person("late").await;
    assert_eq!(hub.texts(&late, &id).await, "from the admin by REST");
}

#[tokio::test]
async fn it_is_left_by_taking_it_off_the_own_list_and_returns_with_the_next_message() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = broadcast(&hub, &ann, &[]).await;
    hub.write(&ann, &id, "old").await;
    assert_eq!(hub.delete(&bob, &format!("/chat/Dialog/{id}")).await.0, 200);
    assert_eq!(hub.listed(&bob, &id).await, None);
    assert!(hub.listed(&ann, &id).await.is_some());
    hub.write(&ann, &id, "new").await;
    assert_eq!(hub.listed(&bob, &id).await.unwrap()["last_message"], "new");
    assert_eq!(hub.texts(&bob, &id).await, "new");
}

#[tokio::test]
async fn a_blocked_user_neither_sees_nor_receives_it() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = broadcast(&hub, &ann, &[]).await;
    let block = json!({"push_all": {"blocked_ids": [bob.id]}});
    assert_eq!(
        hub.put(&ann, &format!("/chat/Dialog/{id}"), block).await.0,
        200
    );
    assert_eq!(hub.listed(&bob, &id).await, None);
    let history = format!("/chat/Message?chat_dialog_id={id}");
    assert_eq!(hub.get(&bob, &history).await.0, 403);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("groupchat", &hub.room(&id), "b1", "x").await;
    assert!(to.messages().await.is_empty());
}

#[tokio::test]
async fn its_messages_are_deleted_by_administrators_only() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = broadcast(&hub, &ann, &[]).await;
    let message = hub.write(&ann, &id, "x").await;
    for query in ["", "?force=1"] {
        let (_, body) = hub
            .delete(&bob, &format!("/chat/Message/{message}{query}"))
            .await;
        assert_eq!(body["WrongPermissions"]["ids"], json!([message]));
    }
    let (_, body) = hub
        .delete(&ann, &format!("/chat/Message/{message}?force=1"))
        .await;
    assert_eq!(body["SuccessfullyDeleted"]["ids"], json!([message]));
    assert_eq!(hub.texts(&bob, &id).await, "");
}
