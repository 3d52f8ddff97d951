//! Public dialogs: subscribing, occupants, preview, blocking (CH-11, CH-14, CH-15, CH-25…CH-27,
//! CH-49).

use serde_json::json;

use crate::support::{Hub, body_of};

#[tokio::test]
async fn whoever_subscribes_reads_writes_and_lists_it_until_unsubscribing() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 4, json!({"occupants_ids": [bob.id]}))
        .await;
    let history = format!("/chat/Message?chat_dialog_id={id}");
    assert_eq!(hub.listed(&bob, &id).await, None);
    assert_eq!(hub.get(&bob, &history).await.0, 403);
    let path = format!("/chat/dialog/{id}/subscribe.json");
    let (status, dialog) = hub.post(&bob, &path, json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&dialog["occupants_count"], &dialog["occupants_ids"]),
        (&json!(2), &json!([]))
    );
    assert_eq!(dialog["xmpp_room_jid"], json!(hub.room(&id)));
    hub.post(&bob, &path, json!({})).await;
    assert_eq!(hub.listed(&ann, &id).await.unwrap()["occupants_count"], 2);
    let (mut from, mut to) = (hub.chat(&bob).await, hub.chat(&ann).await);
    from.say("groupchat", &hub.room(&id), "p1", "hello").await;
    assert_eq!(body_of(&to.message().await), "hello");
    assert_eq!(hub.texts(&ann, &id).await, "hello");
    assert_eq!(
        hub.delete(&bob, &format!("/chat/Dialog/{id}/subscribe"))
            .await
            .0,
        200
    );
    assert_eq!(hub.listed(&bob, &id).await, None);
    from.sync().await;
    to.say("groupchat", &hub.room(&id), "p2", "gone?").await;
    assert!(from.messages().await.is_empty());
}

#[tokio::test]
async fn only_public_dialogs_are_subscribed_to_and_others_stay_unknown() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let group = hub.group(&ann, &[]).await;
    let subscribe = |id: &str| format!("/chat/Dialog/{id}/subscribe");
    assert_eq!(hub.post(&bob, &subscribe(&group), json!({})).await.0, 404);
    assert_eq!(hub.post(&ann, &subscribe(&group), json!({})).await.0, 422);
    assert_eq!(hub.post(&bob, &subscribe("none"), json!({})).await.0, 404);
    assert_eq!(hub.delete(&bob, &subscribe(&group)).await.0, 404);
}

#[tokio::test]
async fn occupants_are_listed_in_pages_as_users() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let id = hub.dialog(&ann, 4, json!({})).await;
    for name in ["bob", "eve"] {
        let person = hub.person(name).await;
        hub.post(&person, &format!("/chat/Dialog/{id}/subscribe"), json!({}))
            .await;
    }
    let stranger = hub.person("joe").await;
    let path = format!("/chat/Dialog/{id}/occupants.json");
    let names = async |query: &str| {
        let (status, list) = hub.get(&stranger, &format!("{path}{query}")).await;
        assert_eq!(status, 200, "{list}");
        let items = list["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item.get("password").is_none()));
        let names: Vec<String> = items
            .iter()
            .map(|item| item["login"].as_str().unwrap().to_owned())
            .collect();
        names.join(" ")
    };
    assert_eq!(names("").await, "ann bob eve");
    assert_eq!(names("?limit=1&skip=1").await, "bob");
    let group = hub.group(&ann, &[]).await;
    let path = format!("/chat/Dialog/{group}/occupants");
    assert_eq!(hub.get(&stranger, &path).await.0, 404);
}

#[tokio::test]
async fn the_last_twenty_messages_are_previewed_where_the_dialog_allows_it() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.dialog(&ann, 4, json!({})).await;
    for n in 0..25 {
        hub.write(&ann, &id, &n.to_string()).await;
    }
    let path = format!("/chat/Message?chat_dialog_id={id}&preview=1&limit=2&sort_desc=date_sent");
    assert_eq!(hub.get(&bob, &path).await.0, 403);
    let allow = json!({"permissions": {"allow_preview": true, "other": 1}});
    let (_, dialog) = hub.put(&ann, &format!("/chat/Dialog/{id}"), allow).await;
    assert_eq!(dialog["permissions"], json!({"allow_preview": true}));
    let (status, list) = hub.get(&bob, &path).await;
    let items = list["items"].as_array().unwrap();
    assert_eq!((status, items.len()), (200, 20));
    assert_eq!(
        (&items[0]["message"], &items[19]["message"]),
        (&json!("5"), &json!("24"))
    );
    assert_eq!(items[0]["views_count"], 0);
    let forbid = json!({"permissions": {"allow_preview": false}});
    hub.put(&ann, &format!("/chat/Dialog/{id}"), forbid).await;
    assert_eq!(hub.get(&bob, &path).await.0, 403);
}

