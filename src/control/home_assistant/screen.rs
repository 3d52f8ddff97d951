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
    for (key, field, name, icon, options) in [
        (
            "screen_layout",
            "layout",
            "Screen layout",
            "mdi:view-grid",
            &["grid", "speaker"][..],
        ),
        (
            "screen_fit",
            "fit",
            "Screen fit",
            "mdi:fit-to-screen",
            &["contain", "cover"],
        ),
        (
            "screen_self_view",
            "self_view",
            "Self view",
            "mdi:account-box-outline",
            &[
                "off",
                "top_left",
                "top_right",
                "bottom_left",
                "bottom_right",
            ],
        ),
    ] {
        let select = json!({
            "name": name,
            "ic": icon,
            "stat_t": topics.state(Some("display")),
            "val_tpl": optional(&format!("value_json.{field}")),
            "cmd_t": topics.setting("display"),
            "cmd_tpl": format!("{{{{ {{'{field}': value}} | tojson }}}}"),
            "ops": options,
            "ent_cat": "config",
        });
        add(list, "select", key, select);
    }
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
