//! `cubelet ctl` from the shell to the hub and back: two devices, their broker, a hub, and the
//! real binary in between.

use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::Command;
use cubelet::engine::event::EventKind;
use serde_json::Value;

use crate::broker::Broker;
use crate::ctl_process::{Outcome, ctl, json_of};
use crate::site::{Site, Station, user};

struct Shell {
    site: Site,
    broker: Broker,
    door: Station,
    desk: Station,
}

impl Shell {
    /// `desk` is TOML for the second device.
    async fn start_with(desk: &str) -> Self {
        let site = Site::start().await;
        let broker = Broker::start().await;
        let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
        let door = site.station("door", &mqtt).await;
        let desk = site.station("desk", &format!("{mqtt}{desk}")).await;
        let shell = Self {
            site,
            broker,
            door,
            desk,
        };
        for device in ["door", "desk"] {
            shell.listens(device).await;
        }
        shell
    }

    async fn start() -> Self {
        Self::start_with("").await
    }

    /// Waits until a device hears commands.
    async fn listens(&self, device: &str) {
        let topic = format!("cubelet/{device}/availability");
        let mut client = crate::broker::Client::subscribe(&self.broker, &topic).await;
        client.until(&topic, "online").await;
    }

    async fn at(&self, device: &str, arguments: &[&str]) -> Outcome {
        let mut all = vec!["--device", device];
        all.extend(arguments);
        ctl(&self.broker, &all).await
    }

    /// Runs what must succeed and shows its text.
    async fn text(&self, device: &str, arguments: &[&str]) -> String {
        let outcome = self.at(device, arguments).await;
        assert_eq!(outcome.status, 0, "{arguments:?}: {}", outcome.err);
        outcome.out
    }

    async fn json(&self, device: &str, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let outcome = self.at(device, &all).await;
        assert_eq!(outcome.status, 0, "{arguments:?}: {}", outcome.err);
        json_of(&outcome)
    }

    async fn stop(self) {
        self.door.stop().await;
        self.desk.stop().await;
        self.site.hub.stop().await;
    }
}

