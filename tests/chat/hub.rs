//! Against the hub's own binary.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cubelet::base::tls;
use cubelet::chat::{ChatEndpoint, ChatEvent, ChatSettings, ChatTuning, Credentials};
use cubelet::protocol::address::{Realm, UserId};
use cubelet::protocol::call_signal::{CallSignal, PLATFORM, SignalKind};
use cubelet::protocol::chat_message::{Incoming, Marker, OutgoingMessage, Target};
use cubelet::rest::{
    DialogAbout, HistoryQuery, Login, NewDialog, NewMessage, NewUser, RestClient, RestError,
    RestSettings,
};
use cubelet::store::Store;
use serde::Deserialize;

use crate::client::{Running, start, text};
use crate::hub_process::HubProcess;
use crate::proxy::Proxy;

#[derive(Deserialize)]
struct Ready {
    https: String,
    chat: String,
    chat_url: String,
    chat_wss: String,
    xmpp_tls: String,
    ca: PathBuf,
    app_id: u64,
    auth_key: String,
}

struct Hub {
    _process: HubProcess,
    ready: Ready,
    _folder: tempfile::TempDir,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Tls,
    Wss,
    Ws,
}

impl Hub {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, ready) = HubProcess::start(&["--dev".as_ref()], folder.path()).await;
        Self {
            _process: process,
            ready,
            _folder: folder,
        }
    }

    fn rest(&self, login: &str, password: &str) -> RestClient {
        let settings = RestSettings {
            api: self.ready.https.parse().unwrap(),
            app_id: self.ready.app_id,
            auth_key: self.ready.auth_key.clone().into(),
            ca: Some(self.ready.ca.clone()),
        };
        RestClient::new(settings, Login::new(login, password)).unwrap()
    }

    /// Signs a user up.
    async fn user(&self, login: &str) -> User {
        let rest = self.rest(login, &format!("{login} password"));
        let new = NewUser {
            login: Login::new(login, format!("{login} password")),
            full_name: Some(format!("The {login}")),
        };
        let user = rest.sign_up(&new).await.unwrap();
        User { id: user.id, rest }
    }

    fn settings(&self, way: Way) -> ChatSettings {
        let endpoint = match way {
            Way::Tls => {
                let (host, port) = self.ready.xmpp_tls.rsplit_once(':').unwrap();
                ChatEndpoint::Tls {
                    host: host.into(),
                    port: port.parse().unwrap(),
                }
            }
            Way::Wss => ChatEndpoint::WebSocket(self.ready.chat_wss.parse().unwrap()),
            Way::Ws => ChatEndpoint::WebSocket(self.ready.chat_url.parse().unwrap()),
        };
        ChatSettings {
            endpoint,
            realm: Realm {
                app_id: self.ready.app_id,
                chat_host: self.ready.chat.clone(),
            },
            tls: tls::client_config(Some(&self.ready.ca)).unwrap(),
            tuning: ChatTuning::default(),
        }
    }

    /// Like `settings`, through a proxy.
    async fn through_proxy(&self, way: Way) -> (ChatSettings, Proxy) {
        let mut settings = self.settings(way);
        let proxy = match &mut settings.endpoint {
            ChatEndpoint::Tls { port, .. } => {
                let proxy = Proxy::to(*port).await;
                *port = proxy.port();
                proxy
            }
            ChatEndpoint::WebSocket(url) => {
                let proxy = Proxy::to(url.port().unwrap()).await;
                url.set_port(Some(proxy.port())).unwrap();
                proxy
            }
        };
        (settings, proxy)
    }
}

struct User {
    id: UserId,
    rest: RestClient,
}

impl User {
    fn chat(&self, settings: ChatSettings) -> Running {
        start(settings, self.rest.clone(), Store::in_memory().unwrap())
    }
}

async fn comes_online(way: Way) {
    let hub = Hub::start().await;
    let user = hub.user("door").await;
    let client = user.chat(hub.settings(way));
    client.online().await;
    client.client.ping().await.unwrap();
    client.stop().await;
}

#[tokio::test]
async fn a_device_comes_online_over_tls() {
    comes_online(Way::Tls).await;
}

