//! `[door]`: the door opener.

use super::{Kind, NO_REFUSED, Occurs, Section, USER, Without, field, integer};

pub(super) const SECTION: Section = Section {
    name: "door",
    doc: "The door opener.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "relay",
            Kind::Choice(&["none", "log"]),
            Without::Text("none"),
            "`log` is a virtual relay: it logs and publishes, and moves nothing.",
        ),
        integer(
            "pulse_ms",
            100,
            60_000,
            3_000,
            "How long the relay is pulled, milliseconds.",
        ),
        field(
            "unlock_allowed",
            Kind::List { of: USER, most: 64 },
            Without::Rule("`[]`: nobody"),
            "Who may open the door from within a call.",
        ),
    ],
};
