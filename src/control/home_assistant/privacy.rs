//! Camera and microphone off for Home Assistant: for everybody, in a call or without one, until
//! somebody turns them on again.

use super::components::{Component, Switch, add, obeys};
use crate::control::ControlSettings;
use crate::control::topics::Topics;

/// Adds a switch for each the device has.
pub(super) fn add_to(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    // `camera/set` and `audio/set` need the permission of `mute`.
    if !obeys(settings, "mute") {
        return;
    }
    let has = &settings.equipment;
    for (is_there, key, name, icon, part) in [
        (has.camera, "camera_on", "Camera", "mdi:video", "camera"),
        (
            !has.microphones.is_empty(),
            "microphone_on",
            "Microphone",
            "mdi:microphone",
            "audio",
        ),
    ] {
        if !is_there {
            continue;
        }
        let switch = Switch {
            name,
            icon,
            shown_by: (
                topics.state(Some(part)),
                "not value_json.muted | default(false)",
            ),
            ordered_at: topics.setting(part),
            on: "{\"muted\": false}",
            off: "{\"muted\": true}",
        };
        add(list, "switch", key, switch.fields());
    }
}
