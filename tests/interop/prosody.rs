//! Our chat client against Prosody, a server nobody here wrote: login by SCRAM over direct TLS,
//! messages, carbons, rooms, and streams resumed after cuts.

// All of it is test code; clippy exempts only the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../chat/client.rs"]
// The whole of it serves the chat tests; here a part does.
#[allow(dead_code)]
mod client;
#[path = "../chaos/line.rs"]
#[allow(dead_code)]
mod line;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cubelet::base::tls;
use cubelet::chat::{
    ChatEndpoint, ChatEvent, ChatSettings, ChatTuning, ConnectionStatus, Credentials,
};
use cubelet::protocol::address::{Realm, UserId};
use cubelet::protocol::chat_message::{Incoming, Marker, OutgoingMessage, Target};
use cubelet::protocol::room_presence::RoomEvent;
use cubelet::store::Store;

use client::{Running, start, text};
use line::Line;

const DIALOG: &str = "66f0aa000102030405000001";
/// More than a line of these tests ever carries.
const NO_END: std::ops::Range<u64> = (1 << 40)..(1 << 41);

struct Prosody {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Drop for Prosody {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prosody {
    async fn start() -> Self {
        tls::install_provider();
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(
            folder.join("key.pem"),
            certified.signing_key.serialize_pem(),
        )
        .unwrap();
        let accounts = folder.join("data/localhost/accounts");
        std::fs::create_dir_all(&accounts).unwrap();
        for user in 1..=3 {
            // Its own escaping of `-` in file names.
            let account = format!("return {{ [\"password\"] = \"password of {user}\" }};\n");
            std::fs::write(accounts.join(format!("{user}%2d7.dat")), account).unwrap();
        }
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        std::fs::write(folder.join("prosody.cfg.lua"), config(folder, port)).unwrap();
        let child = Command::new("prosody")
            .arg("-F")
            .arg("--config")
            .arg(folder.join("prosody.cfg.lua"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Prosody tests need it: run `scripts/setup test`");
        let prosody = Self {
            child,
            port,
            directory,
        };
        prosody.is_up().await;
        prosody
    }

    async fn is_up(&self) {
        let since = Instant::now();
        while let Err(error) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await {
            assert!(since.elapsed() < Duration::from_secs(20), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn settings(&self, port: u16) -> ChatSettings {
        ChatSettings {
            endpoint: ChatEndpoint::Tls {
                host: "localhost".into(),
                port,
            },
            realm: Realm {
                app_id: 7,
                chat_host: "localhost".into(),
            },
            tls: tls::client_config(Some(&self.directory.path().join("cert.pem"))).unwrap(),
            // As a line that breaks all the time is what is tried, not patience.
            tuning: ChatTuning {
                retry_first: Duration::from_millis(20),
                retry_longest: Duration::from_millis(200),
                ..ChatTuning::default()
            },
        }
    }

    fn user(&self, user: UserId, port: u16) -> Running {
        let credentials = Credentials::with_password(user, format!("password of {user}"));
        start(
            self.settings(port),
            credentials,
            Store::in_memory().unwrap(),
        )
    }

    /// A user with a line of its own.
    async fn user_on_line(&self, user: UserId) -> (Running, Line) {
        let line = Line::to(self.port, user, NO_END).await;
        let running = self.user(user, line.port());
        running.online().await;
        (running, line)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("prosody.log")).unwrap_or_default()
    }
}

fn config(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{folder}/prosody.log" }} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
s2s_ports = {{ }}
c2s_direct_tls_ports = {{ {port} }}
c2s_direct_tls_ssl = {{ certificate = "{folder}/cert.pem", key = "{folder}/key.pem" }}
ssl = {{ certificate = "{folder}/cert.pem", key = "{folder}/key.pem" }}
modules_enabled = {{ "saslauth", "disco", "carbons", "smacks", "ping", "offline" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
storage = "internal"
limits = {{ }}
smacks_hibernation_time = 60
VirtualHost "localhost"
Component "muc.localhost" "muc"
  muc_room_locking = false
  restrict_room_creation = false
"#
    )
}

fn to(user: UserId, body: &str) -> OutgoingMessage {
    OutgoingMessage {
        dialog_id: Some("66f0aa000102030405000002".into()),
        ..text(user, body)
    }
}

/// Waits until the client is back from the last cut and the server answers it.
async fn at_rest(client: &Running) {
    let answered = async {
        client.online().await;
        while client.client.ping().await.is_err() {
            client.online().await;
        }
    };
    let waiting = tokio::time::timeout(client::PATIENCE, answered).await;
    waiting.expect("it does not come to rest");
}

/// User 1 and user 2 each write so much to the other, and hear it once and in order.
async fn both_say_and_hear(one: &mut Running, two: &mut Running, round: usize, count: usize) {
    let bodies: Vec<String> = (0..count).map(|n| format!("{round}.{n}")).collect();
    for body in &bodies {
        one.client.send(to(2, body)).await.unwrap();
        two.client.send(to(1, body)).await.unwrap();
    }
    for body in &bodies {
        assert_eq!(two.message().await.body, *body);
        assert_eq!(one.message().await.body, *body);
    }
}

async fn resumed(client: &Running) {
    client
        .status(|status| matches!(status, ConnectionStatus::Online { resumed: true, .. }))
        .await;
}

#[tokio::test]
async fn a_device_logs_in_to_prosody_by_scram_over_direct_tls() {
    let prosody = Prosody::start().await;
    let client = prosody.user(1, prosody.port);
    client.online().await;
    client.client.ping().await.unwrap();
    let log = prosody.log();
    assert!(log.contains("SCRAM-SHA-256"), "{log}");
    let wrong = Credentials::with_password(2, "wrong");
    let settings = prosody.settings(prosody.port);
    let wrong = start(settings, wrong, Store::in_memory().unwrap());
    assert!(wrong.refused_reason().await.contains("not-authorized"));
}

#[tokio::test]
async fn messages_and_markers_go_through_prosody() {
    let prosody = Prosody::start().await;
    let mut one = prosody.user(1, prosody.port);
    let mut two = prosody.user(2, prosody.port);
    one.online().await;
    two.online().await;
    let message = to(2, "5 < 6 & \"ü\" 🚪");
    one.client.send(message.clone()).await.unwrap();
    let received = two.message().await;
    assert_eq!((received.sender, received.body), (1, message.body));
    let marked = one
        .event_of(|event| match event {
            ChatEvent::Incoming(Incoming::Marker {
                marker, message_id, ..
            }) => Some((marker, message_id)),
            _ => None,
        })
        .await;
    assert_eq!(marked, (Marker::Delivered, message.id));
}

#[tokio::test]
async fn a_second_device_of_the_user_sees_what_the_first_one_says() {
    let prosody = Prosody::start().await;
    let one = prosody.user(1, prosody.port);
    let mut other = prosody.user(1, prosody.port);
    let two = prosody.user(2, prosody.port);
    for client in [&one, &other, &two] {
        client.online().await;
    }
    let message = to(2, "seen twice");
    one.client.send(message.clone()).await.unwrap();
    let copy = other.message().await;
    assert!(copy.is_own_copy);
    assert_eq!((copy.id, copy.sender), (message.id, 1));
}

#[tokio::test]
async fn a_message_to_a_device_that_is_away_arrives_when_it_comes() {
    let prosody = Prosody::start().await;
    let mut one = prosody.user(1, prosody.port);
    let message = to(2, "call me back");
    one.client.send(message.clone()).await.unwrap();
    one.acknowledged().await;
    let mut two = prosody.user(2, prosody.port);
    assert_eq!(two.message().await.id, message.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_lines_to_prosody_are_cut() {
    let prosody = Prosody::start().await;
    let (mut one, one_line) = prosody.user_on_line(1).await;
    let (mut two, two_line) = prosody.user_on_line(2).await;
    // Cut at rest, as a cut in the middle of a stanza is the next test; what is sent meanwhile
    // waits for the resumed stream.
    for round in 0..6 {
        for client in [&one, &two] {
            at_rest(client).await;
        }
        match round % 3 {
            0 => one_line.cut(),
            1 => two_line.cut(),
            _ => {
                one_line.cut();
                two_line.cut();
            }
        }
        both_say_and_hear(&mut one, &mut two, round, 30).await;
    }
    for client in [&one, &two] {
        at_rest(client).await;
    }
    one_line.cut();
    two_line.cut();
    resumed(&one).await;
    resumed(&two).await;
    one.client.send(to(2, "end")).await.unwrap();
    assert_eq!(two.message().await.body, "end");
}

/// Prosody 0.12.3 reads the rest of the stanza into the resumed stream and ends it as not
/// well-formed; a fixed one resumes. Either way nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_the_middle_of_a_stanza_loses_nothing_at_prosody() {
    let prosody = Prosody::start().await;
    let mut two = prosody.user(2, prosody.port);
    two.online().await;
    // Long enough for the login, too short for the message of several TLS records.
    let line = Line::to(prosody.port, 1, 45_000..45_001).await;
    let one = prosody.user(1, line.port());
    one.online().await;
    let long = to(2, &"x".repeat(60_000));
    one.client.send(long.clone()).await.unwrap();
    one.client.send(to(2, "after")).await.unwrap();
    one.status(|status| matches!(status, ConnectionStatus::Offline { .. }))
        .await;
    line.calm();
    let received = two.message().await;
    assert_eq!((received.id, received.body.len()), (long.id, 60_000));
    assert_eq!(two.message().await.body, "after");
    one.client.send(to(2, "end")).await.unwrap();
    assert_eq!(two.message().await.body, "end");
}

/// Both lines break again and again wherever they are, in the middle of stanzas of both directions,
/// while both write. How often Prosody resumes is its own affair; what is said arrives once, and in
/// the order of its author.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_write_while_their_lines_to_prosody_break_lose_and_double_nothing() {
    // Fewer than a connection's life carries: what is unacknowledged is sent again by each, and
    // Prosody need not have read what a broken one carried last.
    const AT_ONCE: usize = 20;
    let prosody = Prosody::start().await;
    let lives = 25_000..60_000;
    let lines = [
        Line::to(prosody.port, 11, lives.clone()).await,
        Line::to(prosody.port, 12, lives).await,
    ];
    let mut one = prosody.user(1, lines[0].port());
    let mut two = prosody.user(2, lines[1].port());
    for round in 0..25 {
        both_say_and_hear(&mut one, &mut two, round, AT_ONCE).await;
    }
    for line in &lines {
        assert!(line.cuts.load(Ordering::Relaxed) > 5, "few cuts");
        line.calm();
    }
    // Behind all of it, so nothing came twice.
    one.client.send(to(2, "end")).await.unwrap();
    two.client.send(to(1, "end")).await.unwrap();
    assert_eq!(two.message().await.body, "end");
    assert_eq!(one.message().await.body, "end");
}

async fn joined(client: &mut Running) {
    client
        .event_of(|event| match event {
            ChatEvent::Room {
                event: RoomEvent::Joined,
                ..
            } => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn devices_talk_in_a_room_of_prosody_and_come_back_to_it() {
    let prosody = Prosody::start().await;
    let (mut one, line) = prosody.user_on_line(1).await;
    let mut two = prosody.user(2, prosody.port);
    two.online().await;
    one.client.join(DIALOG).unwrap();
    joined(&mut one).await;
    two.client.join(DIALOG).unwrap();
    joined(&mut two).await;
    let arrived = one
        .event_of(|event| match event {
            ChatEvent::Room {
                event: RoomEvent::OccupantJoined(user),
                ..
            } => Some(user),
            _ => None,
        })
        .await;
    assert_eq!(arrived, 2);
    let to_all = |body: &str| OutgoingMessage {
        target: Target::Dialog(DIALOG.into()),
        ..text(0, body)
    };
    two.client.send(to_all("hello")).await.unwrap();
    let received = one.message().await;
    assert_eq!((received.sender, received.is_group), (2, true));
    assert_eq!(received.dialog_id.as_deref(), Some(DIALOG));
    // The echo of its own.
    assert_eq!(two.message().await.body, "hello");

    line.cut();
    two.client.send(to_all("while you were out")).await.unwrap();
    assert_eq!(one.message().await.body, "while you were out");
    assert_eq!(two.message().await.body, "while you were out");
    two.client.leave(DIALOG).unwrap();
    let gone = one
        .event_of(|event| match event {
            ChatEvent::Room {
                event: RoomEvent::OccupantLeft(user),
                ..
            } => Some(user),
            _ => None,
        })
        .await;
    assert_eq!(gone, 2);
}
