//! What is stored and shown of messages and dialogs (CH-01, CH-02, CH-28…CH-38, RT-26…RT-42).

use serde_json::json;

use crate::support::Hub;

#[tokio::test]
async fn a_dialog_has_every_field_of_the_contract() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let avatar = json!({"user": {"avatar": "https://example.org/bob.png"}});
    assert_eq!(
        hub.put(&bob, &format!("/users/{}", bob.id), avatar).await.0,
        200
    );
    let more = json!({"occupants_ids": [bob.id], "name": "ignored", "photo": "ignored"});
    let private = hub.dialog(&ann, 3, more).await;
    assert_eq!(
        hub.listed(&ann, &private).await.unwrap(),
        json!({
            "_id": private, "type": 3, "user_id": ann.id, "name": "BOB", "description": null,
            "photo": "https://example.org/bob.png", "created_at": "2026-11-22T13:06:56Z",
            "updated_at": "2026-11-22T13:06:56Z", "last_message": null, "last_message_id": null,
            "last_message_user_id": null, "last_message_date_sent": null,
            "last_message_status": null, "unread_messages_count": 0,
            "occupants_ids": [ann.id, bob.id], "occupants_count": 2, "admins_ids": [],
            "pinned_messages_ids": [], "extensions": null, "permissions": null,
            "xmpp_room_jid": null,
        })
    );
    let group = hub.group(&ann, &[&bob]).await;
    let message = hub.write(&ann, &group, "hello").await;
    let own = hub.listed(&ann, &group).await.unwrap();
    assert_eq!(own["xmpp_room_jid"], json!(hub.room(&group)));
    assert_eq!(
        (&own["last_message_id"], &own["last_message_status"]),
        (&json!(message), &json!("sent"))
    );
    let others = hub.listed(&bob, &group).await.unwrap();
    assert_eq!(
        (
            &others["last_message_user_id"],
            &others["last_message_status"]
        ),
        (&json!(ann.id), &json!(null))
    );
    let delivered = json!({"chat_dialog_id": group, "delivered": "1"});
    for (body, status) in [
        (delivered, "delivered"),
        (json!({"chat_dialog_id": group, "read": "1"}), "read"),
    ] {
        assert_eq!(hub.put(&bob, "/chat/Message", body).await.0, 200);
        let own = hub.listed(&ann, &group).await.unwrap();
        assert_eq!(own["last_message_status"], status);
    }
}

#[tokio::test]
async fn a_message_has_every_field_of_the_contract_and_its_custom_ones() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    let body = json!({
        "chat_dialog_id": id, "message": "hi", "mood": {"level": "5", "why": {"x": "y"}},
        "attachments": {"10": {"type": "image", "id": "2"}, "9": {"type": "image", "id": "1"}},
        "read_ids": [99], "markable": 1
    });
    let (status, message) = hub.post(&ann, "/chat/Message", body).await;
    assert_eq!(status, 201);
    assert_eq!(
        message,
        json!({
            "_id": message["_id"], "chat_dialog_id": id, "message": "hi", "sender_id": ann.id,
            "recipient_id": bob.id, "date_sent": crate::support::START,
            "created_at": "2026-11-22T13:06:56Z", "updated_at": "2026-11-22T13:06:56Z",
            "read_ids": [ann.id], "delivered_ids": [ann.id], "read": 0, "views_count": 0,
            "attachments": [{"type": "image", "id": "1"}, {"type": "image", "id": "2"}],
            "reactions": null, "mood": {"level": "5", "why": {"x": "y"}},
        })
    );
    hub.get(&bob, &format!("/chat/Message?chat_dialog_id={id}"))
        .await;
    let history = hub.history(&ann, &id).await;
    assert_eq!(
        (&history[0]["read"], &history[0]["read_ids"]),
        (&json!(1), &json!([ann.id, bob.id]))
    );
}

