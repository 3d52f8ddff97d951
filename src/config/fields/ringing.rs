//! `[[calls.step]]` and `[[calls.quiet]]`: the ring plan.

use super::{Kind, NO_REFUSED, Occurs, PARTY, Section, Without, field, integer};

pub(super) const STEP: Section = Section {
    name: "calls.step",
    doc: "The steps of the bell, one after the other, instead of `[calls] ring`.",
    occurs: Occurs::Repeated(8),
    refused: NO_REFUSED,
    fields: &[
        field(
            "ring",
            Kind::List {
                of: PARTY,
                most: 16,
            },
            Without::Required,
            "Whom it rings, all at once.",
        ),
        integer(
            "seconds",
            5,
            300,
            20,
            "How long, before the next step begins; at most `[calls] answer_timeout_s`.",
        ),
        field(
            "when",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Nothing,
            "The step is taken only while the schedule holds.",
        ),
        field(
            "unless",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Nothing,
            "The step is not taken while the schedule holds.",
        ),
    ],
};

pub(super) const QUIET: Section = Section {
    name: "calls.quiet",
    doc: "Quiet hours of those the bell rings.",
    occurs: Occurs::Repeated(32),
    refused: NO_REFUSED,
    fields: &[
        field(
            "who",
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Required,
            "Whom the bell does not ring then.",
        ),
        field(
            "when",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Required,
            "The hours.",
        ),
    ],
};
