//! `cubelet ctl` as a process of its own, against a real broker and a device with a scripted
//! engine.

use std::time::Duration;

use cubelet::engine::command::{Command, CommandError, ErrorCode, Reply, UserRef};
use cubelet::engine::event::{Event, EventKind};
use cubelet::engine::ringing_command::{AutoAnswer, Dnd, RingTarget, RingingCommand, Stop};
use cubelet::engine::state::{ChatState, ChatStatus};
use serde_json::{Value, json};

use crate::broker::{Broker, Client};
use crate::ctl_process::{Watcher, ctl, ctl_at, json_of, watching};
use crate::device::{Act, Device, settings};

#[tokio::test]
async fn the_only_device_need_not_be_named_and_is_given_the_command() {
    let (broker, device) = Device::at_a_broker().await;
    let sent = ctl(
        &broker,
        &["send", "--to", "kitchen", "somebody", "is", "there"],
    )
    .await;
    assert_eq!((sent.status, sent.err.as_str()), (0, ""));
    assert_eq!(sent.out, "ok done=true\n");
    let called = ctl(&broker, &["--json", "call", "1002", "--audio"]).await;
    assert_eq!(json_of(&called)["done"], true);
    let executed = device.executed.lock().clone();
    assert!(
        matches!(&executed[0], Command::Send(draft) if draft.text == "somebody is there"),
        "{executed:?}"
    );
    assert!(matches!(&executed[1], Command::Call { .. }), "{executed:?}");
}

#[tokio::test]
async fn do_not_disturb_and_its_like_are_commanded_in_words() {
    let broker = Broker::start().await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    for arguments in [
        &["dnd", "on", "--minutes", "90", "--user", "anna"][..],
        &["dnd", "on", "--until", "2026-12-24T18:00:00+01:00"],
        &["dnd", "off"],
        &["ring-target", "1002", "off"],
        &["auto-answer", "off"],
        &["stop-ringing", "opened", "it", "myself"],
    ] {
        let done = ctl(&broker, arguments).await;
        assert_eq!((done.status, done.err.as_str()), (0, ""), "{arguments:?}");
    }
    let dnd = |minutes, until, user: Option<&str>, on| Dnd {
        on,
        minutes,
        until,
        user: user.map(|login| UserRef::Login(login.into())),
    };
    let expected = [
        RingingCommand::Dnd(dnd(Some(90), None, Some("anna"), true)),
        RingingCommand::Dnd(dnd(None, Some(1_798_131_600_000), None, true)),
        RingingCommand::Dnd(dnd(None, None, None, false)),
        RingingCommand::RingTarget(RingTarget {
            user: UserRef::Id(1002),
            enabled: false,
        }),
        RingingCommand::AutoAnswer(AutoAnswer { on: false }),
        RingingCommand::StopRinging(Stop {
            detail: Some("opened it myself".into()),
        }),
    ];
    let executed = device.executed.lock().clone();
    assert_eq!(executed, expected.map(Command::Ringing));
    let silly = ctl(&broker, &["dnd", "off", "--minutes", "5"]).await;
    assert_eq!(silly.status, 1);
    assert!(silly.err.contains("minutes and until"), "{}", silly.err);
}

#[tokio::test]
async fn calls_and_the_doors_log_are_a_line_each() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |command| {
        let reply = match command {
            Command::Ringing(RingingCommand::DoorLog(_)) => json!({"attempts": [
                {"at": 1_790_000_012_345_u64, "by": "1002", "how": "chat", "opened": true}]}),
            _ => json!({"calls": [{"started_ms": 1_790_000_012_345_u64, "peer": 1002,
                "direction": "incoming", "reason": "missed"}]}),
        };
        Act::Answer(Ok(Reply::Json(reply)))
    });
    device.online().await;
    let calls = ctl(
        &broker,
        &["calls", "--limit", "5", "--direction", "incoming"],
    )
    .await;
    assert_eq!(
        calls.out,
        "STARTED               WAY   WHO   ENDED   TALKED  LOST RTT  RING\n\
         2026-09-21 14:13:32Z  from  1002  missed  -       -\n"
    );
    let log = ctl(&broker, &["door", "log"]).await;
    assert_eq!(
        log.out,
        "AT                    WHO   HOW   RESULT\n\
         2026-09-21 14:13:32Z  1002  chat  opened\n"
    );
    let raw = ctl(&broker, &["--json", "calls"]).await;
    assert_eq!(json_of(&raw)["calls"][0]["reason"], "missed");
}