#[tokio::test]
async fn a_blocked_user_is_out_and_cannot_come_back_until_let_in() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let more = json!({"permissions": {"allow_preview": true}});
    let id = hub.dialog(&ann, 4, more).await;
    let (path, subscribe) = (
        format!("/chat/Dialog/{id}"),
        format!("/chat/Dialog/{id}/subscribe"),
    );
    hub.post(&bob, &subscribe, json!({})).await;
    let mut chat = hub.chat(&bob).await;
    let block = json!({"push_all": {"blocked_ids": [bob.id]}});
    let (_, dialog) = hub.put(&ann, &path, block).await;
    assert_eq!(
        (&dialog["blocked_ids"], &dialog["occupants_count"]),
        (&json!([bob.id]), &json!(1))
    );
    assert_eq!(hub.post(&bob, &subscribe, json!({})).await.0, 403);
    let preview = format!("/chat/Message?chat_dialog_id={id}&preview=1");
    assert_eq!(hub.get(&bob, &preview).await.0, 403);
    let answers = chat
        .say("groupchat", &hub.room(&id), "x1", "let me in")
        .await;
    assert!(
        answers
            .iter()
            .any(|answer| answer.attr("type") == Some("error"))
    );
    assert_eq!(hub.texts(&ann, &id).await, "");
    let owner = json!({"push_all": {"blocked_ids": [ann.id]}});
    assert_eq!(hub.put(&ann, &path, owner).await.0, 403);
    let unblock = json!({"pull_all": {"blocked_ids": [bob.id]}});
    assert_eq!(
        hub.put(&ann, &path, unblock).await.1["blocked_ids"],
        json!([])
    );
    let (status, dialog) = hub.post(&bob, &subscribe, json!({})).await;
    assert_eq!((status, dialog.get("blocked_ids")), (200, None));
}

#[tokio::test]
async fn views_are_counted_and_nothing_is_unread() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.dialog(&ann, 4, json!({})).await;
    hub.post(&bob, &format!("/chat/Dialog/{id}/subscribe"), json!({}))
        .await;
    hub.write(&ann, &id, "news").await;
    assert_eq!(
        hub.listed(&bob, &id).await.unwrap()["unread_messages_count"],
        0
    );
    let unread = format!("/chat/Message/unread?chat_dialog_ids={id}");
    assert_eq!(hub.get(&bob, &unread).await.1, json!({"total": 0}));
    for _ in 0..2 {
        hub.get(&bob, &format!("/chat/Message?chat_dialog_id={id}"))
            .await;
    }
    let history = hub.history(&ann, &id).await;
    assert_eq!(
        (&history[0]["views_count"], &history[0]["read_ids"]),
        (&json!(1), &json!([ann.id]))
    );
}

#[tokio::test]
async fn markers_count_as_views_and_do_not_flood_the_author() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.dialog(&ann, 4, json!({})).await;
    hub.post(&bob, &format!("/chat/Dialog/{id}/subscribe"), json!({}))
        .await;
    let message = hub.write(&ann, &id, "news").await;
    let (mut author, mut reader) = (hub.chat(&ann).await, hub.chat(&bob).await);
    for (marker, views) in [("received", 0), ("displayed", 1)] {
        reader
            .send(&format!(
                "<message xmlns='jabber:client' type='chat' id='{marker}' to='{}'>\
                 <{marker} xmlns='urn:xmpp:chat-markers:0' id='{message}'/></message>",
                hub.jid(&ann)
            ))
            .await;
        assert!(reader.messages().await.is_empty());
        let history = hub.history(&ann, &id).await;
        assert_eq!(
            (&history[0]["views_count"], &history[0]["delivered_ids"]),
            (&json!(views), &json!([ann.id]))
        );
    }
    assert!(author.messages().await.is_empty());
}

#[tokio::test]
async fn a_full_public_dialog_takes_no_more_subscribers() {
    let hub = Hub::start_with(|config| config.limits.occupants = 2).await;
    let ann = hub.person("ann").await;
    let id = hub.dialog(&ann, 4, json!({})).await;
    let path = format!("/chat/Dialog/{id}/subscribe");
    for (name, expected) in [("bob", 200), ("eve", 422)] {
        let person = hub.person(name).await;
        assert_eq!(hub.post(&person, &path, json!({})).await.0, expected);
    }
}
