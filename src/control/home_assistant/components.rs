//! The device's components for Home Assistant: which there are, which topics they read, which
//! commands they give. Keys are Home Assistant's abbreviations.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{camera_controls, choices, loudspeaker, privacy, recordings, screen};
use crate::control::ControlSettings;
use crate::control::topics::Topics;
use crate::engine::state::DeviceState;

/// An entity.
pub(super) struct Component {
    /// Its name in the announcement, and the end of its unique id.
    pub(super) key: Cow<'static, str>,
    /// Home Assistant's platform.
    pub(super) platform: &'static str,
    /// Its configuration, without platform and unique id.
    pub(super) fields: Value,
}

/// What is announced of this device.
pub(super) fn components(
    settings: &ControlSettings,
    state: &DeviceState,
    topics: &Topics,
) -> Vec<Component> {
    let mut list = Vec::new();
    events(&mut list, settings, topics);
    buttons(&mut list, settings, topics);
    switches(&mut list, settings, topics);
    pictures(&mut list, settings, topics);
    sensors(&mut list, state, topics);
    privacy::add_to(&mut list, settings, topics);
    choices::add_to(&mut list, settings, topics);
    loudspeaker::add_to(&mut list, settings, topics);
    screen::add_to(&mut list, settings, topics);
    recordings::add_to(&mut list, settings, topics);
    // Last, where `discovery` puts what it keeps of an earlier announcement.
    camera_controls::add_to(&mut list, settings, state, topics);
    list
}

pub(super) fn add(
    list: &mut Vec<Component>,
    platform: &'static str,
    key: impl Into<Cow<'static, str>>,
    fields: Value,
) {
    list.push(Component {
        key: key.into(),
        platform,
        fields,
    });
}

/// Whether the device carries out a command, and with it what needs its permission.
pub(super) fn obeys(settings: &ControlSettings, verb: &str) -> bool {
    settings.control.commands.iter().any(|one| one == verb)
}

/// `None` is what Home Assistant reads as "unknown".
pub(super) fn optional(path: &str) -> String {
    format!("{{{{ {path} | default('None', true) }}}}")
}

/// A switch: what shows that it is on, and what is sent where to turn it on and off.
pub(super) struct Switch<'a> {
    pub(super) name: &'a str,
    pub(super) icon: &'a str,
    /// The topic of the state, and what in it is true while it is on.
    pub(super) shown_by: (String, &'a str),
    /// The topic of the orders.
    pub(super) ordered_at: String,
    pub(super) on: &'a str,
    pub(super) off: &'a str,
}

impl Switch<'_> {
    pub(super) fn fields(self) -> Value {
        let (topic, is_on) = self.shown_by;
        json!({
            "name": self.name,
            "ic": self.icon,
            "stat_t": topic,
            "val_tpl": format!("{{{{ 'ON' if {is_on} else 'OFF' }}}}"),
            "cmd_t": self.ordered_at,
            "pl_on": self.on,
            "pl_off": self.off,
            "stat_on": "ON",
            "stat_off": "OFF",
        })
    }
}

/// An event whose type is a field of the payload, renamed; what is not in the table fires
/// nothing, for the template is empty then.
fn typed(types: &[(&str, &str)], field: &str) -> String {
    let table: Vec<String> = types
        .iter()
        .map(|(ours, theirs)| format!("'{ours}': '{theirs}'"))
        .collect();
    format!(
        "{{% set type = {{{}}}.get({field}) %}}\
         {{% if type %}}{{{{ dict(value_json, event_type=type) | tojson }}}}{{% endif %}}",
        table.join(", ")
    )
}

