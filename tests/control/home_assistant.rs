//! What Home Assistant is told: the announcement as a whole, at a real broker, and every template
//! of it rendered with what the device really publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cubelet::call::screen_layout::ScreenLayout;
use cubelet::call::screen_look::ScreenFit;
use cubelet::call::screen_self_view::ScreenSelfView;
use cubelet::config::device::VERBS;
use cubelet::config::{DiscoveryForm, HomeAssistant};
use cubelet::control::home_assistant::announcement;
use cubelet::control::{ControlSettings, Equipment, read_command, read_setting};
use cubelet::engine::command::CommandError;
use cubelet::engine::event::{
    CallPhase, Direction, Event, EventKind, RecordingPhase, RecordingTold, RingPhase, RingTold,
};
use cubelet::engine::recording::RecordedSide;
use cubelet::engine::state::{
    ActorHealth, CallMedia, CallStatus, DeviceState, RecordingStatus, ScreenStatus, SourceStatus,
};
use minijinja::value::Serde;
use serde_json::{Value, json};

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};
use crate::home_assistant_camera::webcam;

pub const CONFIG: &str = "homeassistant/device/cubelet-door/config";

fn several(names: [&str; 2]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

pub fn with_everything(broker: &Broker) -> ControlSettings {
    let mut settings = settings(broker);
    settings.mqtt.home_assistant = HomeAssistant {
        enabled: true,
        name: Some("Front door".into()),
        ..HomeAssistant::default()
    };
    settings.equipment = Equipment {
        relay: true,
        camera: true,
        auto_answer: true,
        visitor_message: true,
        loudspeaker: true,
        screen: true,
        cameras: several(["v4l2:/dev/video0", "screen"]),
        microphones: several(["alsa:hw:1", "alsa:hw:2"]),
        loudspeakers: several(["alsa:hw:1", "alsa:hdmi"]),
        recording: true,
    };
    settings
}

fn warm() -> DeviceState {
    let mut state = DeviceState::default();
    state.device.temperature_c = Some(47);
    state.device.version = "1.2.3";
    state.camera.settable = Some(webcam());
    state
}

/// A rendering of templates as Home Assistant's, as far as ours go.
pub fn render(template: &str, payload: &Value) -> String {
    let payload = minijinja::Value::from(Serde(payload));
    render_with(template, minijinja::context! { value_json => payload })
}

fn render_with(template: &str, context: minijinja::Value) -> String {
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_filter("timestamp_utc", |seconds: f64| {
        let at = time::OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap();
        at.format(&time::format_description::well_known::Rfc3339)
            .unwrap()
    });
    environment.add_function("dict", with_more);
    environment.set_unknown_method_callback(|_, value, method, arguments| match method {
        "get" => Ok(value.get_item(&arguments[0])?),
        _ => Err(minijinja::ErrorKind::UnknownMethod.into()),
    });
    environment
        .render_str(template, &context)
        .unwrap_or_else(|error| panic!("{template}\nwith {context}\n{error:?}"))
}

/// Python's `dict(mapping, key=value)`.
fn with_more(
    mapping: minijinja::Value,
    more: minijinja::value::Kwargs,
) -> Result<minijinja::Value, minijinja::Error> {
    let mut fields: BTreeMap<String, minijinja::Value> = BTreeMap::new();
    for key in mapping.try_iter()? {
        fields.insert(key.to_string(), mapping.get_item(&key)?);
    }
    for key in more.args() {
        fields.insert(key.to_owned(), more.get(key)?);
    }
    Ok(minijinja::Value::from_pairs(fields))
}

/// Components of the announcement by name.
pub fn components() -> BTreeMap<String, Value> {
    let broker = Broker::stopped("");
    let all = announcement(&with_everything(&broker), &warm());
    let list = all[CONFIG]["cmps"].as_object().unwrap();
    list.iter()
        .map(|(key, one)| (key.clone(), one.clone()))
        .collect()
}

fn agreed(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/testdata")
        .join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("CUBELET_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, agreed, "CUBELET_BLESS=1 writes {name} anew");
}

#[test]
fn the_announcement_is_the_one_that_was_agreed() {
    let broker = Broker::stopped("");
    let all = announcement(&with_everything(&broker), &warm());
    agreed("home_assistant.json", &all[CONFIG]);
    // What it is read with where there is no camera: in Home Assistant itself.
    let camera = serde_json::to_value(warm().camera).unwrap();
    agreed("home_assistant_camera.json", &camera);
}

#[test]
fn a_device_without_relay_camera_or_thermometer_does_not_announce_them() {
    let broker = Broker::stopped("");
    let mut settings = with_everything(&broker);
    settings.equipment = Equipment::default();
    settings.control.commands = vec!["press".into()];
    let all = announcement(&settings, &DeviceState::default());
    let list = all[CONFIG]["cmps"].as_object().unwrap();
    let commanded: Vec<&String> = list
        .iter()
        .filter(|(_, one)| one.get("cmd_t").is_some())
        .map(|(key, _)| key)
        .collect();
    assert_eq!(commanded, ["press"]);
    for gone in [
        "camera",
        "picture",
        "temperature",
        "visitor_message",
        "announcement",
        "volume",
        "ring_volume",
        "screen_layout",
        "screen_fit",
        "screen_self_view",
        "screen_mirror",
        "screen_status",
        "camera_on",
        "microphone_on",
        "camera_source",
        "audio_source",
        "audio_sink",
        "last_recording",
    ] {
        assert!(!list.contains_key(gone), "{gone}");
    }
}

/// Every state the templates read, as the device publishes it: idle and in the middle of things.
fn states() -> [Value; 2] {
    let mut busy = warm();
    busy.call.status = CallStatus::Connected;
    busy.call.peer = Some(1002);
    busy.call.muted.audio = true;
    busy.call.media = Some(CallMedia {
        first_frame_ms: Some(240),
        ..CallMedia::default()
    });
    busy.policy.dnd = true;
    busy.policy.auto_answer = true;
    busy.door.unlocked = true;
    busy.chat.unread = 3;
    busy.audio.volume = Some(0);
    busy.audio.ring_volume = Some(80);
    busy.audio.microphone.source = "alsa:hw:2".into();
    busy.audio.speaker.sink = "alsa:hdmi".into();
    busy.audio.speaker_muted = true;
    busy.display.layout = Some(ScreenLayout::Speaker);
    busy.display.fit = Some(ScreenFit::Cover);
    busy.display.self_view = Some(ScreenSelfView::TopLeft);
    busy.display.mirror = true;
    busy.display.status = ScreenStatus::Failed;
    busy.camera.status = SourceStatus::Running;
    busy.camera.muted = true;
    busy.audio.microphone.muted = true;
    busy.camera.source = "v4l2:/dev/video0".into();
    busy.recording.status = RecordingStatus::Recording;
    busy.recording.last = Some("20261128T170744.123Z-door.mp4".into());
    busy.device.latest_version = Some("1.3.0".into());
    busy.device.started = 1_790_000_000_000;
    let actor = |alive| ActorHealth {
        alive,
        ..ActorHealth::default()
    };
    busy.health.insert("chat".into(), actor(true));
    busy.health.insert("camera".into(), actor(false));
    let mut idle = DeviceState::default();
    idle.health.insert("chat".into(), actor(true));
    [idle, busy].map(|state| serde_json::to_value(&state).unwrap())
}

/// What a component shows for each of [`states`].
fn shown(component: &Value) -> [String; 2] {
    let topic = component["stat_t"].as_str().unwrap();
    let part = topic.strip_prefix("cubelet/door/").unwrap();
    let template = component["val_tpl"].as_str().unwrap();
    states().map(|state| {
        let payload = match part.strip_suffix("/state") {
            Some(part) => &state[part],
            None => &state,
        };
        assert!(!payload.is_null(), "{topic} is no topic of the device");
        render(template, payload)
    })
}

#[test]
fn every_template_of_a_state_shows_what_the_device_is() {
    let expected = [
        ("door_lock", ["LOCKED", "UNLOCKED"]),
        ("dnd", ["OFF", "ON"]),
        ("camera_on", ["ON", "OFF"]),
        ("microphone_on", ["ON", "OFF"]),
        ("camera_source", ["", "v4l2:/dev/video0"]),
        ("audio_source", ["", "alsa:hw:2"]),
        ("audio_sink", ["", "alsa:hdmi"]),
        ("auto_answer", ["OFF", "ON"]),
        ("mute", ["OFF", "ON"]),
        ("call", ["idle", "connected"]),
        ("bell", ["idle", "idle"]),
        ("peer", ["None", "1002"]),
        ("first_picture", ["None", "240"]),
        ("unread", ["0", "3"]),
        ("started", ["1970-01-01T00:00:00Z", "2026-09-21T14:13:20Z"]),
        ("version", [env!("CARGO_PKG_VERSION"), "1.2.3"]),
        ("temperature", ["None", "47"]),
        // Beside a hub of another program, which tells no version, the installed one is all.
        (
            "program",
            [
                concat!(
                    r#"{"installed_version": ""#,
                    env!("CARGO_PKG_VERSION"),
                    r#"", "title": "cubelet"}"#
                ),
                r#"{"installed_version": "1.2.3", "latest_version": "1.3.0", "title": "cubelet"}"#,
            ],
        ),
        ("volume", ["None", "0"]),
        ("ring_volume", ["None", "80"]),
        ("speaker_mute", ["OFF", "ON"]),
        ("screen_layout", ["None", "speaker"]),
        ("screen_fit", ["None", "cover"]),
        ("screen_self_view", ["None", "top_left"]),
        ("screen_mirror", ["OFF", "ON"]),
        ("screen_status", ["absent", "failed"]),
        ("camera_control_3d_noise_items", ["None", "2"]),
        (
            "camera_control_auto_exposure",
            ["None", "Aperture Priority Mode"],
        ),
        ("camera_control_brightness", ["None", "-3"]),
        ("camera_control_pan_absolute", ["None", "0"]),
        ("camera_control_white_balance_automatic", ["OFF", "ON"]),
        ("camera_control_zoom_continuous", ["None", "None"]),
        ("record", ["OFF", "ON"]),
        ("recording", ["idle", "recording"]),
        ("recording_runs", ["OFF", "ON"]),
        ("last_recording", ["None", "20261128T170744.123Z-door.mp4"]),
        ("chat", ["OFF", "OFF"]),
        ("problem", ["OFF", "ON"]),
    ];
    let components = components();
    for (key, expected) in expected {
        assert_eq!(shown(&components[key]), expected, "{key}");
    }
    // No template escapes this test.
    for (key, component) in &components {
        let of_state = component["stat_t"]
            .as_str()
            .is_some_and(|topic| topic.ends_with("state"));
        let is_known = expected.iter().any(|(known, _)| known == key);
        assert_eq!(of_state, is_known, "{key}");
    }
    let availability = &components["mute"]["avty"][1]["val_tpl"];
    let availability = availability.as_str().unwrap();
    let [idle, busy] = states();
    assert_eq!(render(availability, &idle["call"]), "offline");
    assert_eq!(render(availability, &busy["call"]), "online");
}

fn ring(phase: RingPhase) -> EventKind {
    let told = RingTold {
        ring: "66f0aa000102030405000009".into(),
        ..RingTold::default()
    };
    EventKind::Ring { phase, told }
}

/// The type of event a component fires for what the device publishes; none if it stays silent.
fn fired(component: &Value, kind: EventKind) -> Option<String> {
    let topic = format!("cubelet/door/event/{}", kind.topic());
    let filter = component["stat_t"].as_str().unwrap();
    let hears = match filter.strip_suffix('+') {
        Some(start) => topic
            .strip_prefix(start)
            .is_some_and(|rest| !rest.contains('/')),
        None => topic == filter,
    };
    assert!(hears, "{filter} does not hear {topic}");
    let event = Event::now(kind);
    let payload = serde_json::to_value(&event).unwrap();
    let text = render(component["val_tpl"].as_str().unwrap(), &payload);
    if text.is_empty() {
        return None;
    }
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["id"], payload["id"], "the rest of the event is there");
    let kind = told["event_type"].as_str().unwrap().to_owned();
    let known = component["evt_typ"].as_array().unwrap();
    assert!(known.contains(&json!(kind)), "{kind} was not announced");
    Some(kind)
}

#[test]
fn every_event_entity_fires_for_the_devices_events() {
    let components = components();
    let doorbell = |phase| fired(&components["doorbell"], ring(phase));
    for phase in [RingPhase::Started, RingPhase::Waiting, RingPhase::Repeated] {
        assert_eq!(doorbell(phase).as_deref(), Some("ring"));
    }
    assert_eq!(doorbell(RingPhase::Answered).as_deref(), Some("answered"));
    assert_eq!(
        doorbell(RingPhase::Unanswered).as_deref(),
        Some("unanswered")
    );
    assert_eq!(doorbell(RingPhase::Stopped).as_deref(), Some("stopped"));
    assert_eq!(doorbell(RingPhase::Step), None);

    let pressed = EventKind::ButtonPressed {
        button: "bell".into(),
    };
    let press = fired(&components["button"], pressed);
    assert_eq!(press.as_deref(), Some("press"));
    let unlocked = EventKind::DoorUnlocked {
        by: "control".into(),
        how: "control",
        call: None,
    };
    let door = |kind| fired(&components["door"], kind);
    assert_eq!(door(unlocked).as_deref(), Some("unlocked"));
    let refused = EventKind::DoorRefused {
        by: "1002".into(),
        how: "chat",
        reason: "you are not on this door's list".into(),
    };
    assert_eq!(door(refused).as_deref(), Some("refused"));
    let said = EventKind::ChatMessage {
        message: "66f0aa000102030405000001".into(),
        from: 1002,
        dialog: None,
        text: "{{ \"'</script>".into(),
        details: Box::default(),
    };
    let message = fired(&components["message"], said);
    assert_eq!(message.as_deref(), Some("message"));
    let recorded = EventKind::Recording {
        phase: RecordingPhase::Finished,
        recording: "20261128T170744.123Z".into(),
        side: RecordedSide::Door,
        told: RecordingTold::default(),
    };
    let recorded = fired(&components["recording_event"], recorded);
    assert_eq!(recorded.as_deref(), Some("finished"));
    let call = EventKind::Call {
        phase: CallPhase::Ended,
        call: "c".into(),
        direction: Direction::Incoming,
        peer: 1002,
        reason: Some("hung_up".into()),
        duration_s: Some(4.0),
        info: BTreeMap::new(),
    };
    let last = &components["last_call"];
    let payload = serde_json::to_value(Event::now(call)).unwrap();
    assert_eq!(
        render(last["val_tpl"].as_str().unwrap(), &payload),
        "hung_up"
    );
    let attributes = render(last["json_attr_tpl"].as_str().unwrap(), &payload);
    assert_eq!(serde_json::from_str::<Value>(&attributes).unwrap(), payload);
}

/// What the device makes of an order sent to this topic.
fn ordered(topic: &str, payload: &str) -> Result<(), CommandError> {
    let below = topic.strip_prefix("cubelet/door/").unwrap();
    match below.strip_suffix("/set") {
        Some(part) => read_setting(part, payload.as_bytes()).map(drop),
        None => {
            let verb = below.strip_prefix("cmd/").unwrap();
            read_command(verb, payload.as_bytes()).map(drop)
        }
    }
}

#[test]
fn every_payload_of_a_button_or_switch_is_an_order_but_that_of_locking() {
    for (key, component) in components() {
        let Some(topic) = component["cmd_t"].as_str() else {
            continue;
        };
        for name in ["pl_prs", "pl_on", "pl_off", "pl_unlk", "pl_lock"] {
            if let Some(payload) = component[name].as_str() {
                assert_eq!(
                    ordered(topic, payload).is_ok(),
                    name != "pl_lock",
                    "{key} {name}"
                );
            }
        }
    }
}

/// The order Home Assistant makes of a value, if the device takes it.
pub fn made_of(component: &Value, value: Value) -> Result<Value, CommandError> {
    let payload = render_with(
        component["cmd_tpl"].as_str().unwrap(),
        minijinja::context! { value => minijinja::Value::from(Serde(&value)) },
    );
    let topic = component["cmd_t"].as_str().unwrap();
    ordered(topic, &payload).map(|()| serde_json::from_str(&payload).unwrap())
}

#[test]
fn every_order_made_of_a_value_is_one_the_device_takes() {
    let components = components();
    let made: Vec<&String> = components
        .iter()
        .filter(|(_, one)| one.get("cmd_tpl").is_some())
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        made,
        [
            "announcement",
            "audio_sink",
            "audio_source",
            "camera_control_3d_noise_items",
            "camera_control_auto_exposure",
            "camera_control_brightness",
            "camera_control_pan_absolute",
            "camera_control_zoom_continuous",
            "camera_source",
            "ring_volume",
            "screen_fit",
            "screen_layout",
            "screen_self_view",
            "volume"
        ]
    );
    let order = |key: &str, value: Value| made_of(&components[key], value);
    let text = "Quote \" and {{ braces }}, Öl";
    assert_eq!(
        order("announcement", json!(text)),
        Ok(json!({ "text": text }))
    );
    for (key, field) in [
        ("screen_layout", "layout"),
        ("screen_fit", "fit"),
        ("screen_self_view", "self_view"),
        ("camera_source", "source"),
        ("audio_source", "source"),
        ("audio_sink", "sink"),
    ] {
        for choice in components[key]["ops"].as_array().unwrap() {
            let made = order(key, choice.clone());
            assert_eq!(made, Ok(json!({ field: choice })));
        }
    }
    for field in ["volume", "ring_volume"] {
        assert_eq!(order(field, json!(35.0)), Ok(json!({ field: 35 })));
        let refused = order(field, json!(101.0)).unwrap_err();
        let message = format!("{field}: ");
        assert!(refused.message.starts_with(&message), "{refused}");
    }
}

