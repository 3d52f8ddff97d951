//! Recordings for Home Assistant: begun and ended, where they stand, the last file.

use serde_json::json;

use super::components::{Component, Switch, add, obeys, optional};
use crate::control::ControlSettings;
use crate::control::topics::Topics;

/// Adds what a device that may record has.
pub(super) fn add_to(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    if !settings.equipment.recording {
        return;
    }
    let state = || topics.state(Some("recording"));
    if obeys(settings, "record") {
        let switch = Switch {
            name: "Record",
            icon: "mdi:record-rec",
            // Also while a file is being finished: another can be begun after that only.
            shown_by: (state(), "value_json.status != 'idle'"),
            ordered_at: topics.command("record"),
            on: "{\"action\": \"start\"}",
            off: "{\"action\": \"stop\"}",
        };
        add(list, "switch", "record", switch.fields());
    }
    let status = json!({
        "name": "Recording",
        "ic": "mdi:record-rec",
        "dev_cla": "enum",
        "ops": ["idle", "starting", "recording", "finishing"],
        "stat_t": state(),
        "val_tpl": "{{ value_json.status }}",
    });
    add(list, "sensor", "recording", status);
    let running = json!({
        "name": "Recording",
        "dev_cla": "running",
        "stat_t": state(),
        "val_tpl": "{{ 'ON' if value_json.status == 'recording' else 'OFF' }}",
    });
    add(list, "binary_sensor", "recording_runs", running);
    let last = json!({
        "name": "Last recording",
        "ic": "mdi:filmstrip",
        "stat_t": state(),
        "val_tpl": optional("value_json.last"),
    });
    add(list, "sensor", "last_recording", last);
    let event = json!({
        "name": "Recording",
        "ic": "mdi:record-rec",
        "stat_t": topics.event("recording/+"),
        "evt_typ": ["started", "finished", "failed"],
        "val_tpl": "{{ dict(value_json, event_type=value_json.phase) | tojson }}",
    });
    add(list, "event", "recording_event", event);
}
