//! `[[rule]]`: what the device does by itself.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field, integer};

pub(super) const SECTION: Section = Section {
    name: "rule",
    doc: "What the device does by itself when something happens: [guide/rules.md](../guide/rules.md). \
          Read again on SIGHUP and `reload`.",
    occurs: Occurs::Repeated(64),
    refused: NO_REFUSED,
    fields: &[
        field(
            "name",
            Kind::Text("1 to 32 of `a-z 0-9 _ -`"),
            Without::Required,
            "What logs and events call it.",
        ),
        field(
            "on",
            Kind::List {
                of: "event such as `button/pressed`, or all of a kind such as `door`",
                most: 16,
            },
            Without::Rule("one of the two is required"),
            "Events of this device that set it off.",
        ),
        field(
            "on_topic",
            Kind::Text("topic filter of MQTT"),
            Without::Rule("one of the two is required"),
            "Messages of somebody else that set it off. Retained ones do not.",
        ),
        field(
            "when",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Nothing,
            "Only while this schedule holds.",
        ),
        field(
            "unless",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Nothing,
            "Only while it does not.",
        ),
        field(
            "if",
            Kind::List {
                of: "condition such as `event.button == 'bell'` or `call.status == 'idle'`",
                most: 16,
            },
            Without::Rule("`[]`"),
            "Only if all of them hold.",
        ),
        field(
            "do",
            Kind::List {
                of: "command: `\"snapshot\"`, or a table of `command` and its fields",
                most: 8,
            },
            Without::Required,
            "What is done, in order; `${event.FIELD}` in a text is that field of what happened.",
        ),
        integer(
            "cooldown_s",
            0,
            86_400,
            1,
            "So long after it was set off it is not again, seconds.",
        ),
    ],
};
