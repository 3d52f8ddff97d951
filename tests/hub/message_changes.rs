//! Editing and removing messages, by REST and in the chat (CH-37, CH-38, RT-36, RT-37; wire
//! reference B.5).

use minidom::Element;
use serde_json::json;

use crate::support::{Chat, Hub, body_of};

const CORRECT: &str = "urn:xmpp:message-correct:0";

fn is_refused(answers: &[Element], code: &str) -> bool {
    let errors = answers
        .iter()
        .filter(|answer| answer.attr("type") == Some("error"));
    errors
        .filter_map(|answer| answer.get_child("error", "jabber:client"))
        .any(|error| error.attr("code") == Some(code))
}

async fn change(chat: &mut Chat, kind: &str, to: &str, payload: &str) -> Vec<Element> {
    chat.send(&format!(
        "<message xmlns='jabber:client' type='{kind}' id='c1' to='{to}'>{payload}\
         <extraParams><dialog_id>any</dialog_id></extraParams></message>"
    ))
    .await;
    chat.sync().await
}

fn edit(id: &str, body: &str) -> String {
    format!("<body>{body}</body><replace xmlns='{CORRECT}' id='{id}' last='true'/>")
}

fn remove(id: &str) -> String {
    format!("<remove xmlns='urn:xmpp:message-delete:0' id='{id}'/>")
}

#[tokio::test]
async fn a_text_changed_by_rest_is_told_to_the_others_with_its_place() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let first = hub.write(&ann, &id, "first").await;
    hub.clock.advance(1);
    let second = hub.write(&ann, &id, "second").await;
    let mut chat = hub.chat(&bob).await;
    for (message, is_last) in [(&first, "false"), (&second, "true")] {
        let body = json!({"chat_dialog_id": id, "message": "new <text>"});
        let path = format!("/chat/Message/{message}.json");
        assert_eq!(hub.put(&ann, &path, body.clone()).await.0, 200);
        let told = chat.message().await;
        assert_eq!(body_of(&told), "new <text>");
        let replace = told.get_child("replace", CORRECT).unwrap();
        assert_eq!(
            (replace.attr("id"), replace.attr("last")),
            (Some(message.as_str()), Some(is_last))
        );
        assert_ne!(told.attr("id"), Some(message.as_str()));
        // Nobody changes another one's text, not even who reads it.
        assert_eq!(hub.put(&bob, &path, body).await.0, 403);
    }
    assert_eq!(hub.texts(&bob, &id).await, "new <text> new <text>");
    assert_eq!(
        hub.listed(&bob, &id).await.unwrap()["last_message"],
        "new <text>"
    );
    assert!(chat.messages().await.is_empty());
}

#[tokio::test]
async fn of_several_texts_all_or_none_are_changed() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let (own, other) = (
        hub.write(&ann, &id, "a").await,
        hub.write(&bob, &id, "b").await,
    );
    let body = json!({"chat_dialog_id": id, "message": "x"});
    let mut chat = hub.chat(&bob).await;
    for (ids, status) in [
        (format!("{own},{other}"), 403),
        (format!("{own},none"), 404),
    ] {
        let path = format!("/chat/Message/{ids}");
        assert_eq!(hub.put(&ann, &path, body.clone()).await.0, status);
    }
    assert_eq!(hub.texts(&ann, &id).await, "a b");
    assert!(chat.messages().await.is_empty());
    for (path, body, field) in [
        (
            "/chat/Message".to_owned(),
            json!({"chat_dialog_id": id}),
            "base",
        ),
        (
            "/chat/Message".to_owned(),
            json!({"read": 1}),
            "chat_dialog_id",
        ),
        (
            format!("/chat/Message/{own}"),
            json!({"message": ""}),
            "message",
        ),
        (
            "/chat/Message".to_owned(),
            json!({"chat_dialog_id": id, "message": "x"}),
            "message",
        ),
    ] {
        let (status, error) = hub.put(&ann, &path, body).await;
        assert_eq!(status, 422);
        assert!(error["errors"][field][0].is_string(), "{error}");
    }
}

