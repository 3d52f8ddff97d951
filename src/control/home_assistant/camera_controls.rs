//! What can be set of the camera, for Home Assistant: its driver's controls, each with the
//! driver's range, as settings of the device.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::components::{Component, Switch, add, obeys, optional};
use crate::control::ControlSettings;
use crate::control::topics::Topics;
use crate::engine::state::{CameraControl, ControlKind, DeviceState};

/// How the keys of these components begin.
const KEY: &str = "camera_control_";

/// What people set by hand, by the beginning of its name at V4L2 and common drivers. All else is
/// announced switched off: whoever wants a vertical blanking can have it.
const BY_HAND: [(&str, &str); 25] = [
    ("brightness", "mdi:brightness-6"),
    ("contrast", "mdi:contrast-box"),
    ("saturation", "mdi:palette"),
    ("hue", "mdi:palette"),
    ("sharpness", "mdi:image-filter-center-focus"),
    ("gamma", "mdi:gamma"),
    ("gain", "mdi:signal"),
    ("white_balance", "mdi:white-balance-auto"),
    ("exposure", "mdi:camera-iris"),
    ("auto_exposure", "mdi:camera-iris"),
    ("iris", "mdi:camera-iris"),
    ("backlight_compensation", "mdi:white-balance-sunny"),
    ("wide_dynamic_range", "mdi:hdr"),
    ("power_line_frequency", "mdi:sine-wave"),
    ("focus", "mdi:image-filter-center-focus"),
    ("auto_focus", "mdi:image-filter-center-focus"),
    ("zoom", "mdi:magnify-plus"),
    ("pan", "mdi:pan-horizontal"),
    ("tilt", "mdi:pan-vertical"),
    ("horizontal_flip", "mdi:flip-horizontal"),
    ("vertical_flip", "mdi:flip-vertical"),
    ("led", "mdi:led-on"),
    ("torch", "mdi:flashlight"),
    ("intensity_torch", "mdi:flashlight"),
    ("illuminator", "mdi:light-flood-down"),
];

/// What was announced of the camera; nothing while that was not known.
#[derive(Clone, Debug)]
pub(super) struct Announced(Option<BTreeMap<String, CameraControl>>);

impl Announced {
    pub(super) fn of(state: &DeviceState) -> Self {
        Self(state.camera.settable.clone())
    }

    /// Whether the camera is known to have other controls by now. What they are set to is of no
    /// account.
    pub(super) fn is_outdated_by(&self, state: &DeviceState) -> bool {
        match (&self.0, &state.camera.settable) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(now)) => {
                let is_same = before.len() == now.len()
                    && before.iter().zip(now).all(|((key, before), (name, now))| {
                        key == name && before.takes_the_same_as(now)
                    });
                !is_same
            }
        }
    }
}

/// Adds what the present camera has.
pub(super) fn add_to(
    list: &mut Vec<Component>,
    settings: &ControlSettings,
    state: &DeviceState,
    topics: &Topics,
) {
    if !is_allowed(settings) {
        return;
    }
    for (name, control) in state.camera.settable.iter().flatten() {
        if let Some((platform, fields)) = entity(name, control, topics) {
            let fields = as_a_setting(fields, name, control, topics);
            add(list, platform, format!("{KEY}{name}"), fields);
        }
    }
}

/// Whether what was announced under this key is to be left alone until the camera has been asked:
/// a device that starts knows what it has only with the first picture.
pub(super) fn is_to_be_kept(key: &str, settings: &ControlSettings, state: &DeviceState) -> bool {
    key.starts_with(KEY) && is_allowed(settings) && state.camera.settable.is_none()
}

/// `camera/set` needs the permission of `mute`.
fn is_allowed(settings: &ControlSettings) -> bool {
    settings.equipment.camera && obeys(settings, "mute")
}

fn label(control: &CameraControl) -> String {
    format!("Camera {}", control.label)
}

fn icon(name: &str) -> &'static str {
    by_hand(name).unwrap_or("mdi:camera-control")
}

/// The icon of what people set by hand.
fn by_hand(name: &str) -> Option<&'static str> {
    let mut known = BY_HAND.iter();
    let found = known.find(|(start, _)| name.starts_with(start));
    found.map(|(_, icon)| *icon)
}

/// Its platform and what is its own; none where there is nothing to choose.
fn entity(name: &str, control: &CameraControl, topics: &Topics) -> Option<(&'static str, Value)> {
    // By subscript: a name may begin with a digit, or be that of a method.
    let found = format!("((value_json.settable | default({{}}))['{name}'] | default({{}}))");
    let order = |value: &str| format!("{{{{ {{'controls': {{'{name}': {value}}}}} | tojson }}}}");
    let payload = |value: bool| json!({ "controls": { name: value } }).to_string();
    let state = topics.state(Some("camera"));
    let orders = topics.setting("camera");
    Some(match control.kind {
        ControlKind::Number => {
            let (minimum, maximum) = (control.minimum?, control.maximum?);
            // Home Assistant takes no range of one value.
            if minimum >= maximum {
                return None;
            }
            let number = json!({
                "name": label(control),
                "ic": icon(name),
                "stat_t": state,
                "val_tpl": format!("{{{{ {found}.value | default('None') }}}}"),
                "cmd_t": orders,
                "cmd_tpl": order("value | int"),
                "min": minimum,
                "max": maximum,
                "step": control.step,
            });
            ("number", number)
        }
        ControlKind::Switch => {
            let (on, off) = (payload(true), payload(false));
            let switch = Switch {
                name: &label(control),
                icon: icon(name),
                shown_by: (state, &format!("({found}.value | default(0)) == 1")),
                ordered_at: orders,
                on: &on,
                off: &off,
            };
            ("switch", switch.fields())
        }
        ControlKind::Choice if control.choices.is_empty() => return None,
        ControlKind::Choice => {
            let chosen = format!(
                "({found}.choices | default([]) \
                 | selectattr('value', 'eq', {found}.value | default(-1)) \
                 | map(attribute='name') | first)"
            );
            let names: Vec<&str> = control
                .choices
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            let select = json!({
                "name": label(control),
                "ic": icon(name),
                "stat_t": state,
                "val_tpl": optional(&chosen),
                "cmd_t": orders,
                "cmd_tpl": order("value"),
                "ops": names,
            });
            ("select", select)
        }
        ControlKind::Button => {
            let button = json!({
                "name": label(control),
                "ic": icon(name),
                "cmd_t": orders,
                "pl_prs": payload(true),
            });
            ("button", button)
        }
    })
}

/// With what all of them have besides.
fn as_a_setting(mut fields: Value, name: &str, control: &CameraControl, topics: &Topics) -> Value {
    fields["ent_cat"] = "config".into();
    // What can be moved and tells nothing (a speed) has no place on a slider.
    let is_told = control.kind == ControlKind::Button || control.value.is_some();
    if by_hand(name).is_none() || !is_told {
        fields["en"] = false.into();
    }
    // Of a camera that is unplugged nothing can be set; it is the same camera when it is back.
    fields["avty"] = json!([
        { "t": topics.availability() },
        {
            "t": topics.state(Some("camera")),
            "val_tpl": "{{ 'offline' if value_json.status == 'failed' else 'online' }}",
        },
    ]);
    fields["avty_mode"] = "all".into();
    fields
}
