//! `[mqtt.home_assistant]`: what Home Assistant is told of the device.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field};

pub(super) const SECTION: Section = Section {
    name: "mqtt.home_assistant",
    doc: "The device in Home Assistant, without configuration there (MQTT discovery).",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        boolean(
            "enabled",
            true,
            "Whether the device announces itself. `false` also takes an earlier announcement back.",
        ),
        field(
            "prefix",
            Kind::Text("topic levels of `A-Z a-z 0-9 _ -`, 1 to 64 characters"),
            Without::Text("homeassistant"),
            "Home Assistant's discovery prefix.",
        ),
        field(
            "birth_topic",
            Kind::Text("topic levels of `A-Z a-z 0-9 _ -`, 1 to 64 characters"),
            Without::Text("homeassistant/status"),
            "Where Home Assistant says `online`, whereupon the announcement is sent again.",
        ),
        field(
            "name",
            Kind::Text("1 to 64 characters"),
            Without::Rule("`[device] name`"),
            "What the device is called there.",
        ),
        field(
            "form",
            Kind::Choice(&["device", "components"]),
            Without::Text("device"),
            "One message for the whole device, or one for each component for Home Assistant before \
             2024.12.",
        ),
    ],
};
