//! `[calls.preview]`: the picture of who is at the door before anybody answers.

use super::{Kind, NO_REFUSED, Occurs, PARTY, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "calls.preview",
    doc: "The camera's picture for those the bell rings, before anybody answers.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        boolean(
            "enabled",
            true,
            "Offer it. Without, they see the still picture of the invitation only.",
        ),
        field(
            "allow",
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Rule("`[]`: everybody the bell rings"),
            "Who of those the bell rings gets it.",
        ),
        boolean("audio", false, "With the sound of the door's microphone."),
        integer("most", 1, 16, 8, "How many may look at the same time."),
        boolean(
            "show",
            true,
            "When this device rings and the caller offers it: show it on the display.",
        ),
    ],
};