#[tokio::test]
async fn an_attachment_of_the_chat_is_returned_with_the_fields_of_the_sdk() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let mut chat = hub.chat(&ann).await;
    chat.send(&format!(
        "<message xmlns='jabber:client' type='groupchat' id='a1' to='{}'>\
         <body>see</body><extraParams xmlns='jabber:client'><save_to_history>1</save_to_history>\
         <attachment type='photo' uid='u1' size='12' width='640' content-type='image/png'/>\
         <custom>c</custom></extraParams></message>",
        hub.room(&id)
    ))
    .await;
    chat.sync().await;
    let message = hub.history(&bob, &id).await.remove(0);
    assert_eq!(
        message["attachments"],
        json!([{"type": "photo", "uid": "u1", "size": 12, "width": "640",
                "content-type": "image/png"}])
    );
    assert_eq!(message["custom"], "c");
}

#[tokio::test]
async fn a_rest_message_in_the_chat_carries_all_that_the_history_has() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let (mut own, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let body = json!({
        "chat_dialog_id": id, "message": "hi", "send_to_chat": 1, "markable": 1, "silent": 1,
        "mood": {"why": "x"}, "attachments": [{"type": "photo", "uid": "u1", "size": 12}]
    });
    let (_, stored) = hub.post(&ann, "/chat/Message", body).await;
    for chat in [&mut own, &mut other] {
        let message = chat.message().await;
        assert_eq!(
            (
                message.attr("id"),
                message.attr("type"),
                message.attr("from")
            ),
            (
                stored["_id"].as_str(),
                Some("groupchat"),
                Some(format!("{}/{}", hub.room(&id), ann.id).as_str())
            )
        );
        assert!(message.has_child("markable", "urn:xmpp:chat-markers:0"));
        let params = message.get_child("extraParams", "jabber:client").unwrap();
        let child = |name: &str| params.get_child(name, "jabber:client").unwrap();
        for (name, text) in [
            ("save_to_history", "1"),
            ("dialog_id", &id),
            ("silent", "1"),
        ] {
            assert_eq!(child(name).text(), text);
        }
        assert_eq!(child("date_sent").text(), stored["date_sent"].to_string());
        assert_eq!(
            child("mood")
                .get_child("why", "jabber:client")
                .unwrap()
                .text(),
            "x"
        );
        assert_eq!(child("attachment").attr("size"), Some("12"));
    }
}

#[tokio::test]
async fn what_is_not_to_be_saved_changes_neither_history_nor_unread_nor_last_message() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    hub.write(&ann, &id, "saved").await;
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let send = |inner: &str| {
        format!(
            "<message xmlns='jabber:client' type='chat' id='x' to='{}'><body>b</body>{inner}\
             </message>",
            hub.jid(&bob)
        )
    };
    let saved = "<extraParams><save_to_history>1</save_to_history></extraParams>";
    let destroy = "<destroy xmlns='urn:xmpp:message-destroy-after:0' after='5'/>";
    for inner in [String::new(), format!("{saved}{destroy}")] {
        from.send(&send(&inner)).await;
        from.sync().await;
        let received = to.message().await;
        assert_eq!(
            received.has_child("destroy", "urn:xmpp:message-destroy-after:0"),
            !inner.is_empty()
        );
    }
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!("saved"), &json!(1))
    );
    assert_eq!(hub.texts(&bob, &id).await, "saved");
}

#[tokio::test]
async fn a_message_written_long_ago_takes_its_place_in_the_history_not_the_last() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    hub.write(&bob, &id, "today").await;
    let mut chat = hub.chat(&ann).await;
    let date = crate::support::START - 7 * 24 * 3600;
    chat.send(&format!(
        "<message xmlns='jabber:client' type='chat' id='old' to='{}'><body>last week</body>\
         <extraParams><save_to_history>1</save_to_history><date_sent>{date}</date_sent>\
         </extraParams></message>",
        hub.jid(&bob)
    ))
    .await;
    chat.sync().await;
    assert_eq!(hub.texts(&bob, &id).await, "last week today");
    let listed = hub.listed(&bob, &id).await.unwrap();
    assert_eq!(
        (&listed["last_message"], &listed["unread_messages_count"]),
        (&json!("today"), &json!(1))
    );
}