#[test]
fn every_command_has_an_entity_or_is_listed_in_the_guide_as_having_none() {
    let announced: BTreeSet<String> = components()
        .values()
        .filter_map(|one| one["cmd_t"].as_str()?.strip_prefix("cubelet/door/cmd/"))
        .map(str::to_owned)
        .collect();
    let guide = include_str!("../../docs/guide/home-assistant.md");
    let (_, list) = guide
        .split_once("<!-- commands without an entity -->")
        .unwrap();
    let (list, _) = list.split_once("<!-- end -->").unwrap();
    let rows = list.lines().filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<String> = rows
        .flat_map(|commands| commands.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(announced.is_disjoint(&listed));
    let all: BTreeSet<String> = VERBS.iter().map(|verb| (*verb).to_owned()).collect();
    assert_eq!(&announced | &listed, all);
}

#[tokio::test]
async fn a_real_broker_keeps_the_announcement_and_home_assistants_start_repeats_it() {
    let broker = Broker::start().await;
    let mut settings = with_everything(&broker);
    settings.mqtt.home_assistant.birth_topic = "ha/status".into();
    let mut device = Device::start(settings);
    device.online().await;
    let mut live = Client::subscribe(&broker, "homeassistant/#").await;
    let first = live.on(CONFIG).await;
    let mut late = Client::subscribe(&broker, CONFIG).await;
    let kept = late.next().await;
    assert!(kept.retained && kept.payload == first.payload);
    live.publish("ha/status", "online", false);
    let again = live.on(CONFIG).await;
    assert_eq!((again.retained, &again.payload), (false, &first.payload));
    device.stop().await;
}

#[tokio::test]
async fn what_an_earlier_configuration_announced_is_taken_off_the_broker() {
    let broker = Broker::start().await;
    let mut settings = with_everything(&broker);
    settings.mqtt.home_assistant.form = DiscoveryForm::Components;
    let device = Device::start(settings.clone());
    let mut live = Client::subscribe(&broker, "homeassistant/#").await;
    let lock = "homeassistant/lock/cubelet-door/door_lock/config";
    let component = live.on(lock).await.json();
    assert_eq!(component["dev"]["name"], "Front door");
    assert_eq!(component["avty"][0]["t"], "cubelet/door/availability");
    device.stop().await;

    settings.mqtt.home_assistant.enabled = false;
    let device = Device::start(settings);
    live.until(lock, "").await;
    device.stop().await;
    let mut late = Client::subscribe(&broker, "homeassistant/#").await;
    assert!(late.seen_by_now("homeassistant/marker").await.is_empty());
}

#[tokio::test]
async fn a_device_that_may_not_announce_itself_is_online_all_the_same() {
    let acl = "acl_file {dir}/acl\nallow_anonymous true\n";
    let mut broker = Broker::stopped(acl);
    std::fs::write(broker.dir().join("acl"), "topic readwrite cubelet/#\n").unwrap();
    broker.launch().await;
    let mut device = Device::start(with_everything(&broker));
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish("cubelet/door/cmd/press", "", false);
    assert_eq!(
        client.on("cubelet/door/cmd/press/reply").await.json()["ok"],
        true
    );
    device.stop().await;
}
