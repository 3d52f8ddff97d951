use std::time::{Duration, Instant};

use super::*;
use crate::config::{Control, DiscoveryForm, HomeAssistant, Mqtt};
use crate::control::Equipment;
use crate::engine::state::{CameraControl, ControlKind};
use crate::protocol::call_signal::CallType;

const TOPIC: &str = "homeassistant/device/cubelet-door/config";

fn settings(enabled: bool) -> ControlSettings {
    let mut mqtt = Mqtt::at("127.0.0.1", 1883, "cubelet", false);
    mqtt.home_assistant = HomeAssistant {
        enabled,
        ..HomeAssistant::default()
    };
    ControlSettings {
        device: "door".into(),
        groups: Vec::new(),
        mqtt,
        control: Control {
            commands: vec!["unlock".into()],
            rate_per_s: 20,
            test_commands: false,
            allow: Vec::new(),
            group_commands: Vec::new(),
            group_jitter_ms: 0,
            max_age_s: 300,
            keep_log: 10,
        },
        call_type: CallType::Video,
        equipment: Equipment::default(),
        command_timeout: Duration::from_secs(1),
    }
}

fn heard(topic: &str, payload: impl Into<Bytes>, retained: bool) -> Arrival {
    Arrival {
        topic: topic.into(),
        payload: payload.into(),
        retained,
        ..Arrival::default()
    }
}

/// A connection on which the broker has these retained; what is then published.
fn connect(discovery: &mut Discovery, retained: &[(String, Bytes)]) -> Vec<Message> {
    let now = Instant::now();
    discovery.subscribed(now);
    for (topic, payload) in retained {
        assert!(discovery.arrive(now, &heard(topic, payload.clone(), true)));
    }
    assert!(discovery.due().is_some_and(|at| at > now));
    discovery.take(&DeviceState::default())
}

fn kept(messages: &[Message]) -> Vec<(String, Bytes)> {
    messages
        .iter()
        .map(|one| (one.topic.clone(), one.payload.clone()))
        .collect()
}

#[test]
fn what_the_broker_has_already_is_not_sent_again() {
    let mut discovery = Discovery::new(settings(true), 7);
    let sent = connect(&mut discovery, &[]);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].retain && sent[0].topic == TOPIC);
    assert!(connect(&mut discovery, &kept(&sent)).is_empty());
}

#[test]
fn home_assistants_start_is_answered_after_this_devices_share_of_the_jitter() {
    let mut discovery = Discovery::new(settings(true), 7_345);
    let sent = connect(&mut discovery, &[]);
    assert_eq!(discovery.due(), None);
    let now = Instant::now();
    discovery.arrive(now, &heard(TOPIC, sent[0].payload.clone(), false));
    assert!(discovery.arrive(now, &heard("homeassistant/status", "offline", false)));
    assert!(discovery.arrive(now, &heard("homeassistant/status", "online", true)));
    assert_eq!(discovery.due(), None);
    assert!(discovery.arrive(now, &heard("homeassistant/status", "online", false)));
    assert_eq!(discovery.due(), Some(now + Duration::from_millis(2_345)));
    assert_eq!(discovery.take(&DeviceState::default()), sent);
}

#[test]
fn a_device_that_is_not_announced_any_more_takes_everything_back() {
    let mut on = Discovery::new(settings(true), 0);
    let left = kept(&connect(&mut on, &[]));
    let mut off = Discovery::new(settings(false), 0);
    assert!(connect(&mut off, &[]).is_empty());
    let sent = connect(&mut off, &left);
    assert_eq!(kept(&sent), [(TOPIC.to_owned(), Bytes::new())]);
    assert!(sent[0].retain);
}

#[test]
fn the_other_form_is_taken_back_before_the_new_one_is_sent() {
    let mut device = Discovery::new(settings(true), 0);
    let left = kept(&connect(&mut device, &[]));
    let mut other = settings(true);
    other.mqtt.home_assistant.form = DiscoveryForm::Components;
    let mut components = Discovery::new(other, 0);
    let sent = connect(&mut components, &left);
    assert_eq!((sent[0].topic.as_str(), sent[0].payload.len()), (TOPIC, 0));
    let topics: Vec<&str> = sent.iter().map(|one| one.topic.as_str()).collect();
    assert!(topics.contains(&"homeassistant/button/cubelet-door/unlock/config"));
    let filters = components.filters();
    assert!(filters.contains(&"homeassistant/+/cubelet-door/+/config".to_owned()));
    let left: Vec<(String, Bytes)> = kept(&sent[1..]);
    assert!(connect(&mut components, &left).is_empty());
    assert_eq!(connect(&mut device, &left).len(), left.len() + 1);
}

