//! Dialogs and messages by REST (wire reference E.3).

use reqwest::Method;
use serde_json::json;

use crate::support::Hub;
use crate::support::client::body_of;

#[tokio::test]
async fn a_private_dialog_exists_once_and_has_the_other_ones_name() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let body = json!({"type": 3, "occupants_ids": bob.id.to_string()});
    let (status, first) = hub.post(&ann, "/chat/Dialog.json", body).await;
    assert_eq!((status, &first["name"]), (201, &json!("BOB")));
    assert_eq!(first["xmpp_room_jid"], json!(null));
    assert_eq!(first["occupants_ids"], json!([ann.id, bob.id]));
    let body = json!({"type": 3, "occupants_ids": [ann.id]});
    let (_, again) = hub.post(&bob, "/chat/Dialog", body).await;
    assert_eq!(
        (&again["_id"], &again["name"]),
        (&first["_id"], &json!("ANN"))
    );
    let nobody = json!({"type": 3, "occupants_ids": [999]});
    assert_eq!(hub.post(&ann, "/chat/Dialog", nobody).await.0, 422);
}

#[tokio::test]
async fn a_group_takes_every_list_encoding_and_grows_and_shrinks() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let body = json!({"type": 2, "name": "G", "occupants_ids": format!("{}, {}", bob.id, eve.id)});
    let (_, group) = hub.post(&ann, "/chat/Dialog", body).await;
    assert_eq!(group["occupants_count"], 3);
    let id = group["_id"].as_str().unwrap();
    assert_eq!(group["xmpp_room_jid"], json!(hub.room(id)));
    let path = format!("/chat/Dialog/{id}");
    let pull = json!({"pull_all": {"occupants_ids": [eve.id]}});
    assert_eq!(hub.put(&bob, &path, pull.clone()).await.0, 403);
    assert_eq!(
        hub.put(&ann, &path, pull).await.1["occupants_ids"],
        json!([ann.id, bob.id])
    );
    assert_eq!(hub.get(&eve, "/chat/Dialog").await.1["total_entries"], 0);
    let push = json!({"name": "H", "push_all": {"occupants_ids": [eve.id, 999]}});
    let (_, grown) = hub.put(&bob, &path, push).await;
    assert_eq!(
        (&grown["name"], &grown["occupants_count"]),
        (&json!("H"), &json!(3))
    );
    assert_eq!(
        hub.put(&ann, "/chat/Dialog/nothing", json!({"name": "x"}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_dialog_is_removed_from_the_own_list_or_by_its_owner_for_all() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let one = hub.group(&ann, &[&bob]).await;
    let two = hub.group(&ann, &[&bob]).await;
    let client = reqwest::Client::new();
    // The SDK sends the parameters of DELETE as a form body.
    let forced = client
        .delete(format!("{}/chat/Dialog/{one}.json", hub.ready().api))
        .header("CB-Token", &bob.token)
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=UTF-8",
        )
        .body("force=1");
    assert_eq!(forced.send().await.unwrap().status(), 403);
    let (_, body) = hub
        .delete(&ann, &format!("/chat/Dialog/{one},none?force=1"))
        .await;
    assert_eq!(body["SuccessfullyDeleted"]["ids"], json!([one]));
    assert_eq!(body["NotFound"]["ids"], json!(["none"]));
    assert_eq!(
        hub.delete(&bob, &format!("/chat/Dialog/{two}")).await.0,
        200
    );
    assert_eq!(hub.get(&bob, "/chat/Dialog").await.1["total_entries"], 0);
    assert_eq!(hub.get(&ann, "/chat/Dialog").await.1["total_entries"], 1);
}

#[tokio::test]
async fn a_hidden_private_dialog_returns_with_the_next_message() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let body = json!({"type": 3, "occupants_ids": [bob.id]});
    let (_, dialog) = hub.post(&ann, "/chat/Dialog", body).await;
    let id = dialog["_id"].as_str().unwrap();
    assert_eq!(hub.delete(&bob, &format!("/chat/Dialog/{id}")).await.0, 200);
    assert_eq!(hub.get(&bob, "/chat/Dialog").await.1["total_entries"], 0);
    hub.post(
        &ann,
        "/chat/Message",
        json!({"chat_dialog_id": id, "message": "hi"}),
    )
    .await;
    assert_eq!(hub.get(&bob, "/chat/Dialog").await.1["total_entries"], 1);
}

