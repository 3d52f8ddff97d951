//! `[audio]`: microphone and loudspeaker.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "audio",
    doc: "Microphone and loudspeaker.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "source",
            Kind::Text("`test`, `test:tone`, `alsa:NAME`, `none`"),
            Without::Text("none"),
            "The microphone; NAME is an ALSA PCM such as `plughw:1,0`. `test` ticks once a second, \
             `test:tone` never pauses.",
        ),
        field(
            "sink",
            Kind::Text("`null`, `alsa:NAME`"),
            Without::Text("null"),
            "The loudspeaker. `null` decodes and drops.",
        ),
    ],
};