#[test]
fn a_component_that_is_gone_is_named_once_by_its_platform_alone() {
    let mut more = settings(true);
    more.equipment.relay = true;
    let left = kept(&connect(&mut Discovery::new(more, 0), &[]));
    let sent = connect(&mut Discovery::new(settings(true), 0), &left);
    assert_eq!(sent.len(), 2);
    let payloads: Vec<Value> = sent
        .iter()
        .map(|one| serde_json::from_slice(&one.payload).unwrap())
        .collect();
    assert_eq!(payloads[0]["cmps"]["door_lock"], json!({ "p": "lock" }));
    assert!(payloads[1]["cmps"].get("door_lock").is_none());
}

const BRIGHTNESS: &str = "camera_control_brightness";

fn with_camera(form: DiscoveryForm) -> ControlSettings {
    let mut settings = settings(true);
    settings.equipment.camera = true;
    settings.control.commands.push("mute".into());
    settings.mqtt.home_assistant.form = form;
    settings
}

fn camera(controls: &[(&str, ControlKind)]) -> DeviceState {
    let control = |(name, kind): &(&str, ControlKind)| {
        let control = CameraControl {
            label: (*name).to_owned(),
            kind: *kind,
            minimum: Some(0),
            maximum: Some(9),
            step: Some(1),
            choices: Vec::new(),
            default: Some(0),
            value: Some(0),
        };
        ((*name).to_owned(), control)
    };
    let mut state = DeviceState::default();
    state.camera.settable = Some(controls.iter().map(control).collect());
    state
}

/// What a device with this state publishes where the broker has these retained.
fn published(
    settings: ControlSettings,
    state: &DeviceState,
    retained: &[(String, Bytes)],
) -> Vec<(String, Bytes)> {
    let mut discovery = Discovery::new(settings, 0);
    discovery.subscribed(Instant::now());
    for (topic, payload) in retained {
        discovery.arrive(Instant::now(), &heard(topic, payload.clone(), true));
    }
    kept(&discovery.take(state))
}

#[test]
fn controls_of_a_camera_that_was_not_asked_yet_stay_as_an_earlier_run_announced_them() {
    let known = camera(&[("brightness", ControlKind::Number)]);
    for form in [DiscoveryForm::Device, DiscoveryForm::Components] {
        let left = published(with_camera(form), &known, &[]);
        let starting = DeviceState::default();
        assert_eq!(published(with_camera(form), &starting, &left), []);
        // Known to have none, or not permitted any more: they go.
        let has_none = published(with_camera(form), &camera(&[]), &left);
        let mut forbidden = with_camera(form);
        forbidden.control.commands.retain(|verb| verb != "mute");
        for sent in [has_none, published(forbidden, &starting, &left)] {
            let (topic, payload) = &sent[0];
            let said: Value = serde_json::from_slice(payload).unwrap_or_default();
            match form {
                DiscoveryForm::Device => {
                    assert_eq!(said["cmps"][BRIGHTNESS], json!({ "p": "number" }))
                }
                DiscoveryForm::Components => {
                    assert!(topic.ends_with(&format!("{BRIGHTNESS}/config")), "{topic}");
                    assert_eq!(said, Value::Null);
                }
            }
        }
    }
}

#[test]
fn a_control_of_another_kind_goes_before_it_comes_again() {
    let before = camera(&[("brightness", ControlKind::Number)]);
    let left = published(with_camera(DiscoveryForm::Device), &before, &[]);
    let now = camera(&[("brightness", ControlKind::Switch)]);
    let sent = published(with_camera(DiscoveryForm::Device), &now, &left);
    let said: Vec<Value> = sent
        .iter()
        .map(|(_, payload)| serde_json::from_slice(payload).unwrap())
        .collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0]["cmps"][BRIGHTNESS], json!({ "p": "number" }));
    assert_eq!(said[1]["cmps"][BRIGHTNESS]["p"], "switch");
}

#[test]
fn a_camera_is_announced_anew_when_its_controls_change_and_not_when_their_values_do() {
    let mut discovery = Discovery::new(with_camera(DiscoveryForm::Device), 0);
    let mut state = camera(&[("brightness", ControlKind::Number)]);
    let now = Instant::now();
    discovery.changed(now, &state);
    assert_eq!(discovery.due(), None, "not connected");
    discovery.subscribed(now);
    discovery.take(&state);
    for control in state
        .camera
        .settable
        .iter_mut()
        .flat_map(|all| all.values_mut())
    {
        control.value = Some(5);
    }
    for told in [&state, &DeviceState::default()] {
        discovery.changed(now, told);
        assert_eq!(discovery.due(), None);
    }
    discovery.changed(now, &camera(&[]));
    assert_eq!(discovery.due(), Some(now + SETTLE));
    discovery.disconnected();
    discovery.changed(now, &camera(&[]));
    assert_eq!(discovery.due(), None);
}

#[test]
fn topics_of_others_are_left_alone() {
    let mut discovery = Discovery::new(settings(true), 0);
    for topic in [
        "homeassistant/device/cubelet-door2/config",
        "homeassistant/button/cubelet-door/unlock",
        "homeassistantx/device/cubelet-door/config",
        "cubelet/door/cmd/unlock",
    ] {
        assert!(!discovery.arrive(Instant::now(), &heard(topic, "{}", true)));
    }
}
