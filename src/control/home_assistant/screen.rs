//! The screen for Home Assistant: how several people share it.

use serde_json::json;

use super::components::{Component, add, obeys, optional};
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
}