#[tokio::test]
async fn a_device_comes_online_over_a_secure_web_socket() {
    comes_online(Way::Wss).await;
}

#[tokio::test]
async fn a_device_comes_online_over_a_loopback_web_socket() {
    comes_online(Way::Ws).await;
}

#[tokio::test]
async fn a_device_comes_online_with_its_password() {
    let hub = Hub::start().await;
    let user = hub.user("door").await;
    let credentials = Credentials::with_password(user.id, "door password");
    let store = Store::in_memory().unwrap();
    let client = start(hub.settings(Way::Tls), credentials, store);
    client.online().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_the_chat() {
    let hub = Hub::start().await;
    let user = hub.user("door").await;
    let credentials = Credentials::with_password(user.id, "wrong");
    let store = Store::in_memory().unwrap();
    let client = start(hub.settings(Way::Tls), credentials, store);
    assert_eq!(client.refused_reason().await, "not-authorized");
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_the_session() {
    let hub = Hub::start().await;
    hub.user("door").await;
    let rest = hub.rest("door", "wrong");
    let store = Store::in_memory().unwrap();
    let client = start(hub.settings(Way::Tls), rest, store);
    assert!(client.refused_reason().await.starts_with("not authorised"));
}

#[tokio::test]
async fn a_device_that_does_not_know_the_sites_ca_says_so() {
    let hub = Hub::start().await;
    let user = hub.user("door").await;
    let mut settings = hub.settings(Way::Tls);
    settings.tls = tls::client_config(None).unwrap();
    let client = user.chat(settings);
    let reason = client.offline_reason().await;
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn a_message_is_delivered_and_confirmed() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let mut door_chat = door.chat(hub.settings(Way::Tls));
    let mut desk_chat = desk.chat(hub.settings(Way::Wss));
    desk_chat.online().await;
    let message = text(desk.id, "5 < 6 & \"ü\" 🚪");
    door_chat.client.send(message.clone()).await.unwrap();
    let received = desk_chat.message().await;
    assert_eq!(
        (received.id, received.sender),
        (message.id.clone(), door.id)
    );
    assert_eq!(received.body, message.body);
    assert!(received.dialog_id.is_some());
    let marker = door_chat
        .event_of(|event| match event {
            ChatEvent::Incoming(Incoming::Marker {
                marker,
                message_id,
                from,
                ..
            }) => Some((marker, message_id, from)),
            _ => None,
        })
        .await;
    assert_eq!(marker, (Marker::Delivered, message.id, desk.id));
}

#[tokio::test]
async fn a_message_written_while_the_hub_is_unreachable_arrives_once() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let (settings, proxy) = hub.through_proxy(Way::Tls).await;
    let mut desk_chat = desk.chat(hub.settings(Way::Tls));
    desk_chat.online().await;
    let door_chat = door.chat(settings);
    door_chat.online().await;
    proxy.refuse();
    door_chat.offline_reason().await;
    let message = text(desk.id, "written in the dark");
    door_chat.client.send(message.clone()).await.unwrap();
    proxy.pass();
    assert_eq!(desk_chat.message().await.id, message.id);
    door_chat.client.send(text(desk.id, "next")).await.unwrap();
    assert_eq!(desk_chat.message().await.body, "next");
}

#[tokio::test]
async fn a_message_sent_to_an_absent_device_arrives_when_it_comes() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let mut door_chat = door.chat(hub.settings(Way::Ws));
    let message = text(desk.id, "call me back");
    door_chat.client.send(message.clone()).await.unwrap();
    door_chat.acknowledged().await;
    let mut desk_chat = desk.chat(hub.settings(Way::Tls));
    assert_eq!(desk_chat.message().await.id, message.id);
}

