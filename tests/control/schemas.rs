//! The committed schemas are those of the code, and what they say is so.

use std::path::{Path, PathBuf};

use cubelet::config::json_schema;
use jsonschema::Validator;
use serde_json::{Value, json};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn committed(name: &str, schema: &Value) {
    let path = repository().join("docs/reference").join(name);
    let text = format!("{schema:#}\n");
    if std::env::var_os("CUBELET_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            known == text,
            "run with CUBELET_BLESS=1 and commit docs/reference/{name}"
        );
    }
}

#[test]
fn the_committed_schema_of_a_devices_file_is_the_codes() {
    committed("config.schema.json", &json_schema::device());
}

#[cfg(feature = "hub")]
#[test]
fn the_committed_schema_of_a_hubs_file_is_the_codes() {
    committed("hub.schema.json", &json_schema::hub());
}

#[cfg(feature = "media")]
#[test]
fn the_committed_contract_is_the_codes() {
    committed(
        "mqtt.asyncapi.json",
        &cubelet::control::asyncapi::document(),
    );
}

fn complaints(validator: &Validator, value: &Value) -> Vec<String> {
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn examples() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository().join("configs")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect()
}

#[cfg(feature = "hub")]
#[test]
fn every_example_satisfies_its_schema() {
    let device = jsonschema::draft7::new(&json_schema::device()).unwrap();
    let hub = jsonschema::draft7::new(&json_schema::hub()).unwrap();
    let examples = examples();
    assert!(examples.len() >= 7, "{examples:?}");
    for path in examples {
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = toml::from_str(&text).unwrap();
        let validator = if path.ends_with("hub.toml") {
            &hub
        } else {
            &device
        };
        let complaints = complaints(validator, &value);
        assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    }
}

#[test]
fn the_schema_of_a_devices_file_refuses_what_the_reader_refuses() {
    let validator = jsonschema::draft7::new(&json_schema::device()).unwrap();
    let right = json!({
        "device": {"name": "door"},
        "hub": {"api": "https://hub.example", "chat": "tls://hub.example", "app_id": 7},
    });
    assert!(
        validator.is_valid(&right),
        "{:?}",
        complaints(&validator, &right)
    );
    for (pointer, wrong) in [
        ("/hub/app_id", json!("7")),
        ("/hub/app_id", json!(0)),
        ("/device/nam", json!("door")),
        ("/camera", json!({"framerate": 61})),
        ("/control", json!({"allow": {"by": "topic"}})),
        ("/control", json!({"allow": [{"by": "name"}]})),
        ("/mqtt", json!({})),
    ] {
        let mut broken = right.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[key] = wrong.clone();
        assert!(!validator.is_valid(&broken), "{pointer} {wrong}");
    }
}

#[cfg(feature = "media")]
#[test]
fn what_a_device_publishes_satisfies_the_contract() {
    use cubelet::engine::event::{Event, EventKind};
    use cubelet::engine::state::DeviceState;

    let document = cubelet::control::asyncapi::document();
    let payload = |channel: &str| {
        let schema = &document["channels"][channel]["messages"]["message"]["payload"];
        assert!(schema.is_object(), "{channel}");
        jsonschema::draft7::new(schema).unwrap()
    };
    let state = serde_json::to_value(DeviceState::default()).unwrap();
    assert_eq!(complaints(&payload("state"), &state), Vec::<String>::new());
    for (part, value) in state.as_object().unwrap() {
        assert_eq!(
            complaints(&payload(&format!("{part}.state")), value),
            Vec::<String>::new()
        );
    }
    let event = Event::now(EventKind::DoorUnlocked {
        by: "control".into(),
        how: "control",
        call: None,
    });
    let mut event = serde_json::to_value(event).unwrap();
    let validator = payload("event.door.unlocked");
    assert_eq!(complaints(&validator, &event), Vec::<String>::new());
    event["by"] = json!(7);
    assert!(!validator.is_valid(&event));
}

#[cfg(feature = "media")]
#[test]
fn the_schema_of_a_command_refuses_what_the_device_refuses() {
    let document = cubelet::control::asyncapi::document();
    for (channel, payload, is_right) in [
        ("cmd.call", json!({"user": "hall", "id": 1}), true),
        ("cmd.call", json!({"user": 7, "call_type": "audio"}), true),
        ("cmd.call", json!({}), false),
        ("cmd.call", json!({"user": 7, "call_type": "fax"}), false),
        ("cmd.call", json!({"user": true}), false),
        ("cmd.unlock", json!({"x": 1}), false),
        ("cmd.unlock", json!({"id": 1.5}), false),
        ("cmd.dnd", json!({"on": true, "minutes": 5}), true),
        (
            "policy.set",
            json!({"dnd": true, "ring_off": ["anna", 7]}),
            true,
        ),
        ("policy.set", json!({"dnd": "yes"}), false),
    ] {
        let schema = &document["channels"][channel]["messages"]["message"]["payload"];
        let validator = jsonschema::draft7::new(schema).unwrap();
        assert_eq!(
            validator.is_valid(&payload),
            is_right,
            "{channel} {payload}"
        );
        let verb = channel.strip_prefix("cmd.");
        if let Some(verb) = verb {
            let read = cubelet::control::read_command(verb, payload.to_string().as_bytes());
            assert_eq!(read.is_ok(), is_right, "{channel} {payload}");
        }
    }
}