#[tokio::test]
async fn a_rest_message_is_stored_and_sent_to_the_chat_when_asked() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&bob).await;
    let quiet = json!({"recipient_id": bob.id, "message": "quiet"});
    let (status, message) = hub.post(&ann, "/chat/Message", quiet).await;
    assert_eq!(status, 201);
    assert!(chat.messages().await.is_empty());
    let loud = json!({"chat_dialog_id": message["chat_dialog_id"], "message": "loud",
        "send_to_chat": 1, "mood": "ok", "bad name": 1, "_id": "forged",
        "attachments": {"0": {"type": "photo", "uid": "u1"}}});
    let (_, stored) = hub.post(&ann, "/chat/Message.json", loud).await;
    assert_eq!(
        (&stored["mood"], &stored["attachments"][0]["uid"]),
        (&json!("ok"), &json!("u1"))
    );
    assert_ne!(stored["_id"], "forged");
    let received = chat.message().await;
    assert_eq!(body_of(&received), "loud");
    assert_eq!(received.attr("id"), stored["_id"].as_str());
}

#[tokio::test]
async fn unread_counts_follow_reading_by_list_and_by_update() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let send = json!({"recipient_id": bob.id, "message": "x"});
    let (_, message) = hub.post(&ann, "/chat/Message", send.clone()).await;
    let dialog = message["chat_dialog_id"].as_str().unwrap().to_owned();
    let unread = async || {
        hub.get(
            &bob,
            &format!("/chat/Message/unread.json?chat_dialog_ids={dialog}%2C%20other"),
        )
        .await
        .1
    };
    assert_eq!(unread().await, json!({dialog.as_str(): 1, "total": 1}));
    hub.get(
        &bob,
        &format!("/chat/Message?chat_dialog_id={dialog}&mark_as_read=0"),
    )
    .await;
    assert_eq!(unread().await["total"], 1);
    hub.get(&bob, &format!("/chat/Message?chat_dialog_id={dialog}"))
        .await;
    assert_eq!(unread().await["total"], 0);
    hub.post(&ann, "/chat/Message", send).await;
    assert_eq!(unread().await["total"], 1);
    let update = json!({"chat_dialog_id": dialog, "read": 1});
    assert_eq!(hub.put(&bob, "/chat/Message.json", update).await.0, 200);
    assert_eq!(unread().await["total"], 0);
}

#[tokio::test]
async fn messages_are_filtered_sorted_and_paged() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut dialog = String::new();
    for n in 0..4 {
        hub.clock.advance(1);
        let body = json!({"recipient_id": bob.id, "message": n.to_string()});
        let (_, message) = hub.post(&ann, "/chat/Message", body).await;
        dialog = message["chat_dialog_id"].as_str().unwrap().to_owned();
    }
    let bodies = async |query: String| {
        let path = format!("/chat/Message?chat_dialog_id={dialog}&{query}");
        let (_, list) = hub.get(&bob, &path).await;
        let items = list["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["message"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(bodies(String::new()).await, "0123");
    assert_eq!(
        bodies("sort_desc=date_sent&limit=2&skip=1".into()).await,
        "21"
    );
    let second = crate::support::START + 2;
    assert_eq!(bodies(format!("date_sent[gt]={second}")).await, "23");
    assert_eq!(bodies("message[ctn]=3".into()).await, "3");
}

#[tokio::test]
async fn a_dialog_that_is_only_planned_has_an_empty_history() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let (status, body) = hub
        .get(&ann, "/chat/Message?chat_dialog_id=external_id%3A1002")
        .await;
    assert_eq!((status, &body["items"]), (200, &json!([])));
}

#[tokio::test]
async fn dialogs_need_a_session() {
    let hub = Hub::start().await;
    for (method, path) in [
        (Method::GET, "/chat/Dialog"),
        (Method::POST, "/chat/Dialog"),
        (Method::PUT, "/chat/Dialog/x"),
        (Method::DELETE, "/chat/Dialog/x"),
        (Method::GET, "/chat/Message"),
        (Method::POST, "/chat/Message"),
        (Method::POST, "/calls/reject"),
    ] {
        assert_eq!(
            hub.call(method, path, &[], Some(json!({}))).await.0,
            401,
            "{path}"
        );
    }
}
