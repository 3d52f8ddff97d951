//! The screen for Home Assistant: how several people share it, and how they are put onto it.

use serde_json::json;

use super::components::{Component, Switch, add, obeys, optional};
use crate::control::ControlSettings;
use crate::control::topics::Topics;

/// Adds what a device with a screen has.
pub(super) fn add_to(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    // `display/set` needs the permission of `mute`.
    if !settings.equipment.screen || !obeys(settings, "mute") {
        return;
    }
    let layout = json!({
        "name": "Screen layout",
        "ic": "mdi:view-grid",
        "stat_t": topics.state(Some("display")),
        "val_tpl": optional("value_json.layout"),
        "cmd_t": topics.setting("display"),
        "cmd_tpl": "{{ {'layout': value} | tojson }}",
        "ops": ["grid", "speaker"],
        "ent_cat": "config",
    });
    add(list, "select", "screen_layout", layout);
    let fit = json!({
        "name": "Screen fit",
        "ic": "mdi:fit-to-screen",
        "stat_t": topics.state(Some("display")),
        "val_tpl": optional("value_json.fit"),
        "cmd_t": topics.setting("display"),
        "cmd_tpl": "{{ {'fit': value} | tojson }}",
        "ops": ["contain", "cover"],
        "ent_cat": "config",
    });
    add(list, "select", "screen_fit", fit);
    let mirror = Switch {
        name: "Screen mirrored",
        icon: "mdi:flip-horizontal",
        shown_by: (
            topics.state(Some("display")),
            "value_json.mirror | default(false)",
        ),
        ordered_at: topics.setting("display"),
        on: "{\"mirror\": true}",
        off: "{\"mirror\": false}",
    };
    add(list, "switch", "screen_mirror", mirror.fields());
    let state = json!({
        "name": "Screen",
        "ic": "mdi:monitor-dashboard",
        "dev_cla": "enum",
        "ops": ["absent", "closed", "showing", "failed"],
        "stat_t": topics.state(Some("display")),
        "val_tpl": "{{ value_json.status }}",
        "ent_cat": "diagnostic",
    });
    add(list, "sensor", "screen_status", state);
}
