//! `<part>/set`: desired settings, validated, executed once, confirmed.

use cubelet::call::screen_layout::ScreenLayout;
use cubelet::call::screen_look::ScreenFit;
use cubelet::call::screen_self_view::ScreenSelfView;
use cubelet::engine::command::{Command, CommandError, ErrorCode, Reply, UserRef};
use cubelet::engine::setting_command::{
    AudioSetting, CallSetting, DisplaySetting, DoorSetting, Muted, PolicySetting, Setting,
};
use serde_json::json;

use crate::broker::{Broker, Client};
use crate::device::{Act, Device, settings};

#[tokio::test]
async fn each_part_is_set_with_the_fields_of_its_state() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/+/set/reply").await;
    for (part, payload, setting) in [
        (
            "policy",
            r#"{"dnd":true,"dnd_until":1790003600000,"ring_off":[7,"anna"]}"#,
            Setting::Policy(PolicySetting {
                dnd: Some(true),
                dnd_until: Some(1_790_003_600_000),
                ring_off: Some(vec![UserRef::Id(7), UserRef::Login("anna".into())]),
                ..PolicySetting::default()
            }),
        ),
        (
            "call",
            r#"{"muted":{"audio":true},"limit_kbps":0}"#,
            Setting::Call(CallSetting {
                muted: Some(Muted {
                    audio: Some(true),
                    video: None,
                }),
                held: None,
                limit_kbps: Some(0),
            }),
        ),
        (
            "audio",
            r#"{"muted":false}"#,
            Setting::Audio(AudioSetting {
                muted: Some(false),
                ..AudioSetting::default()
            }),
        ),
        (
            "display",
            r#"{"layout":"speaker","fit":"cover","mirror":true,"area":"640x360+0+0","self_view":"top_left"}"#,
            Setting::Display(DisplaySetting {
                layout: Some(ScreenLayout::Speaker),
                fit: Some(ScreenFit::Cover),
                mirror: Some(true),
                area: Some("640x360+0+0".parse().unwrap()),
                self_view: Some(ScreenSelfView::TopLeft),
            }),
        ),
        (
            "door",
            r#"{"unlocked":true}"#,
            Setting::Door(DoorSetting {
                unlocked: Some(true),
            }),
        ),
    ] {
        client.publish(&format!("cubelet/door/{part}/set"), payload, false);
        let answer = client.on(&format!("cubelet/door/{part}/set/reply")).await;
        assert_eq!(answer.json()["ok"], true, "{part}");
        let executed = device.executed.lock().last().cloned();
        assert_eq!(executed, Some(Command::Set(setting)));
    }
}