/// Two hundred messages each way, the lines cut three times in the middle of it.
async fn survives_cuts(way: Way) {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let (door_settings, door_proxy) = hub.through_proxy(way).await;
    let (desk_settings, desk_proxy) = hub.through_proxy(way).await;
    let mut door_chat = door.chat(door_settings);
    let mut desk_chat = desk.chat(desk_settings);
    door_chat.online().await;
    desk_chat.online().await;
    let to_desk: Vec<OutgoingMessage> = (0..200).map(|n| text(desk.id, &format!("d{n}"))).collect();
    let to_door: Vec<OutgoingMessage> = (0..200).map(|n| text(door.id, &format!("k{n}"))).collect();
    for (one, other) in to_desk.iter().zip(&to_door) {
        door_chat.client.send(one.clone()).await.unwrap();
        desk_chat.client.send(other.clone()).await.unwrap();
    }
    let at_desk = received(&mut desk_chat, 200, |count| match count {
        50 => door_proxy.cut(),
        100 => desk_proxy.cut(),
        150 => {
            door_proxy.cut();
            desk_proxy.cut();
        }
        _ => {}
    });
    let at_door = received(&mut door_chat, 200, |_| {});
    let (at_desk, at_door) = tokio::join!(at_desk, at_door);
    assert_eq!(at_desk, bodies(&to_desk));
    assert_eq!(at_door, bodies(&to_door));
    for chat in [&mut door_chat, &mut desk_chat] {
        let empty = async {
            while chat.store.pending_count().await.unwrap() > 0 {
                chat.event().await;
            }
        };
        let waiting = tokio::time::timeout(Duration::from_secs(20), empty).await;
        waiting.expect("messages stay queued");
    }
    // Nothing comes twice afterwards either.
    door_chat.client.send(text(desk.id, "end")).await.unwrap();
    assert_eq!(desk_chat.message().await.body, "end");
    desk_chat.client.send(text(door.id, "end")).await.unwrap();
    assert_eq!(door_chat.message().await.body, "end");
}

fn bodies(messages: &[OutgoingMessage]) -> Vec<String> {
    messages
        .iter()
        .map(|message| message.body.clone())
        .collect()
}

/// The texts of the first `count` messages to come; `at` is told how many have come.
async fn received(chat: &mut Running, count: usize, at: impl Fn(usize)) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        bodies.push(chat.message().await.body);
        at(bodies.len());
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_messages_each_way_survive_cuts_of_tls() {
    survives_cuts(Way::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_messages_each_way_survive_cuts_of_a_web_socket() {
    survives_cuts(Way::Wss).await;
}

#[tokio::test]
async fn a_swallowed_line_is_noticed_within_twelve_seconds_and_nothing_is_lost() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let (settings, proxy) = hub.through_proxy(Way::Tls).await;
    let mut door_chat = door.chat(settings);
    let mut desk_chat = desk.chat(hub.settings(Way::Tls));
    door_chat.online().await;
    desk_chat.online().await;
    proxy.swallow();
    let since = Instant::now();
    let message = text(desk.id, "into the hole");
    door_chat.client.send(message.clone()).await.unwrap();
    desk_chat
        .client
        .send(text(door.id, "to the hole"))
        .await
        .unwrap();
    let reason = door_chat.offline_reason().await;
    let taken = since.elapsed();
    assert!(reason.contains("silent"), "{reason}");
    assert!(taken <= Duration::from_secs(12), "{taken:?}");
    proxy.cut();
    proxy.pass();
    assert_eq!(desk_chat.message().await.id, message.id);
    assert_eq!(door_chat.message().await.body, "to the hole");
}

#[tokio::test]
async fn a_token_that_died_meanwhile_is_replaced_on_reconnection() {
    let hub = Hub::start().await;
    let door = hub.user("door").await;
    let (settings, proxy) = hub.through_proxy(Way::Tls).await;
    let client = door.chat(settings);
    client.online().await;
    let token = door.rest.session().await.unwrap().token;
    destroy(&hub, &token).await;
    proxy.cut();
    client.offline_reason().await;
    client.online().await;
    assert_ne!(door.rest.session().await.unwrap().token, token);
}

/// Ends a session behind its owner's back.
async fn destroy(hub: &Hub, token: &str) {
    let config = tls::client_config(Some(&hub.ready.ca)).unwrap();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .build()
        .unwrap();
    let url = format!("{}/session", hub.ready.https);
    let answer = http.delete(url).header("CB-Token", token).send().await;
    assert!(answer.unwrap().status().is_success());
}

#[tokio::test]
async fn a_session_that_died_is_renewed_by_the_next_call() {
    let hub = Hub::start().await;
    let door = hub.user("door").await;
    let token = door.rest.session().await.unwrap().token;
    destroy(&hub, &token).await;
    door.rest.dialogs().await.unwrap();
    assert_ne!(door.rest.session().await.unwrap().token, token);
}

#[tokio::test]
async fn a_call_signal_reaches_the_other_side() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let door_chat = door.chat(hub.settings(Way::Tls));
    let mut desk_chat = desk.chat(hub.settings(Way::Ws));
    door_chat.online().await;
    desk_chat.online().await;
    let mut signal = CallSignal::new(SignalKind::Call, "7d2f4d0e");
    signal.caller_id = Some(door.id);
    signal.opponents = vec![desk.id];
    signal.sdp = Some("v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".into());
    door_chat.client.signal(desk.id, &signal).await.unwrap();
    signal.platform = Some(PLATFORM.to_owned());
    let (from, received) = desk_chat
        .event_of(|event| match event {
            ChatEvent::Incoming(Incoming::Call { from, signal, .. }) => Some((from, signal)),
            _ => None,
        })
        .await;
    assert_eq!((from, received), (door.id, Ok(signal)));
}