#[tokio::test]
async fn the_hub_knows_better_than_the_client_which_message_is_the_last() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let room = hub.room(&id);
    let mut chat = hub.chat(&ann).await;
    chat.say("groupchat", &room, "m1", "one").await;
    hub.clock.advance(1);
    chat.say("groupchat", &room, "m2", "two").await;
    change(&mut chat, "groupchat", &room, &edit("m1", "changed")).await;
    assert_eq!(hub.texts(&bob, &id).await, "changed two");
    assert_eq!(hub.listed(&bob, &id).await.unwrap()["last_message"], "two");
}

#[tokio::test]
async fn in_a_group_its_administrators_remove_any_message_and_others_only_their_own() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let id = hub.group(&ann, &[&bob, &eve]).await;
    let room = hub.room(&id);
    let (anns, bobs) = (
        hub.write(&ann, &id, "a").await,
        hub.write(&bob, &id, "b").await,
    );
    let (mut owner, mut regular, mut reader) = (
        hub.chat(&ann).await,
        hub.chat(&bob).await,
        hub.chat(&eve).await,
    );
    let answers = change(&mut regular, "groupchat", &room, &remove(&anns)).await;
    assert!(is_refused(&answers, "403"));
    let answers = change(&mut owner, "groupchat", &room, &edit(&bobs, "forged")).await;
    assert!(is_refused(&answers, "403"));
    assert!(reader.messages().await.is_empty());
    change(&mut owner, "groupchat", &room, &remove(&bobs)).await;
    let told = reader.message().await;
    let removed = told
        .get_child("remove", "urn:xmpp:message-delete:0")
        .unwrap();
    assert_eq!(removed.attr("id"), Some(bobs.as_str()));
    assert_eq!(hub.texts(&eve, &id).await, "a");
    // Sent again after a lost acknowledgement: no error, and nobody is told twice.
    let answers = change(&mut owner, "groupchat", &room, &remove(&bobs)).await;
    assert!(!is_refused(&answers, "403") && !is_refused(&answers, "404"));
    assert!(reader.messages().await.is_empty());
    let answers = change(&mut owner, "groupchat", &room, &edit(&bobs, "back")).await;
    assert!(is_refused(&answers, "404"));
}

#[tokio::test]
async fn a_message_is_changed_only_through_its_own_dialog() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (one, two) = (
        hub.group(&ann, &[&bob]).await,
        hub.group(&ann, &[&bob]).await,
    );
    let message = hub.write(&ann, &one, "x").await;
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    for (kind, target) in [("groupchat", hub.room(&two)), ("chat", hub.jid(&bob))] {
        for payload in [edit(&message, "y"), remove(&message)] {
            let answers = change(&mut from, kind, &target, &payload).await;
            assert!(is_refused(&answers, "403"), "{kind} {payload}");
        }
    }
    assert!(to.messages().await.is_empty());
    assert_eq!(hub.texts(&bob, &one).await, "x");
    let (_, error) = hub
        .put(
            &ann,
            &format!("/chat/Message/{message}"),
            json!({"chat_dialog_id": two, "message": "y"}),
        )
        .await;
    assert!(error["errors"]["base"].is_array(), "{error}");
}

#[tokio::test]
async fn a_change_in_a_message_of_another_type_is_checked_like_any_other() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    let message = hub.write(&bob, &id, "bob's").await;
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let answers = change(&mut from, "normal", &hub.jid(&bob), &remove(&message)).await;
    assert!(is_refused(&answers, "403"));
    assert!(to.messages().await.is_empty());
    assert_eq!(hub.texts(&ann, &id).await, "bob's");
}

#[tokio::test]
async fn an_unsaved_message_can_be_taken_back_between_two_people() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    change(&mut from, "chat", &hub.jid(&bob), &remove("never-saved")).await;
    let told = to.message().await;
    assert!(told.has_child("remove", "urn:xmpp:message-delete:0"));
}