#[tokio::test]
async fn unread_messages_are_counted_from_joining_on_and_no_more_after_leaving() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[]).await;
    hub.write(&ann, &id, "before").await;
    let path = format!("/chat/Dialog/{id}");
    let push = json!({"push_all": {"occupants_ids": [bob.id]}});
    hub.put(&ann, &path, push.clone()).await;
    let unread = async || hub.get(&bob, "/chat/Message/unread.json").await.1;
    assert_eq!(unread().await, json!({"total": 0}));
    assert_eq!(hub.texts(&bob, &id).await, "before");
    let first = hub.write(&ann, &id, "one").await;
    hub.write(&ann, &id, "two").await;
    hub.write(&bob, &id, "own").await;
    assert_eq!(unread().await, json!({"total": 2}));
    let read = json!({"chat_dialog_id": id, "read": 1});
    assert_eq!(
        hub.put(&bob, &format!("/chat/Message/{first}"), read)
            .await
            .0,
        200
    );
    assert_eq!(unread().await, json!({"total": 1}));
    let ids = format!("/chat/Message/unread?dialogs_ids={id}");
    assert_eq!(
        hub.get(&bob, &ids).await.1,
        json!({"total": 1, id.as_str(): 1})
    );
    hub.put(
        &bob,
        &path,
        json!({"pull_all": {"occupants_ids": [bob.id]}}),
    )
    .await;
    assert_eq!(unread().await, json!({"total": 0}));
    hub.put(&ann, &path, push).await;
    assert_eq!(unread().await, json!({"total": 0}));
}

#[tokio::test]
async fn notifications_are_on_until_switched_off_for_one_user() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let id = hub.group(&ann, &[&bob]).await;
    let path = format!("/chat/Dialog/{id}/notifications.json");
    let on = json!({"notifications": {"enabled": 1}});
    let off = json!({"notifications": {"enabled": 0}});
    assert_eq!(hub.get(&bob, &path).await, (200, on.clone()));
    assert_eq!(
        hub.put(&bob, &path, json!({"enabled": "0"})).await,
        (200, off.clone())
    );
    assert_eq!(hub.get(&bob, &path).await.1, off);
    assert_eq!(hub.get(&ann, &path).await.1, on);
    assert_eq!(hub.put(&bob, &path, json!({"enabled": 1})).await.1, on);
    assert_eq!(hub.put(&bob, &path, json!({"enabled": 2})).await.0, 422);
    assert_eq!(hub.get(&eve, &path).await.0, 404);
}

#[tokio::test]
async fn a_wrong_message_is_refused_with_the_field_that_is_wrong() {
    let hub = Hub::start().await;
    let (ann, eve) = (hub.person("ann").await, hub.person("eve").await);
    let id = hub.group(&ann, &[]).await;
    for (body, field) in [
        (json!({"message": "x"}), "base"),
        (json!({"chat_dialog_id": id}), "base"),
        (
            json!({"chat_dialog_id": id, "message": {"a": 1}}),
            "message",
        ),
        (
            json!({"chat_dialog_id": id, "message": "x".repeat(64 * 1024 + 1)}),
            "message",
        ),
        (
            json!({"chat_dialog_id": id, "attachments": "photo"}),
            "attachments",
        ),
        (
            json!({"chat_dialog_id": id, "attachments": ["photo"]}),
            "attachments",
        ),
        (
            json!({"recipient_id": ann.id, "message": "x"}),
            "recipient_id",
        ),
    ] {
        let (status, error) = hub.post(&ann, "/chat/Message", body).await;
        assert_eq!(status, 422, "{field}");
        assert!(error["errors"][field][0].is_string(), "{error}");
    }
    let body = json!({"chat_dialog_id": id, "message": "x"});
    assert_eq!(hub.post(&eve, "/chat/Message", body).await.0, 404);
    let nobody = json!({"recipient_id": 999, "message": "x"});
    assert_eq!(hub.post(&ann, "/chat/Message", nobody).await.0, 404);
    let mut chat = hub.chat(&ann).await;
    let long = "x".repeat(64 * 1024 + 1);
    let answers = chat.say("groupchat", &hub.room(&id), "long", &long).await;
    let error = answers
        .iter()
        .find(|answer| answer.attr("type") == Some("error"))
        .unwrap();
    let error = error.get_child("error", "jabber:client").unwrap();
    assert_eq!(error.attr("code"), Some("406"));
    assert_eq!(hub.texts(&ann, &id).await, "");
}