fn events(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    // Home Assistant's own type of a doorbell is `ring`.
    let phases = [
        ("started", "ring"),
        ("waiting", "ring"),
        ("repeated", "ring"),
        ("answered", "answered"),
        ("unanswered", "unanswered"),
        ("stopped", "stopped"),
    ];
    let doorbell = json!({
        "name": "Doorbell",
        "dev_cla": "doorbell",
        "stat_t": topics.event("ring/+"),
        "evt_typ": ["ring", "answered", "unanswered", "stopped"],
        "val_tpl": typed(&phases, "value_json.phase"),
    });
    add(list, "event", "doorbell", doorbell);
    let button = json!({
        "name": "Button",
        "dev_cla": "button",
        "stat_t": topics.event("button/pressed"),
        "evt_typ": ["press"],
        "val_tpl": "{{ dict(value_json, event_type='press') | tojson }}",
    });
    add(list, "event", "button", button);
    let door = json!({
        "name": "Door",
        "stat_t": topics.event("door/+"),
        "evt_typ": ["unlocked", "refused"],
        "val_tpl": "{{ dict(value_json, event_type='refused' if value_json.reason is defined \
                    else 'unlocked') | tojson }}",
    });
    add(list, "event", "door", door);
    let message = json!({
        "name": "Message",
        "stat_t": topics.event("chat/message"),
        "evt_typ": ["message"],
        "val_tpl": "{{ dict(value_json, event_type='message') | tojson }}",
        // What people write does not belong into a recorder unless somebody wants it there.
        "en": false,
    });
    add(list, "event", "message", message);
    if settings.equipment.visitor_message {
        let phases = [
            ("stored", "stored"),
            ("sent", "sent"),
            ("failed", "failed"),
            ("cancelled", "cancelled"),
        ];
        let visitor = json!({
            "name": "Visitor's message",
            "stat_t": topics.event("visitor_message/+"),
            "evt_typ": ["stored", "sent", "failed", "cancelled"],
            "val_tpl": typed(&phases, "value_json.phase"),
        });
        add(list, "event", "visitor_message", visitor);
    }
}

fn buttons(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    let all = [
        ("press", "press", "Ring", "mdi:doorbell"),
        (
            "stop_ringing",
            "stop_ringing",
            "Stop ringing",
            "mdi:bell-cancel",
        ),
        ("unlock", "unlock", "Open door", "mdi:door-open"),
        ("answer", "answer", "Answer", "mdi:phone"),
        ("reject", "reject", "Decline", "mdi:phone-cancel"),
        ("hangup", "hangup", "Hang up", "mdi:phone-hangup"),
        ("snapshot", "take_picture", "Take picture", "mdi:camera"),
    ];
    for (verb, key, name, icon) in all {
        let works = verb != "snapshot" || settings.equipment.camera;
        if !works || !obeys(settings, verb) {
            continue;
        }
        let button = json!({
            "name": name,
            "ic": icon,
            "cmd_t": topics.command(verb),
            "pl_prs": "{}",
        });
        add(list, "button", key, button);
    }
}

fn switches(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    if settings.equipment.relay && obeys(settings, "unlock") {
        // The relay falls back by itself. There is no command that would lock, and the topic of
        // both is the same: what `lock` sends is refused by the device, never obeyed as `unlock`.
        let lock = json!({
            "name": "Door",
            "stat_t": topics.state(Some("door")),
            "val_tpl": "{{ 'UNLOCKED' if value_json.unlocked else 'LOCKED' }}",
            "cmd_t": topics.command("unlock"),
            "pl_unlk": "{}",
            "pl_lock": "{\"lock\": \"happens by itself\"}",
        });
        add(list, "lock", "door_lock", lock);
    }
    let mut switch = |verb: &str, key, name, icon, is_on: &str, part, on: &str, off: &str| {
        if obeys(settings, verb) {
            let switch = Switch {
                name,
                icon,
                shown_by: (topics.state(Some(part)), is_on),
                ordered_at: topics.command(verb),
                on,
                off,
            };
            add(list, "switch", key, switch.fields());
        }
    };
    let (on, off) = ("{\"on\": true}", "{\"on\": false}");
    switch(
        "dnd",
        "dnd",
        "Do not disturb",
        "mdi:minus-circle",
        "value_json.dnd",
        "policy",
        on,
        off,
    );
    if settings.equipment.auto_answer {
        switch(
            "auto_answer",
            "auto_answer",
            "Answer automatically",
            "mdi:phone-incoming",
            "value_json.auto_answer",
            "policy",
            on,
            off,
        );
    }
    switch(
        "mute",
        "mute",
        "Mute call",
        "mdi:microphone-off",
        "value_json.muted.audio",
        "call",
        "{\"audio\": true}",
        "{\"audio\": false}",
    );
    // There is nothing to mute without a call, and the device would refuse it.
    let in_call = json!([
        { "t": topics.availability() },
        {
            "t": topics.state(Some("call")),
            "val_tpl": "{{ 'offline' if value_json.status == 'idle' else 'online' }}",
        },
    ]);
    if let Some(mute) = list.iter_mut().find(|one| one.key == "mute") {
        mute.fields["avty"] = in_call;
        mute.fields["avty_mode"] = "all".into();
    }
}

