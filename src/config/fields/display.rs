//! `[display]`: where the other side's picture is shown.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "display",
    doc: "Where the other side's picture is shown.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "sink",
            Kind::Choice(&["null", "window"]),
            Without::Text("null"),
            "`window` shows it on the screen; `null` decodes and drops.",
        ),
        field(
            "layout",
            Kind::Choice(&["grid", "speaker"]),
            Without::Text("grid"),
            "How several people share it: all of one size, or one large and the others below; \
             changed while the device runs by `display/set`. One person alone has all of it. Who \
             sends no picture for 3 s, or black for 1 s, makes room.",
        ),
    ],
};
