//! `[control]`: what may be ordered over MQTT.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};
use crate::config::device::VERBS;

pub(super) const SECTION: Section = Section {
    name: "control",
    doc: "What may be ordered over MQTT.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "commands",
            Kind::List {
                of: "command",
                most: VERBS.len(),
            },
            Without::Rule("all"),
            "The commands obeyed; others are answered `not_allowed`.",
        ),
        integer(
            "rate_per_s",
            1,
            1_000,
            20,
            "Commands per second, with bursts of one second's worth; others are answered \
             `rate_limited`.",
        ),
        boolean(
            "test_commands",
            false,
            "Allows the test aid `kill`, which makes a part of the device crash.",
        ),
    ],
};