#[tokio::test]
async fn a_refusal_is_exit_status_1_with_its_code_and_words() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| {
        Act::Answer(Err(CommandError::new(
            ErrorCode::WrongState,
            "no call to answer",
        )))
    });
    device.online().await;
    let refused = ctl(&broker, &["answer"]).await;
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("no call to answer") && refused.err.contains("wrong_state"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn no_answer_is_exit_status_3_no_broker_and_no_device_4_wrong_arguments_2() {
    let broker = Broker::start().await;
    let empty = ctl(&broker, &["status"]).await;
    assert_eq!(empty.status, 4);
    assert!(empty.err.contains("knows no device"), "{}", empty.err);

    let mut device = Device::with_engine(settings(&broker), |_| Act::Keep);
    device.online().await;
    let silent = ctl(&broker, &["--timeout", "1", "unlock"]).await;
    assert_eq!(silent.status, 3, "{}", silent.err);
    let unknown = ctl(&broker, &["--device", "attic", "status"]).await;
    assert_eq!(unknown.status, 4);
    assert!(unknown.err.contains("attic"), "{}", unknown.err);
    let fields = ctl(&broker, &["cmd", "unlock", "[1]"]).await;
    assert!(fields.err.contains("JSON object"), "{}", fields.err);

    // Bound and never accepted from: nobody else gets this port meanwhile.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let nobody = ctl_at(&address, &["status"]).await;
    assert_eq!(nobody.status, 4, "{}", nobody.err);
    let malformed = ctl_at("host:many", &["status"]).await;
    assert_eq!(malformed.status, 2, "{}", malformed.err);
}

#[tokio::test]
async fn several_devices_are_listed_and_one_must_be_named() {
    let broker = Broker::start().await;
    let mut door = Device::start(settings(&broker));
    door.online().await;
    let mut of_kitchen = settings(&broker);
    of_kitchen.device = "kitchen".into();
    let mut kitchen = Device::start(of_kitchen);
    kitchen.online().await;
    let which = ctl(&broker, &["status"]).await;
    assert_eq!(which.status, 2);
    assert!(which.err.contains("door, kitchen"), "{}", which.err);
    let devices = ctl(&broker, &["devices", "--json"]).await;
    assert_eq!(
        json_of(&devices),
        json!([{"device": "door", "online": true}, {"device": "kitchen", "online": true}])
    );
    let named = ctl(&broker, &["-d", "kitchen", "status", "--json"]).await;
    assert_eq!(json_of(&named)["device"], "kitchen");
}

#[tokio::test]
async fn status_shows_the_retained_state_in_a_line_a_part() {
    let (broker, device) = Device::at_a_broker().await;
    device.state.send_modify(|state| {
        state.chat = ChatState {
            status: ChatStatus::Online,
            user: Some(1001),
            outbox: 2,
            ..ChatState::default()
        };
    });
    // Retained, so it shows as soon as the broker has it.
    let mut watcher = watching(&broker, &["status", "--watch", "--json"]);
    loop {
        let status: Value = serde_json::from_str(&watcher.line().await).unwrap();
        if status["state"]["chat"]["outbox"] == 2 {
            break;
        }
    }
    let status = ctl(&broker, &["status"]).await;
    assert!(
        status.out.starts_with("door       online\n"),
        "{}",
        status.out
    );
    assert!(
        status
            .out
            .contains("chat       online  user=1001  outbox=2 "),
        "{}",
        status.out
    );
}

/// The first status that is as wanted.
async fn watched(watcher: &mut Watcher, is_wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status: Value = serde_json::from_str(&watcher.line().await).unwrap();
        if is_wanted(&status) {
            return status;
        }
    }
}

#[tokio::test]
async fn watching_goes_on_and_says_what_it_waits_for_when_the_broker_forgot_everything() {
    let mut broker = Broker::start().await;
    let state = "{\"door\":{\"unlocked\":false}}";
    let device = Client::subscribe(&broker, "cubelet/door/#").await;
    device.publish("cubelet/door/availability", "online", true);
    device.publish("cubelet/door/state", state, true);
    let mut watcher = watching(
        &broker,
        &["--device", "door", "status", "--watch", "--json"],
    );
    let seen = watched(&mut watcher, |status| status["state"].is_object()).await;
    assert_eq!(seen["availability"], "online");
    assert_eq!(seen["waits_for"], Value::Null);

    broker.kill().await;
    let lost = watched(&mut watcher, |status| status["waits_for"] == "broker").await;
    assert_eq!(
        (&lost["availability"], &lost["state"]),
        (&json!("unknown"), &Value::Null)
    );
    broker.launch().await;
    watched(&mut watcher, |status| status["waits_for"] == "device").await;

    let device = Client::subscribe(&broker, "cubelet/door/#").await;
    device.publish("cubelet/door/availability", "online", true);
    device.publish("cubelet/door/state", state, true);
    let back = watched(&mut watcher, |status| status["state"].is_object()).await;
    assert_eq!(back["availability"], "online");
    assert_eq!(back["waits_for"], Value::Null);

    // What the broker keeps over a restart of its own is simply there again.
    let words = watching(&broker, &["--device", "attic", "status", "--watch"])
        .line()
        .await;
    assert_eq!(
        words,
        "attic: the broker knows nothing of it; waiting for it"
    );
}

#[tokio::test]
async fn events_are_followed_a_line_each_and_filtered_by_type() {
    let (broker, device) = Device::at_a_broker().await;
    let mut watcher = watching(&broker, &["events", "chat", "--json", "--count", "2"]);
    let message = |text: &str| {
        Event::now(EventKind::ChatMessage {
            message: "66f0aa000102030405000001".into(),
            from: 1002,
            dialog: None,
            text: text.into(),
            details: Box::default(),
        })
    };
    let pressed = || {
        Event::now(EventKind::ButtonPressed {
            button: "bell".into(),
        })
    };
    // Events are not kept, so they are repeated until the watcher has subscribed.
    let mut repeat = tokio::time::interval(Duration::from_millis(50));
    let first = loop {
        tokio::select! {
            line = watcher.line() => break line,
            _ = repeat.tick() => {
                device.events.send(pressed()).unwrap();
                device.events.send(message("hello")).unwrap();
            }
        }
    };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["type"], "chat/message");
    assert_eq!(first["text"], "hello");
    device.events.send(message("again")).unwrap();
    let second: Value = serde_json::from_str(&watcher.line().await).unwrap();
    assert_eq!(second["type"], "chat/message");
}

#[tokio::test]
async fn a_snapshot_is_written_to_the_named_file() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| {
        Act::Answer(Ok(Reply::Jpeg(bytes::Bytes::from_static(
            b"\xff\xd8 a picture \xff\xd9",
        ))))
    });
    device.online().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("door.jpg");
    let taken = ctl(
        &broker,
        &["--json", "snapshot", "-o", file.to_str().unwrap()],
    )
    .await;
    assert_eq!(json_of(&taken)["bytes"], 15);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        b"\xff\xd8 a picture \xff\xd9"
    );
}
