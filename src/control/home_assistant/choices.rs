//! Which of several cameras, microphones and loudspeakers is in use, for Home Assistant.

use serde_json::json;

use super::components::{Component, add, obeys};
use crate::control::ControlSettings;
use crate::control::topics::Topics;

/// Adds a choice for each the device has several of.
pub(super) fn add_to(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    // `camera/set` and `audio/set` need the permission of `mute`.
    if !obeys(settings, "mute") {
        return;
    }
    let has = &settings.equipment;
    for (key, name, icon, part, field, shown, options) in [
        (
            "camera_source",
            "Camera in use",
            "mdi:cctv",
            "camera",
            "source",
            "value_json.source",
            &has.cameras,
        ),
        (
            "audio_source",
            "Microphone in use",
            "mdi:microphone-settings",
            "audio",
            "source",
            "value_json.source",
            &has.microphones,
        ),
        (
            "audio_sink",
            "Loudspeaker in use",
            "mdi:speaker",
            "audio",
            "sink",
            "value_json.speaker.sink",
            &has.loudspeakers,
        ),
    ] {
        if options.len() < 2 {
            continue;
        }
        let select = json!({
            "name": name,
            "ic": icon,
            "stat_t": topics.state(Some(part)),
            "val_tpl": format!("{{{{ {shown} }}}}"),
            "cmd_t": topics.setting(part),
            "cmd_tpl": format!("{{{{ {{'{field}': value}} | tojson }}}}"),
            "ops": options,
            "ent_cat": "config",
        });
        add(list, "select", key, select);
    }
}
