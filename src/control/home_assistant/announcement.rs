//! The messages by which Home Assistant learns of the device.
//!
//! The formats are Home Assistant's MQTT discovery: one message for the device (since 2024.12) or
//! one for each component.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::components::{Component, components};
use crate::config::DiscoveryForm;
use crate::control::ControlSettings;
use crate::control::topics::Topics;
use crate::engine::state::DeviceState;

/// Everything announced: retained payloads by topic. The state says whether there is a
/// thermometer, and what can be set of the camera.
pub fn announcement(settings: &ControlSettings, state: &DeviceState) -> BTreeMap<String, Value> {
    let assistant = &settings.mqtt.home_assistant;
    let id = device_id(settings);
    let topics = Topics::new(&settings.mqtt.base, &settings.device, &settings.groups);
    let name = assistant.name.as_ref().unwrap_or(&settings.device);
    let device = json!({
        "ids": [id],
        "name": name,
        "mf": "cubelet",
        "mdl": "Video door station",
        "sw": state.device.version,
    });
    let origin = json!({
        "name": "cubelet",
        "sw": state.device.version,
        "url": env!("CARGO_PKG_REPOSITORY"),
    });
    let availability = json!([{ "t": topics.availability() }]);
    let all = components(settings, state, &topics);
    match assistant.form {
        DiscoveryForm::Device => {
            let list: Map<String, Value> = all
                .into_iter()
                .map(|one| (one.key.to_string(), with_id(&one, &id)))
                .collect();
            let payload = json!({
                "dev": device, "o": origin, "avty": availability, "cmps": list, "qos": 1,
            });
            BTreeMap::from([(device_topic(settings), payload)])
        }
        DiscoveryForm::Components => all
            .into_iter()
            .map(|one| {
                let topic = format!(
                    "{}/{}/{id}/{}/config",
                    assistant.prefix, one.platform, one.key
                );
                let mut payload = with_id(&one, &id);
                // The platform is in the topic, and older versions refuse it here.
                if let Some(fields) = payload.as_object_mut() {
                    fields.shift_remove("p");
                    fields.entry("avty").or_insert_with(|| availability.clone());
                    fields.insert("dev".to_owned(), device.clone());
                    fields.insert("o".to_owned(), origin.clone());
                    fields.insert("qos".to_owned(), 1.into());
                }
                (topic, payload)
            })
            .collect(),
    }
}

fn with_id(component: &Component, device: &str) -> Value {
    let mut fields = component.fields.clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("p".to_owned(), component.platform.into());
        let id = format!("{device}_{}", component.key);
        fields.insert("uniq_id".to_owned(), id.into());
    }
    fields
}

/// What the device is called in discovery topics: unique at the broker, of the characters allowed.
pub(super) fn device_id(settings: &ControlSettings) -> String {
    format!(
        "{}-{}",
        settings.mqtt.base.replace('/', "-"),
        settings.device
    )
}

pub(super) fn device_topic(settings: &ControlSettings) -> String {
    let prefix = &settings.mqtt.home_assistant.prefix;
    format!("{prefix}/device/{}/config", device_id(settings))
}