fn pictures(list: &mut Vec<Component>, settings: &ControlSettings, topics: &Topics) {
    if !settings.equipment.camera {
        return;
    }
    let image = json!({
        "name": "Picture",
        "img_t": topics.snapshot(),
        "cont_type": "image/jpeg",
    });
    add(list, "image", "picture", image);
    let camera = json!({ "name": "Camera", "t": topics.snapshot() });
    add(list, "camera", "camera", camera);
}

fn sensors(list: &mut Vec<Component>, state: &DeviceState, topics: &Topics) {
    let of = |part| topics.state(Some(part));
    let diagnostic = |mut fields: Value| {
        fields["ent_cat"] = "diagnostic".into();
        fields
    };
    let call = json!({
        "name": "Call",
        "ic": "mdi:phone",
        "dev_cla": "enum",
        "ops": ["idle", "dialing", "ringing", "connecting", "connected"],
        "stat_t": of("call"),
        "val_tpl": "{{ value_json.status }}",
    });
    add(list, "sensor", "call", call);
    let ring = json!({
        "name": "Bell",
        "ic": "mdi:bell",
        "dev_cla": "enum",
        "ops": ["idle", "waiting", "ringing"],
        "stat_t": of("ring"),
        "val_tpl": "{{ value_json.status }}",
    });
    add(list, "sensor", "bell", ring);
    let peer = json!({
        "name": "Other side",
        "ic": "mdi:account",
        "stat_t": of("call"),
        "val_tpl": optional("value_json.peer"),
    });
    add(list, "sensor", "peer", peer);
    let last_call = json!({
        "name": "Last call",
        "ic": "mdi:phone-log",
        "stat_t": topics.event("call/record"),
        "val_tpl": "{{ value_json.reason }}",
        // With the call's quality: pictures, sound, the time to the first picture.
        "json_attr_t": topics.event("call/record"),
        "json_attr_tpl": "{{ value_json | tojson }}",
    });
    add(list, "sensor", "last_call", last_call);
    let first_picture = json!({
        "name": "Time to first picture",
        "dev_cla": "duration",
        "unit_of_meas": "ms",
        "stat_t": of("call"),
        "val_tpl": optional("(value_json.media | default({})).first_frame_ms"),
    });
    add(list, "sensor", "first_picture", diagnostic(first_picture));
    let unread = json!({
        "name": "Unread messages",
        "ic": "mdi:message-badge",
        "stat_cla": "measurement",
        "stat_t": of("chat"),
        "val_tpl": "{{ value_json.unread }}",
    });
    add(list, "sensor", "unread", unread);
    let started = json!({
        "name": "Running since",
        "dev_cla": "timestamp",
        "stat_t": of("device"),
        "val_tpl": "{{ (value_json.started / 1000) | timestamp_utc }}",
    });
    add(list, "sensor", "started", diagnostic(started));
    let version = json!({
        "name": "Version",
        "ic": "mdi:tag",
        "stat_t": of("device"),
        "val_tpl": "{{ value_json.version }}",
    });
    add(list, "sensor", "version", diagnostic(version));
    // No command: installing is the package manager's.
    let program = json!({
        "name": "Program",
        "dev_cla": "firmware",
        "stat_t": of("device"),
        "val_tpl": "{% set program = {'title': 'cubelet', 'installed_version': value_json.version} %}\
                    {{ (dict(program, latest_version=value_json.latest_version) \
                    if value_json.latest_version is defined else program) | tojson }}",
    });
    add(list, "update", "program", diagnostic(program));
    if state.device.temperature_c.is_some() {
        let temperature = json!({
            "name": "Board temperature",
            "dev_cla": "temperature",
            "unit_of_meas": "°C",
            "stat_cla": "measurement",
            "stat_t": of("device"),
            "val_tpl": "{{ value_json.temperature_c if value_json.temperature_c is defined else 'None' }}",
        });
        add(list, "sensor", "temperature", diagnostic(temperature));
    }
    let online = json!({
        "name": "Chat",
        "dev_cla": "connectivity",
        "stat_t": of("chat"),
        "val_tpl": "{{ 'ON' if value_json.status == 'online' else 'OFF' }}",
    });
    add(list, "binary_sensor", "chat", diagnostic(online));
    let problem = json!({
        "name": "Problem",
        "dev_cla": "problem",
        "stat_t": topics.state(None),
        "val_tpl": "{% set down = value_json.health | dictsort | map('last') \
                    | rejectattr('alive') | list %}\
                    {{ 'ON' if down or value_json.camera.status == 'failed' \
                    or value_json.audio.status == 'failed' else 'OFF' }}",
    });
    add(list, "binary_sensor", "problem", diagnostic(problem));
}