#[tokio::test]
async fn a_group_message_reaches_the_members() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let group = NewDialog::Group {
        name: "Entrance".into(),
        occupants: vec![desk.id],
    };
    let dialog = door
        .rest
        .create_dialog(&group, &DialogAbout::default())
        .await
        .unwrap();
    let door_chat = door.chat(hub.settings(Way::Tls));
    let mut desk_chat = desk.chat(hub.settings(Way::Tls));
    door_chat.online().await;
    desk_chat.online().await;
    let message = OutgoingMessage {
        target: Target::Dialog(dialog.id.clone()),
        dialog_id: Some(dialog.id.clone()),
        ..text(0, "to all")
    };
    door_chat.client.send(message).await.unwrap();
    let received = desk_chat.message().await;
    assert!(received.is_group);
    assert_eq!(
        (received.sender, received.dialog_id),
        (door.id, Some(dialog.id))
    );
}

#[tokio::test]
async fn users_are_found_by_login_and_number() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let found = door.rest.user_by_login("desk").await.unwrap().unwrap();
    assert_eq!(found.id, desk.id);
    assert_eq!(found.full_name.as_deref(), Some("The desk"));
    assert_eq!(door.rest.user_by_login("nobody").await.unwrap(), None);
    let found = door.rest.user_by_id(desk.id).await.unwrap().unwrap();
    assert_eq!(found.login.as_deref(), Some("desk"));
    assert_eq!(door.rest.user_by_id(999_999).await.unwrap(), None);
}

#[tokio::test]
async fn a_login_that_is_taken_is_refused_with_the_reason() {
    let hub = Hub::start().await;
    let door = hub.user("door").await;
    let new = NewUser {
        login: Login::new("door", "another password"),
        full_name: None,
    };
    let error = door.rest.sign_up(&new).await.unwrap_err();
    let RestError::Validation { status, text } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*status, 422);
    assert!(text.contains("taken"), "{text}");
}

#[tokio::test]
async fn history_and_unread_counts_follow_the_messages() {
    let hub = Hub::start().await;
    let (door, desk) = (hub.user("door").await, hub.user("desk").await);
    let dialog = door
        .rest
        .create_dialog(&NewDialog::Private(desk.id), &DialogAbout::default())
        .await;
    let dialog = dialog.unwrap().id;
    let new = NewMessage {
        dialog: dialog.clone(),
        text: "hello".into(),
        send_to_chat: true,
    };
    let created = door.rest.create_message(&new).await.unwrap();
    let unread = desk
        .rest
        .unread(std::slice::from_ref(&dialog))
        .await
        .unwrap();
    assert_eq!((unread.total, unread.by_dialog[&dialog]), (1, 1));
    let query = HistoryQuery {
        dialog: dialog.clone(),
        limit: 10,
        skip: 0,
        mark_as_read: true,
    };
    let history = desk.rest.history(&query).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].id, created.id);
    assert_eq!(history[0].message.as_deref(), Some("hello"));
    let unread = desk.rest.unread(&[dialog]).await.unwrap();
    assert_eq!(unread.total, 0);
}