fn id(reply: &Value, name: &str) -> String {
    reply[name].as_str().expect(name).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_made_changed_looked_at_and_deleted_from_the_shell() {
    let shell = Shell::start().await;
    let made = shell
        .json("door", &["dialog", "create", "--name", "Gate", "desk"])
        .await;
    let dialog = id(&made, "dialog");
    let listed = shell.text("door", &["dialogs"]).await;
    assert!(listed.starts_with("DIALOG "), "{listed}");
    assert!(
        listed.contains(&format!("{dialog}  group  Gate")),
        "{listed}"
    );

    let changed = shell
        .text("door", &["dialog", "update", &dialog, "--name", "Gate 2"])
        .await;
    assert!(changed.contains("name          Gate 2\n"), "{changed}");
    let people = shell.text("door", &["dialog", "occupants", &dialog]).await;
    assert!(
        people.contains("desk") && people.contains("door"),
        "{people}"
    );

    let notifications = ["dialog", "notifications", &dialog];
    assert_eq!(shell.text("desk", &notifications).await, "on\n");
    let off = [&notifications[..], &["off"]].concat();
    assert_eq!(shell.text("desk", &off).await, "off\n");
    assert_eq!(shell.text("desk", &notifications).await, "off\n");

    let cleared = shell.text("door", &["dialog", "clear", &dialog]).await;
    assert_eq!(cleared, format!("ok dialog={dialog}\n"));
    let gone = shell
        .text("door", &["dialog", "delete", &dialog, "--for-all"])
        .await;
    assert_eq!(gone, format!("ok dialog={dialog}\n"));
    let again = shell.at("door", &["dialog", "occupants", &dialog]).await;
    assert_eq!(again.status, 1, "{}", again.out);
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_dialog_is_subscribed_to_and_left_from_the_shell() {
    let shell = Shell::start().await;
    let create = ["dialog", "create", "--kind", "public", "--name", "News"];
    let dialog = id(&shell.json("door", &create).await, "dialog");
    let subscribed = shell.text("desk", &["dialog", "subscribe", &dialog]).await;
    assert!(
        subscribed.contains("kind          public\n"),
        "{subscribed}"
    );
    let left = shell.text("desk", &["dialog", "leave", &dialog]).await;
    assert_eq!(left, format!("ok dialog={dialog}\n"));
    assert_eq!(shell.text("desk", &["dialogs"]).await, "no dialogs\n");
    let refused = shell.at("desk", &["dialog", "leave", &dialog]).await;
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("not_found"), "{}", refused.err);
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_and_system_messages_from_the_shell_reach_the_other_device() {
    let mut shell = Shell::start().await;
    assert_eq!(
        shell.text("door", &["typing", "--to", "desk"]).await,
        "ok\n"
    );
    shell
        .text("door", &["typing", "--to", "desk", "--stop"])
        .await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let hear = |event: &EventKind| match event {
            EventKind::ChatTyping { composing, .. } => Some(*composing),
            _ => None,
        };
        told.push(shell.desk.events.hear("typing", hear).await);
    }
    assert_eq!(told, [true, false]);

    let system = ["system", "--to", "desk", "--param", "floor=3", "lift"];
    shell.json("door", &system).await;
    let hear = |event: &EventKind| match event {
        EventKind::ChatSystem { body, params, .. } => Some((body.clone(), params.clone())),
        _ => None,
    };
    let (body, params) = shell.desk.events.hear("a system message", hear).await;
    assert_eq!(body.as_deref(), Some("lift"));
    assert_eq!(params["floor"], "3");
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_watched_and_kept_away_from_the_shell() {
    let shell = Shell::start().await;
    let desk = shell.desk.user;
    let found = shell.text("door", &["user", "desk"]).await;
    assert!(found.contains(&format!("{desk:<2}  desk")), "{found}");
    let by_number = ["users", "--id", &desk.to_string()];
    assert_eq!(shell.text("door", &by_number).await, found);
    assert_eq!(shell.text("door", &["user", "nobody"]).await, "no users\n");

    let seen = shell.text("door", &["activity", "desk", "--watch"]).await;
    assert_eq!(seen, format!("{desk} is online\n"));
    shell.text("door", &["activity", "desk", "--unwatch"]).await;
    let unknown = shell.at("door", &["activity", "nobody"]).await;
    assert_eq!(unknown.status, 1);
    assert!(unknown.err.contains("not_found"), "{}", unknown.err);

    shell.text("door", &["block", "desk", "--mutual"]).await;
    let blocked = shell.text("door", &["blocked"]).await;
    assert_eq!(blocked, format!("USER  WAYS\n{desk:<4}  both\n"));
    let let_in = shell.text("door", &["unblock", "desk"]).await;
    assert_eq!(let_in, format!("ok user={desk}  was_blocked=true\n"));
    assert_eq!(
        shell.text("door", &["blocked"]).await,
        "nobody is blocked\n"
    );
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_s_own_profile_is_changed_from_the_shell_and_seen_by_others() {
    let shell = Shell::start().await;
    let profile = [
        "profile",
        "--name",
        "Front door",
        "--tag",
        "floor1",
        "--phone",
        "47",
    ];
    let shown = shell.text("door", &profile).await;
    assert!(shown.contains("full_name     Front door\n"), "{shown}");
    assert!(shown.contains("phone         47\n"), "{shown}");
    let seen = shell.text("desk", &["users", "Front"]).await;
    assert!(
        seen.contains("Front door") && seen.contains("floor1"),
        "{seen}"
    );
    let cleared = shell
        .json("door", &["profile", "--phone", "", "--no-tags"])
        .await;
    assert_eq!(cleared["user"].get("phone"), None);
    assert_eq!(cleared["user"]["user_tags"], Value::Null);
    assert_eq!(cleared["user"]["full_name"], "Front door");
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_message_and_its_file_are_asked_from_the_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let inbox = format!("[attachments]\nsave_to = {:?}\n", folder.path());
    let mut shell = Shell::start_with(&inbox).await;
    let draft = Draft {
        to: Some(user("desk")),
        snapshot: true,
        ..Draft::default()
    };
    let sent = shell.door.command(Command::Send(Box::new(draft))).await;
    let message = id(&sent.expect("stored"), "message");
    let read = |event: &EventKind| match event {
        EventKind::ChatMarker {
            message: of,
            marker,
            ..
        } if *of == message && *marker == "read" => Some(()),
        _ => None,
    };
    shell.door.events.hear("a read marker", read).await;
    let desk = shell.desk.user;
    let fate = shell.text("door", &["send-status", &message]).await;
    assert_eq!(fate, format!("read, delivered to {desk}, read by {desk}\n"));
    let saved = shell.json("desk", &["download", &message]).await;
    let picture = std::fs::read(id(&saved, "file")).expect("the file");
    assert!(picture.starts_with(&[0xFF, 0xD8]), "it is a JPEG");
    assert_eq!(saved["bytes"], picture.len());
    shell.stop().await;
}
