//! Rules at work: a whole device with a hub and a real broker.

use cubelet::base::object_id::ObjectId;
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::{EventKind, RingPhase};
use cubelet::protocol::chat_message::{OutgoingMessage, Target};
use cubelet::store::Store;

use crate::broker::{Broker, Client};
use crate::site::{Site, Station, user};

/// Every day, all day: what a test at any hour is within.
const ALWAYS: &str = "[[schedule]]\nname = \"night\"\nzone = \"UTC\"\nwindows = [\"mon-sun\"]\n";

/// The next rule that was carried out: its name and what failed.
async fn fired(station: &mut Station) -> (String, Vec<String>) {
    station
        .events
        .hear("a rule fires", |event| match event {
            EventKind::RuleFired { rule, errors, .. } => Some((rule.clone(), errors.clone())),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_button_rings_whom_the_rule_of_the_hour_says() {
    let site = Site::start().await;
    let concierge = site.blind_station("concierge").await;
    let anna = site.blind_station("anna").await;
    let rules = format!(
        "{ALWAYS}[[rule]]\nname = \"day\"\non = [\"button/pressed\"]\nunless = \"night\"\n\
         do = [{{ command = \"ring\", targets = [\"anna\"] }}]\n\
         [[rule]]\nname = \"night\"\non = [\"button/pressed\"]\nwhen = \"night\"\n\
         if = [\"event.button == 'bell'\", \"call.status == 'idle'\"]\n\
         do = [{{ command = \"ring\", targets = [\"concierge\"] }}]\n\
         [calls]\nbind = [\"127.0.0.1\"]\n"
    );
    let mut door = site.station("door", &rules).await;
    // The button alone rings nobody; whoever pressed it over MQTT is told so.
    door.command(Command::Press).await.expect_err("nobody");
    let rung = door
        .events
        .hear("the ring", |event| match event {
            EventKind::Ring {
                phase: RingPhase::Started,
                told,
            } => Some(told.users.clone()),
            _ => None,
        })
        .await;
    assert_eq!(rung, [concierge.user]);
    assert_eq!(fired(&mut door).await, ("night".to_owned(), Vec::new()));
    for station in [door, concierge, anna] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn motion_of_another_device_takes_a_picture_and_writes_to_somebody() {
    let site = Site::start().await;
    let broker = Broker::start().await;
    let mut concierge = site.blind_station("concierge").await;
    let rules = format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n\
         [[rule]]\nname = \"motion\"\non_topic = \"zigbee2mqtt/+\"\n\
         if = [\"event.occupancy\", \"event.illuminance < 50\"]\n\
         do = [\"snapshot\", {{ command = \"send\", to = \"concierge\", \
         text = \"Motion, ${{event.illuminance}} lx, ${{event.topic}}\" }}, \
         {{ command = \"send\", to = \"concierge\", text = \"${{event.nothing}}\" }}]\n\
         cooldown_s = 300\n",
        broker.port
    );
    // What is retained tells how it was, not that something happens.
    let sensor = Client::subscribe(&broker, "nothing").await;
    sensor.publish(
        "zigbee2mqtt/old",
        r#"{"occupancy":true,"illuminance":1}"#,
        true,
    );
    let mut watching = Client::subscribe(&broker, "cubelet/door/#").await;
    let mut door = site.station("door", &rules).await;
    watching.until("cubelet/door/availability", "online").await;
    sensor.publish(
        "zigbee2mqtt/hall",
        r#"{"occupancy":false,"illuminance":7}"#,
        false,
    );
    sensor.publish(
        "zigbee2mqtt/hall",
        r#"{"occupancy":true,"illuminance":7}"#,
        false,
    );
    let picture = watching.on("cubelet/door/camera/main/snapshot").await;
    assert_eq!(picture.payload[..2], [0xff, 0xd8]);
    let text = concierge
        .events
        .hear("the message", |event| match event {
            EventKind::ChatMessage { text, .. } => Some(text.clone()),
            _ => None,
        })
        .await;
    assert_eq!(text, "Motion, 7 lx, zigbee2mqtt/hall");
    let (rule, errors) = fired(&mut door).await;
    assert_eq!(rule, "motion");
    assert_eq!(errors, ["send: there is no event.nothing"]);
    door.stop().await;
    concierge.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloading_takes_new_rules_and_topics_and_a_wrong_file_changes_nothing() {
    let site = Site::start().await;
    let broker = Broker::start().await;
    let rule = |name: &str, on: &str| {
        format!("[[rule]]\nname = \"{name}\"\n{on}\ndo = [\"snapshot\"]\ncooldown_s = 0\n")
    };
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
    let first = rule("first", "on = [\"button\"]");
    let mut watching = Client::subscribe(&broker, "cubelet/door/#").await;
    let mut door = site.station("door", &format!("{mqtt}{first}")).await;
    watching.until("cubelet/door/availability", "online").await;
    let state = site.state_folder("door");
    let file = state.parent().expect("its home").join("kiosk.toml");
    let before = std::fs::read_to_string(&file).expect("the file");

    std::fs::write(&file, before.replace("snapshot", "snapshott")).expect("written");
    let refusal = door.command(Command::Reload).await.expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::WrongState);
    assert!(
        refusal
            .message
            .contains("rule[0].do[0]: unknown command `snapshott`"),
        "{refusal}"
    );
    let _ = door.command(Command::Press).await;
    assert_eq!(fired(&mut door).await.0, "first");

    let second = rule("second", "on_topic = \"bells/#\"");
    let changed = before.replace(&first, &format!("{second}[history]\nmax_days = 3\n"));
    std::fs::write(&file, changed).expect("written");
    let told = door.command(Command::Reload).await.expect("read");
    assert_eq!(
        told,
        serde_json::json!({ "rules": 1, "restart_for": ["history"] })
    );
    // The subscription is on its way: the sensor goes on saying it until it is heard.
    let sensor = Client::subscribe(&broker, "nothing").await;
    let mut again = tokio::time::interval(std::time::Duration::from_millis(100));
    let heard = tokio::select! {
        heard = fired(&mut door) => heard.0,
        () = async { loop { again.tick().await; sensor.publish("bells/church", "dong", false); } } => {
            unreachable!()
        }
    };
    assert_eq!(heard, "second");
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_can_be_asked_for_and_holds_no_secret() {
    cubelet::base::telemetry::init(cubelet::base::telemetry::LogFormat::Text, "info");
    let site = Site::start().await;
    let door = site.station("door", "").await;
    tracing::warn!(password = door.password, "a fault that logs a secret");
    let told = door.command(Command::Logs { limit: 500 }).await;
    let lines = told.expect("lines")["lines"].to_string();
    assert!(lines.contains("a fault that logs a secret"), "{lines}");
    assert!(lines.contains("***") && !lines.contains(&door.password));
    let told = door.command(Command::Logs { limit: 2 }).await;
    assert_eq!(
        told.expect("lines")["lines"].as_array().map(Vec::len),
        Some(2)
    );
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_may_order_by_chat_are_obeyed_and_others_are_told_no() {
    let site = Site::start().await;
    let mut anna = site.blind_station("anna").await;
    let mut stranger = site.blind_station("stranger").await;
    let mut door = site
        .station(
            "door",
            "[chat.commands]\nsnapshot = [\"anna\"]\nstatus = [\"anna\"]\ndnd = [\"anna\"]\n\
             unknown = \"help\"\n[door]\nrelay = \"log\"\nunlock_allowed = [\"anna\"]\n\
             chat_unlock = \"always\"\n",
        )
        .await;
    assert_eq!(
        ask(&mut anna, "Status").await,
        "There is no call. The door is closed. Do not disturb is off."
    );
    assert_eq!(
        ask(&mut anna, "dnd on 2h").await,
        "Do not disturb is on for 2 h."
    );
    assert!(door.state().policy.dnd && door.state().policy.dnd_until.is_some());
    assert_eq!(ask(&mut anna, "dnd off").await, "Do not disturb is off.");
    assert!(!door.state().policy.dnd);
    let help = ask(&mut anna, "what can you do?").await;
    assert!(
        help.starts_with("You can write:\nopen:") && help.contains("dnd on 2h"),
        "{help}"
    );
    assert_eq!(ask(&mut anna, "open").await, "The door is open.");
    write(&anna, "snapshot").await;
    let pictures = anna
        .events
        .hear("the picture", |event| match event {
            EventKind::ChatMessage { details, .. } if !details.attachments.is_empty() => {
                Some(details.attachments.len())
            }
            _ => None,
        })
        .await;
    assert_eq!(pictures, 1);
    // Somebody without rights hears nothing to small talk, and a no to an order.
    write(&stranger, "hello").await;
    assert_eq!(
        ask(&mut stranger, "status").await,
        "You may not ask me for that."
    );
    let (from, reason) = door
        .events
        .hear("the refusal", |event| match event {
            EventKind::ChatCommand {
                ok: false,
                from,
                reason,
                ..
            } => Some((*from, reason.clone())),
            _ => None,
        })
        .await;
    assert_eq!(
        (from, reason.as_deref()),
        (stranger.user, Some("not_allowed"))
    );
    for station in [door, anna, stranger] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_comes_long_after_it_was_written_is_not_obeyed_and_noted() {
    let site = Site::start().await;
    let anna = site.blind_station("anna").await;
    let commands = "[chat.commands]\ndnd = [\"anna\"]\nstatus = [\"anna\"]\n";
    let mut door = site.station("door", commands).await;
    let anna_then = anna.user;
    let before = anna.stop().await;
    // Written two minutes ago, while there was no network.
    let kept = Store::open(&site.store_of("anna")).expect("her store");
    let written = OutgoingMessage {
        id: ObjectId::generate().to_string(),
        target: Target::User(door.user),
        body: "dnd on".to_owned(),
        date_sent: cubelet::engine::event::unix_ms() / 1000 - 120,
        ..OutgoingMessage::default()
    };
    kept.enqueue(written).await.expect("kept");
    kept.close();
    let mut anna = before.again(&site, "").await;
    let noted = door
        .events
        .hear("a note", |event| match event {
            EventKind::ChatCommand {
                from,
                command,
                ok: false,
                reason,
            } => Some((*from, *command, reason.clone())),
            _ => None,
        })
        .await;
    assert_eq!(noted, (anna_then, "dnd", Some("too_old".to_owned())));
    // What she writes now is obeyed, and finds nothing changed.
    let status = ask(&mut anna, "status").await;
    assert!(status.contains("Do not disturb is off."), "{status}");
    for station in [door, anna] {
        station.stop().await;
    }
    site.hub.stop().await;
}

async fn write(station: &Station, text: &str) {
    let draft = cubelet::engine::chat_command::Draft {
        to: Some(user("door")),
        text: text.to_owned(),
        ..Default::default()
    };
    let send = Command::Send(Box::new(draft));
    station.command(send).await.expect("sent");
}

/// Writes to the door and waits for its words.
async fn ask(station: &mut Station, text: &str) -> String {
    write(station, text).await;
    station
        .events
        .hear("an answer", |event| match event {
            EventKind::ChatMessage { text, .. } => Some(text.clone()),
            _ => None,
        })
        .await
}