#[tokio::test]
async fn a_wrong_field_is_refused_by_name_and_nothing_is_set() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/+/set/reply").await;
    for (part, payload, code, named) in [
        ("policy", r#"{"dnd":"yes"}"#, "invalid_payload", "dnd: "),
        (
            "policy",
            r#"{"dn":true}"#,
            "invalid_payload",
            "unknown field `dn`",
        ),
        ("policy", "", "invalid_payload", "at least one field"),
        (
            "policy",
            r#"{"ring_off":[-1]}"#,
            "invalid_payload",
            "ring_off[0]: ",
        ),
        (
            "audio",
            r#"{"volume":101}"#,
            "invalid_payload",
            "volume: must be 0 to 100",
        ),
        ("audio", r#"{"volume":0.5}"#, "invalid_payload", "volume: "),
        (
            "camera",
            r#"{"max_kbps":63}"#,
            "invalid_payload",
            "max_kbps: ",
        ),
        (
            "display",
            r#"{"layout":"mosaic"}"#,
            "invalid_payload",
            "layout: unknown variant `mosaic`, expected `grid` or `speaker`",
        ),
        (
            "display",
            r#"{"area":"641x480+0+0"}"#,
            "invalid_payload",
            "area: must be `full` or `WIDTHxHEIGHT+X+Y`",
        ),
        (
            "door",
            r#"{"unlocked":false}"#,
            "invalid_payload",
            "unlocked: ",
        ),
        ("call", r#"{"muted":true}"#, "invalid_payload", "muted: "),
        (
            "network",
            r#"{"up":true}"#,
            "unknown_command",
            "no such part",
        ),
    ] {
        client.publish(&format!("cubelet/door/{part}/set"), payload, false);
        let answer = client.next().await.json();
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{payload}: {message}");
    }
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn a_setting_needs_the_permission_of_the_command_that_does_the_same() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.commands = vec!["dnd".into()];
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/+/set/reply").await;
    for (part, payload, ok) in [
        ("policy", r#"{"dnd":true}"#, true),
        ("policy", r#"{"dnd":true,"auto_answer":true}"#, false),
        ("door", r#"{"unlocked":true}"#, false),
        ("audio", r#"{"muted":true}"#, false),
    ] {
        client.publish(&format!("cubelet/door/{part}/set"), payload, false);
        let answer = client.next().await.json();
        assert_eq!(answer["ok"], ok, "{answer}");
        assert!(ok || answer["error"]["code"] == "not_allowed", "{answer}");
    }
    assert_eq!(device.executed.lock().len(), 1);
}

#[tokio::test]
async fn the_state_a_setting_leads_to_is_published_before_its_reply() {
    let broker = Broker::start().await;
    let (state_tx, state_rx) = std::sync::mpsc::channel::<
        tokio::sync::watch::Sender<cubelet::engine::state::DeviceState>,
    >();
    let state = parking_lot::Mutex::new(None);
    let mut device = Device::with_engine(settings(&broker), move |_| {
        let mut state = state.lock();
        let sender = state.get_or_insert_with(|| state_rx.recv().unwrap());
        sender.send_modify(|state| state.policy.dnd = true);
        Act::Answer(Ok(Reply::Json(json!({"policy": {"dnd": true}}))))
    });
    state_tx.send(device.state.clone()).unwrap();
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/policy/#").await;
    client.on("cubelet/door/policy/state").await;
    client.publish("cubelet/door/policy/set", r#"{"id":"a","dnd":true}"#, false);
    client.on("cubelet/door/policy/set").await;
    let confirmed = client.next().await;
    assert_eq!(confirmed.topic, "cubelet/door/policy/state");
    assert_eq!(confirmed.json()["dnd"], true);
    let answer = client.next().await;
    assert_eq!(
        answer.json(),
        json!({"id": "a", "ok": true, "policy": {"dnd": true}})
    );
}

#[tokio::test]
async fn what_media_lacks_is_the_engines_refusal_and_comes_back_with_its_name() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| {
        Act::Answer(Err(CommandError::new(
            ErrorCode::Unavailable,
            "volume: no way",
        )))
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/audio/set/reply").await;
    client.publish("cubelet/door/audio/set", r#"{"volume":50}"#, false);
    let answer = client.next().await.json();
    assert_eq!(
        answer["error"],
        json!({"code": "unavailable", "message": "volume: no way"})
    );
}

#[tokio::test]
async fn a_retained_setting_is_refused_with_an_event_and_a_line_in_the_log() {
    let broker = Broker::start().await;
    let topic = "cubelet/door/policy/set";
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish(topic, r#"{"dnd":true}"#, true);
    client.on(topic).await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    let event = client.on("cubelet/door/event/control/refused").await.json();
    assert_eq!(
        (&event["code"], &event["topic"]),
        (&json!("retained"), &json!("door/policy/set"))
    );
    client.publish("cubelet/door/cmd/press", "", false);
    client.on("cubelet/door/cmd/press/reply").await;
    assert_eq!(device.executed.lock().as_slice(), [Command::Press]);
    let log = device.logged(|entry| entry.outcome == "retained").await;
    assert_eq!(log.topic, "door/policy/set");
    // Clearing it is no order.
    client.publish(topic, "", true);
    client.publish("cubelet/door/cmd/press", "", false);
    client.on("cubelet/door/cmd/press/reply").await;
    assert_eq!(device.journal.log(10).await.len(), 1);
}
