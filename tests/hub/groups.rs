//! Groups in the chat: delivery without joining, presence in rooms (wire reference B.2, B.8).

use crate::support::client::body_of;
use crate::support::{Chat, Hub};

const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

async fn join(chat: &mut Chat, room: &str) -> minidom::Element {
    chat.send(&format!(
        "<presence xmlns='jabber:client' id='j:join' to='{room}/1'>\
         <x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    chat.until(|element| element.attr("id") == Some("j:join"))
        .await
}

#[tokio::test]
async fn a_group_message_reaches_all_without_joining_and_the_sender_too() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let group = hub.group(&ann, &[&bob]).await;
    let room = hub.room(&group);
    let mut chats = [
        hub.chat(&ann).await,
        hub.chat(&ann).await,
        hub.chat(&bob).await,
    ];
    let own = chats[0].say("groupchat", &room, "g1", "all").await;
    let mut received = vec![
        own.into_iter()
            .find(|stanza| stanza.name() == "message")
            .unwrap(),
    ];
    for chat in &mut chats[1..] {
        let messages = chat.messages().await;
        assert_eq!(messages.len(), 1);
        received.extend(messages);
    }
    for message in &received {
        assert_eq!(
            message.attr("from"),
            Some(format!("{room}/{}", ann.id).as_str())
        );
        assert_eq!(body_of(message), "all");
    }
    let path = format!("/chat/Message?chat_dialog_id={group}");
    assert_eq!(hub.get(&bob, &path).await.1["items"][0]["_id"], "g1");
}

#[tokio::test]
async fn strangers_neither_write_to_a_group_nor_join_it() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let group = hub.group(&ann, &[&bob]).await;
    let (mut to, mut chat) = (hub.chat(&bob).await, hub.chat(&eve).await);
    let answers = chat.say("groupchat", &hub.room(&group), "g1", "x").await;
    assert!(
        answers
            .iter()
            .any(|answer| answer.attr("type") == Some("error"))
    );
    assert!(to.messages().await.is_empty());
    let refused = join(&mut chat, &hub.room(&group)).await;
    assert_eq!(refused.attr("type"), Some("error"));
    assert!(refused.has_child("x", "http://jabber.org/protocol/muc"));
    let path = format!("/chat/Message?chat_dialog_id={group}");
    assert_eq!(hub.get(&eve, &path).await.0, 403);
}

#[tokio::test]
async fn group_typing_goes_to_the_others_only() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.send(&format!(
        "<message xmlns='jabber:client' type='groupchat' to='{room}'>\
         <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
    ))
    .await;
    assert!(from.messages().await.is_empty());
    assert_eq!(to.messages().await.len(), 1);
}

#[tokio::test]
async fn joining_is_echoed_with_the_shim_announced_listed_and_undone() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let (mut first, mut second) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let own = join(&mut first, &room).await;
    let x = own.get_child("x", MUC_USER).unwrap();
    let status = x.children().find(|child| child.name() == "status").unwrap();
    assert_eq!(status.attr("code"), Some("110"));
    let shim = x.get_child("xmlns", MUC_USER).unwrap();
    assert_eq!(shim.get_child("code", MUC_USER).unwrap().text(), "110");
    join(&mut second, &room).await;
    let bobs = format!("{room}/{}", bob.id);
    first
        .until(|element| element.attr("from") == Some(&bobs))
        .await;
    let list = first
        .ask(&format!(
            "<iq xmlns='jabber:client' type='get' id='d' to='{room}'>\
             <query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ))
        .await;
    let query = list
        .get_child("query", "http://jabber.org/protocol/disco#items")
        .unwrap();
    assert_eq!(query.children().count(), 2);
    second.leave().await;
    let gone = first
        .until(|element| element.attr("from") == Some(&bobs))
        .await;
    assert_eq!(gone.attr("type"), Some("unavailable"));
}

#[tokio::test]
async fn who_is_removed_from_the_dialog_is_kicked_from_its_room() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let group = hub.group(&ann, &[&bob]).await;
    let mut chat = hub.chat(&bob).await;
    join(&mut chat, &hub.room(&group)).await;
    let body = serde_json::json!({"pull_all": {"occupants_ids": [bob.id]}});
    assert_eq!(
        hub.put(&ann, &format!("/chat/Dialog/{group}.json"), body)
            .await
            .0,
        200
    );
    let kick = chat
        .until(|element| element.attr("type") == Some("unavailable"))
        .await;
    let x = kick.get_child("x", MUC_USER).unwrap();
    let codes: Vec<_> = x
        .children()
        .filter_map(|child| child.attr("code"))
        .collect();
    assert_eq!(codes, ["301", "110"]);
    assert!(kick.children().any(|child| child.name() == "item"));
}
