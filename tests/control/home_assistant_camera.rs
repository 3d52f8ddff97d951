//! The controls of a camera in Home Assistant: no camera is here, the state that tells of one is.

use std::collections::BTreeMap;

use cubelet::engine::state::{CameraControl, Choice, ControlKind};
use serde_json::{Value, json};

use crate::broker::{Broker, Client};
use crate::device::Device;
use crate::home_assistant::{CONFIG, components, made_of, render, with_everything};

/// What a common USB webcam with a motor lets be set, as the kernel's driver tells of it.
pub fn webcam() -> BTreeMap<String, CameraControl> {
    let number = |label: &str, minimum, maximum, step, value| CameraControl {
        label: label.into(),
        kind: ControlKind::Number,
        minimum: Some(minimum),
        maximum: Some(maximum),
        step: Some(step),
        choices: Vec::new(),
        default: Some(minimum),
        value,
    };
    let other = |label: &str, kind, value| CameraControl {
        kind,
        minimum: None,
        maximum: None,
        step: None,
        ..number(label, 0, 0, 1, value)
    };
    let choices = [(1, "Manual Mode"), (3, "Aperture Priority Mode")].map(|(value, name)| Choice {
        value,
        name: name.into(),
    });
    let exposure = CameraControl {
        choices: choices.into(),
        ..other("Auto Exposure", ControlKind::Choice, Some(3))
    };
    let white = other("White Balance, Automatic", ControlKind::Switch, Some(1));
    let button = other("Pan, Reset", ControlKind::Button, None);
    let all = [
        ("brightness", number("Brightness", -64, 64, 1, Some(-3))),
        (
            "pan_absolute",
            number("Pan, Absolute", -36_000, 36_000, 3_600, Some(0)),
        ),
        ("zoom_continuous", number("Zoom, Continuous", 0, 7, 1, None)),
        (
            "3d_noise_items",
            number("3D Noise (items)", 0, 4, 1, Some(2)),
        ),
        ("led1_mode", number("LED1 Mode", 0, 0, 1, Some(0))),
        ("white_balance_automatic", white),
        ("auto_exposure", exposure),
        ("pan_reset", button),
    ];
    all.map(|(name, control)| (name.to_owned(), control)).into()
}

#[test]
fn a_cameras_controls_are_settings_with_its_own_ranges_and_there_while_it_does_not_fail() {
    let components = components();
    let of = |name: &str| &components[&format!("camera_control_{name}")];
    let pan = of("pan_absolute");
    assert_eq!(
        (&pan["p"], &pan["name"]),
        (&json!("number"), &json!("Camera Pan, Absolute"))
    );
    assert_eq!(
        [&pan["min"], &pan["max"], &pan["step"]],
        [-36_000, 36_000, 3_600]
    );
    let exposure = of("auto_exposure");
    assert_eq!(exposure["p"], "select");
    assert_eq!(
        exposure["ops"],
        json!(["Manual Mode", "Aperture Priority Mode"])
    );
    assert_eq!(of("white_balance_automatic")["p"], "switch");
    assert_eq!(of("pan_reset")["p"], "button");
    for (key, one) in &components {
        if key.starts_with("camera_control_") {
            assert_eq!(one["ent_cat"], "config", "{key}");
        }
    }
    // What hardly anybody sets by hand, or what has no value to show, waits to be switched on.
    for (name, is_off) in [
        ("brightness", false),
        ("3d_noise_items", true),
        ("zoom_continuous", true),
    ] {
        assert_eq!(of(name).get("en") == Some(&json!(false)), is_off, "{name}");
    }
    // A range of one value is nothing to set.
    assert!(!components.contains_key("camera_control_led1_mode"));
    assert_eq!(pan["avty_mode"], "all");
    let availability = pan["avty"][1]["val_tpl"].as_str().unwrap();
    for (status, shown) in [
        ("running", "online"),
        ("stopped", "online"),
        ("failed", "offline"),
    ] {
        assert_eq!(render(availability, &json!({ "status": status })), shown);
    }
}

#[test]
fn every_control_is_set_by_an_order_with_a_value_its_driver_takes() {
    let components = components();
    for (name, given, wanted) in [
        ("brightness", json!(-3.0), json!(-3)),
        ("pan_absolute", json!(-7_200.0), json!(-7_200)),
        ("3d_noise_items", json!(4.0), json!(4)),
        ("auto_exposure", json!("Manual Mode"), json!("Manual Mode")),
    ] {
        let made = made_of(&components[&format!("camera_control_{name}")], given);
        assert_eq!(made, Ok(json!({ "controls": { name: wanted } })));
    }
}

#[tokio::test]
async fn a_camera_that_is_known_later_or_comes_back_another_is_announced_anew() {
    let broker = Broker::start().await;
    let mut device = Device::start(with_everything(&broker));
    device.online().await;
    let mut live = Client::subscribe(&broker, CONFIG).await;
    let controls = |announcement: &Value| -> Vec<String> {
        let list = announcement["cmps"].as_object().unwrap().keys();
        list.filter_map(|key| key.strip_prefix("camera_control_").map(str::to_owned))
            .collect()
    };
    let first = live.on(CONFIG).await.json();
    assert!(controls(&first).is_empty());
    let brightness = [("brightness".to_owned(), webcam()["brightness"].clone())];
    let zoom = [(
        "zoom_continuous".to_owned(),
        webcam()["zoom_continuous"].clone(),
    )];

    let has = |settable| {
        device
            .state
            .send_modify(|state| state.camera.settable = Some(settable))
    };
    has(brightness.into());
    assert_eq!(controls(&live.on(CONFIG).await.json()), ["brightness"]);
    has(zoom.into());
    let farewell = live.on(CONFIG).await.json();
    assert_eq!(
        farewell["cmps"]["camera_control_brightness"],
        json!({ "p": "number" })
    );
    assert_eq!(controls(&live.on(CONFIG).await.json()), ["zoom_continuous"]);
    device.stop().await;
}
