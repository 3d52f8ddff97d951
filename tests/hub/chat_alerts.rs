//! Notifications of chat messages whose receivers are away (CH-48, PN-17, RT-29, RT-48).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::push_service::{Browser, PushService};
use crate::support::{Chat, Hub, Person, START};

/// Ann writes to Bob, who has a browser.
struct Scene {
    hub: Hub,
    service: PushService,
    browser: Browser,
    ann: Person,
    bob: Person,
    count: i64,
}

const LIFE: i64 = 5_000;

async fn scene() -> Scene {
    scene_with(|_| {}).await
}

async fn scene_with(change: impl FnOnce(&mut cubelet::config::hub::HubConfig)) -> Scene {
    let hub = Hub::start_with(|config| {
        config.push.local_services = vec!["127.0.0.1".to_owned()];
        config.push.life_seconds = LIFE;
        change(config);
    })
    .await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let service = PushService::start().await;
    let browser = Browser::new();
    let body = browser.subscription(&service.endpoint("bob"), "D");
    assert_eq!(hub.post(&bob, "/subscriptions", body).await.0, 201);
    Scene {
        hub,
        service,
        browser,
        ann,
        bob,
        count: 0,
    }
}

impl Scene {
    /// Notifications since the last time: all before one that is sent now and known by its life.
    async fn alerts(&mut self) -> usize {
        self.count += 1;
        let life = 100 + self.count;
        let text = format!(r#"{{"message": "m", "expiration": {}}}"#, START + life);
        let event = json!({"event": {
            "notification_type": "push", "environment": "production",
            "user": {"ids": [self.bob.id]}, "message": BASE64_STANDARD.encode(text),
        }});
        assert_eq!(self.hub.post(&self.ann, "/events", event).await.0, 201);
        let mut alerts = 0;
        loop {
            match self.service.next().await.ttl() {
                LIFE => alerts += 1,
                ttl => {
                    assert_eq!(ttl, life);
                    return alerts;
                }
            }
        }
    }

    async fn ann_writes(&self, id: &str, extra: &str) {
        let mut chat = self.hub.chat(&self.ann).await;
        send(&mut chat, &self.hub.jid(&self.bob), id, extra).await;
    }
}

async fn send(chat: &mut Chat, to: &str, id: &str, extra: &str) {
    chat.send(&format!(
        "<message xmlns='jabber:client' type='chat' id='{id}' to='{to}'><body>hi {id}</body>\
         <extraParams xmlns='jabber:client'><save_to_history>1</save_to_history>{extra}\
         </extraParams></message>"
    ))
    .await;
    chat.sync().await;
}

#[tokio::test]
async fn a_message_to_somebody_who_is_away_tells_them_once() {
    let mut scene = scene().await;
    let mut chat = scene.hub.chat(&scene.ann).await;
    let bob = scene.hub.jid(&scene.bob);
    send(&mut chat, &bob, "m1", "").await;
    // Sent again after a lost acknowledgement.
    send(&mut chat, &bob, "m1", "").await;
    let push = scene.service.next().await;
    assert_eq!((push.ttl(), push.header("urgency")), (LIFE, "normal"));
    let (_, list) = scene.hub.get(&scene.bob, "/chat/Dialog").await;
    let expected = json!({"data": {
        "title": "ANN", "message": "hi m1", "dialog_id": list["items"][0]["_id"],
        "message_id": "m1", "user_id": scene.ann.id,
    }});
    let browser = std::mem::replace(&mut scene.browser, Browser::new());
    assert_eq!(browser.read(&push), expected);
    assert_eq!(scene.alerts().await, 0);
}

#[tokio::test]
async fn a_message_without_history_tells_those_away_too() {
    let mut scene = scene().await;
    let mut chat = scene.hub.chat(&scene.ann).await;
    let bob = scene.hub.jid(&scene.bob);
    chat.write("chat", &bob, "m1", "unsaved", false).await;
    chat.sync().await;
    assert_eq!(scene.alerts().await, 1);
}

#[tokio::test]
async fn a_silent_message_and_one_of_a_muted_dialog_tell_nobody() {
    let mut scene = scene().await;
    scene.ann_writes("m1", "<silent>1</silent>").await;
    assert_eq!(scene.alerts().await, 0);
    let (_, list) = scene.hub.get(&scene.bob, "/chat/Dialog").await;
    let path = format!(
        "/chat/Dialog/{}/notifications",
        list["items"][0]["_id"].as_str().unwrap()
    );
    let switch = |enabled: u8| json!({ "enabled": enabled });
    assert_eq!(scene.hub.put(&scene.bob, &path, switch(0)).await.0, 200);
    scene.ann_writes("m2", "").await;
    assert_eq!(scene.alerts().await, 0);
    assert_eq!(scene.hub.put(&scene.bob, &path, switch(1)).await.0, 200);
    scene.ann_writes("m3", "").await;
    assert_eq!(scene.alerts().await, 1);
}

#[tokio::test]
async fn who_is_there_is_told_by_the_chat_alone_unless_it_looks_away() {
    let mut scene = scene().await;
    let mut bob = scene.hub.chat(&scene.bob).await;
    scene.ann_writes("m1", "").await;
    assert_eq!(scene.alerts().await, 0);
    let mobile = |enable: bool| {
        format!(
            "<iq xmlns='jabber:client' type='set' id='1:markActive'>\
             <mobile xmlns='http://tigase.org/protocol/mobile#v2' enable='{enable}'/></iq>"
        )
    };
    bob.ask(&mobile(true)).await;
    scene.ann_writes("m2", "").await;
    assert_eq!(scene.alerts().await, 1);
    bob.ask(&mobile(false)).await;
    scene.ann_writes("m3", "").await;
    assert_eq!(scene.alerts().await, 0);
    bob.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    bob.sync().await;
    scene.ann_writes("m4", "").await;
    assert_eq!(scene.alerts().await, 1);
    // The messages came all the same, to be read when somebody looks.
    let held: Vec<Value> = scene.hub.history(&scene.bob, &dialog(&scene).await).await;
    assert_eq!(held.len(), 4);
    // Another one that looks suffices.
    let _desk = scene.hub.chat(&scene.bob).await;
    scene.ann_writes("m5", "").await;
    assert_eq!(scene.alerts().await, 0);
}

async fn dialog(scene: &Scene) -> String {
    let (_, list) = scene.hub.get(&scene.bob, "/chat/Dialog").await;
    list["items"][0]["_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_lost_the_line_is_told_although_the_session_waits() {
    let mut scene = scene().await;
    let (line, _) = scene.hub.resumable(&scene.bob).await;
    drop(line);
    // The hub has noticed when Ann no longer sees Bob attended; messages tell him then.
    let mut number = 0;
    loop {
        number += 1;
        scene.ann_writes(&format!("m{number}"), "").await;
        if scene.alerts().await == 1 {
            break;
        }
        assert!(number < 200, "nobody was told");
    }
}

#[tokio::test]
async fn typing_markers_edits_and_call_signals_tell_nobody() {
    let mut scene = scene().await;
    scene.ann_writes("m1", "").await;
    assert_eq!(scene.alerts().await, 1);
    let bob = scene.hub.jid(&scene.bob);
    let mut chat = scene.hub.chat(&scene.ann).await;
    for (kind, inner) in [
        (
            "chat",
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        ),
        (
            "chat",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
        ),
        (
            "chat",
            "<body>other</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
        ),
        (
            "chat",
            "<remove xmlns='urn:xmpp:message-delete:0' id='m1'/>",
        ),
        (
            "headline",
            "<extraParams xmlns='jabber:client'><moduleIdentifier>WebRTCVideoChat</moduleIdentifier>\
             <signalType>call</signalType></extraParams>",
        ),
    ] {
        chat.send(&format!(
            "<message xmlns='jabber:client' type='{kind}' id='x' to='{bob}'>{inner}</message>"
        ))
        .await;
        chat.sync().await;
    }
    assert_eq!(scene.alerts().await, 0);
}

#[tokio::test]
async fn in_a_group_those_away_are_told_and_the_writer_is_not() {
    let mut scene = scene_with(|config| {
        config.push.chat_title = "{sender} in {dialog}".to_owned();
        config.push.chat_message = "A message".to_owned();
    })
    .await;
    let group = scene.hub.group(&scene.ann, &[&scene.bob]).await;
    let room = scene.hub.room(&group);
    let mut ann = scene.hub.chat(&scene.ann).await;
    ann.say("groupchat", &room, "g1", "secret").await;
    let push = scene.service.next().await;
    let browser = std::mem::replace(&mut scene.browser, Browser::new());
    let told = browser.read(&push);
    assert_eq!(told["data"]["title"], "ANN in G");
    assert_eq!(told["data"]["message"], "A message");
    // Bob himself writes from elsewhere, by REST, to the chat.
    let body = json!({"chat_dialog_id": group, "message": "mine", "send_to_chat": 1});
    assert_eq!(
        scene.hub.post(&scene.bob, "/chat/Message", body).await.0,
        201
    );
    assert_eq!(scene.alerts().await, 0);
    // By REST it is a message like any other.
    let body = json!({"chat_dialog_id": group, "message": "rest", "send_to_chat": 1});
    assert_eq!(
        scene.hub.post(&scene.ann, "/chat/Message", body).await.0,
        201
    );
    assert_eq!(scene.alerts().await, 1);
}

#[tokio::test]
async fn chat_alerts_can_be_switched_off() {
    let mut scene = scene_with(|config| config.push.chat_alerts = false).await;
    scene.ann_writes("m1", "").await;
    assert_eq!(scene.alerts().await, 0);
}

#[tokio::test]
async fn public_dialogs_tell_their_people_and_broadcasts_everybody() {
    let mut scene = scene_with(|config| config.chat.broadcast_by_users = true).await;
    let mut ann = scene.hub.chat(&scene.ann).await;
    let public = scene.hub.dialog(&scene.ann, 4, json!({})).await;
    ann.say("groupchat", &scene.hub.room(&public), "p1", "hi")
        .await;
    assert_eq!(scene.alerts().await, 0);
    let path = format!("/chat/Dialog/{public}/subscribe");
    assert_eq!(scene.hub.post(&scene.bob, &path, json!({})).await.0, 200);
    ann.say("groupchat", &scene.hub.room(&public), "p2", "hi")
        .await;
    assert_eq!(scene.alerts().await, 1);
    let broadcast = scene.hub.dialog(&scene.ann, 1, json!({})).await;
    ann.say("groupchat", &scene.hub.room(&broadcast), "b1", "fire")
        .await;
    assert_eq!(scene.alerts().await, 1);
}

#[tokio::test]
async fn whoever_has_blocked_the_sender_is_not_told() {
    let mut scene = scene().await;
    let group = scene.hub.group(&scene.ann, &[&scene.bob]).await;
    let mut bob = scene.hub.chat(&scene.bob).await;
    let ann = scene.hub.jid(&scene.ann);
    let muc = format!(
        "{}/{}",
        scene.hub.room(&group).split_once('@').unwrap().1,
        scene.ann.id
    );
    bob.ask(&format!(
        "<iq xmlns='jabber:client' type='set' id='l'><query xmlns='jabber:iq:privacy'>\
         <list name='b'><item type='jid' value='{ann}' action='deny' order='1'/>\
         <item type='jid' value='{muc}' action='deny' order='2'/></list></query></iq>"
    ))
    .await;
    bob.ask(
        "<iq xmlns='jabber:client' type='set' id='d'><query xmlns='jabber:iq:privacy'>\
         <default name='b'/></query></iq>",
    )
    .await;
    bob.leave().await;
    let mut chat = scene.hub.chat(&scene.ann).await;
    chat.say("groupchat", &scene.hub.room(&group), "g1", "hi")
        .await;
    chat.say("chat", &scene.hub.jid(&scene.bob), "m1", "hi")
        .await;
    let event = json!({"event": {
        "notification_type": "push", "environment": "production",
        "user": {"ids": [scene.bob.id]}, "message": BASE64_STANDARD.encode("from ann"),
    }});
    // Nobody is left who can receive it.
    assert_eq!(scene.hub.post(&scene.ann, "/events", event).await.0, 422);
    // Somebody else can, and is the first to.
    let carl = scene.hub.person("carl").await;
    let text = format!(r#"{{"message": "m", "expiration": {}}}"#, START + 77);
    let event = json!({"event": {
        "notification_type": "push", "environment": "production",
        "user": {"ids": [scene.bob.id]}, "message": BASE64_STANDARD.encode(text),
    }});
    assert_eq!(scene.hub.post(&carl, "/events", event).await.0, 201);
    assert_eq!(scene.service.next().await.ttl(), 77);
}

#[tokio::test]
async fn an_event_for_those_who_do_not_look_leaves_out_who_does() {
    let mut scene = scene().await;
    let text = r#"{"message": "ring", "ios_voip": 1, "cubelet_unless_attended": 1}"#;
    let event = json!({"event": {
        "notification_type": "push", "environment": "production",
        "user": {"ids": [scene.bob.id]}, "message": BASE64_STANDARD.encode(text),
    }});
    let mut bob = scene.hub.chat(&scene.bob).await;
    let refused = scene.hub.post(&scene.ann, "/events", event.clone()).await;
    assert_eq!(refused.0, 422, "{}", refused.1);
    bob.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    bob.sync().await;
    assert_eq!(scene.hub.post(&scene.ann, "/events", event).await.0, 201);
    let push = scene.service.next().await;
    assert_eq!(push.header("urgency"), "high");
    assert_eq!(
        scene.browser.read(&push),
        json!({"data": {"message": "ring"}})
    );
}

#[tokio::test]
async fn what_was_on_its_way_to_a_line_that_is_lost_is_told_then() {
    let mut scene = scene().await;
    // Connected and looking, and never acknowledging anything.
    let (bob, _) = scene.hub.resumable(&scene.bob).await;
    scene.ann_writes("m1", "").await;
    assert_eq!(scene.alerts().await, 0);
    drop(bob);
    let push = scene.service.next().await;
    assert_eq!(push.ttl(), LIFE);
    let browser = std::mem::replace(&mut scene.browser, Browser::new());
    assert_eq!(browser.read(&push)["data"]["message_id"], "m1");
    // Once, and not again when the session is given up or somebody comes back.
    scene.hub.chat(&scene.bob).await;
    assert_eq!(scene.alerts().await, 0);
}
