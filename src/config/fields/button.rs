//! `[[button]]`: push buttons on GPIO lines.

use super::{Kind, LINE, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "button",
    doc: "A push button on a GPIO line. Each press is the event `button/pressed`.",
    occurs: Occurs::Repeated(32),
    refused: NO_REFUSED,
    fields: &[
        field(
            "name",
            Kind::Text("1 to 32 of `a-z 0-9 _ -`"),
            Without::Required,
            "What events call it, such as `bell`.",
        ),
        field(
            "line",
            Kind::Text(LINE),
            Without::Required,
            "Where it is connected. Names such as `GPIO17` stay the same on every board of a kind; \
             numbers of chips do not.",
        ),
        field(
            "active",
            Kind::Choice(&["low", "high"]),
            Without::Text("low"),
            "The level while it is pressed: `low` for a button to ground.",
        ),
        field(
            "pull",
            Kind::Choice(&["up", "down", "none", "as_is"]),
            Without::Text("up"),
            "The resistor inside the chip; `as_is` where the chip cannot set one.",
        ),
        integer(
            "debounce_ms",
            0,
            1_000,
            30,
            "A level must hold so long to count, milliseconds.",
        ),
        boolean("rings", true, "Whether a press rings the bell."),
        boolean(
            "talks",
            false,
            "Whether somebody talks while it is held, with `[audio] duplex = \"push_to_talk\"`. Needs \
             `rings = false`.",
        ),
        field(
            "targets",
            Kind::List {
                of: "user: number or login",
                most: 16,
            },
            Without::Rule("`[]`: as `[calls]` says"),
            "Whom this button rings: one button a flat.",
        ),
    ],
};
