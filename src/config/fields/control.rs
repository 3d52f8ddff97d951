//! `[control]`: what may be ordered over MQTT.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};
use crate::config::device::{GROUP_VERBS, VERBS};

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
            "Commands per second of one requester, with bursts of one second's worth, and four \
             times as many of all together; others are answered `rate_limited`.",
        ),
        boolean(
            "test_commands",
            false,
            "Allows the test aid `kill`, which makes a part of the device crash.",
        ),
        field(
            "group_commands",
            Kind::List {
                of: "command for several",
                most: GROUP_VERBS.len(),
            },
            Without::Rule("all but `unlock`, `snapshot` and `press`"),
            "The commands obeyed when given to a group or to all devices.",
        ),
        integer(
            "group_jitter_ms",
            0,
            30_000,
            500,
            "Milliseconds within which the devices of a group carry a command out, each at \
             another moment.",
        ),
        integer(
            "max_age_s",
            1,
            600,
            300,
            "Seconds the `ts` of a command may lie behind the device's clock.",
        ),
        integer(
            "keep_log",
            10,
            100_000,
            1_000,
            "Lines of the log of orders (`control_log`) that are kept.",
        ),
    ],
};

pub(super) const ALLOW: Section = Section {
    name: "control.allow",
    doc: "Who may give which commands. Without any, everybody whom the broker lets publish may \
          give all of `[control] commands`; with some, a command needs one that fits. \
          [guide/mqtt.md](../guide/mqtt.md) says what guards the names.",
    occurs: Occurs::Repeated(64),
    refused: NO_REFUSED,
    fields: &[
        field(
            "by",
            Kind::Choice(&["topic", "property", "anyone"]),
            Without::Text("topic"),
            "How the requester must be known: by the topic (`…/from/<requester>/cmd/<verb>`, \
             which the broker's access list guards), by the user property `requester` (which \
             anybody may write), or not at all.",
        ),
        field(
            "requesters",
            Kind::List {
                of: "1 to 64 of `A-Z a-z 0-9 _ - . @`",
                most: 64,
            },
            Without::Rule("all known in this way"),
            "Their names.",
        ),
        field(
            "commands",
            Kind::List {
                of: "command",
                most: VERBS.len(),
            },
            Without::Rule("all"),
            "What they may order.",
        ),
    ],
};
