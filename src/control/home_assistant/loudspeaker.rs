//! The loudspeaker for Home Assistant: announcements, volume, silence.

use serde_json::{Value, json};

use super::components::{Component, Switch, add, obeys};
use crate::control::ControlSettings;
use crate::control::topics::Topics;

/// Adds what a device with a loudspeaker has.
pub(super) fn add_to(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    if !settings.equipment.loudspeaker {
        return;
    }
    if obeys(settings, "say") {
        announcements(list, topics);
    }
    // `audio/set` needs the permission of `mute`.
    if obeys(settings, "mute") {
        volume(list, topics);
    }
}

fn announcements(list: &mut Vec<Component>, topics: &Topics) {
    let say = json!({
        "name": "Announcement",
        "ic": "mdi:bullhorn",
        "cmd_t": topics.command("say"),
        "cmd_tpl": "{{ {'text': value} | tojson }}",
    });
    add(list, "notify", "announcement", say);
    let mut button = |key, name: &str, icon: &str, order: Value| {
        let fields = json!({
            "name": name,
            "ic": icon,
            "cmd_t": topics.command("say"),
            "pl_prs": order.to_string(),
        });
        add(list, "button", key, fields);
    };
    let (tone, stop) = (json!({"sound": "tone"}), json!({"stop": true}));
    button("play_tone", "Play tone", "mdi:music-note", tone);
    button("stop_announcement", "Stop announcement", "mdi:stop", stop);
}

fn volume(list: &mut Vec<Component>, topics: &Topics) {
    let mut number = |field: &'static str, name: &str, icon: &str, shown: &str| {
        let number = json!({
            "name": name,
            "ic": icon,
            "stat_t": topics.state(Some("audio")),
            "val_tpl": format!("{{{{ {shown} }}}}"),
            "cmd_t": topics.setting("audio"),
            "cmd_tpl": format!("{{{{ {{'{field}': value | int}} | tojson }}}}"),
            "min": 0,
            "max": 100,
            "step": 1,
            "unit_of_meas": "%",
        });
        add(list, "number", field, number);
    };
    // Unknown until it is set; `default` with `true` would take 0 for that.
    let volume = "value_json.volume | default('None')";
    number("volume", "Volume", "mdi:volume-high", volume);
    let ringing = "value_json.ring_volume | default(value_json.volume) | default('None')";
    number("ring_volume", "Ring volume", "mdi:bell-ring", ringing);
    let silence = Switch {
        name: "Loudspeaker off",
        icon: "mdi:volume-off",
        shown_by: (
            topics.state(Some("audio")),
            "value_json.speaker_muted | default(false)",
        ),
        ordered_at: topics.setting("audio"),
        on: "{\"speaker_muted\": true}",
        off: "{\"speaker_muted\": false}",
    };
    add(list, "switch", "speaker_mute", silence.fields());
}
