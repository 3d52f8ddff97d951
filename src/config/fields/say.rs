//! `[say]`: what the device can say.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "say",
    doc: "What the device can say by its loudspeaker (command `say`).",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "sounds",
            Kind::Path("folder"),
            Without::Nothing,
            "A folder of sounds: `door.wav` is said as `door`. WAV, Ogg, Opus or FLAC, 60 s each at \
             most.",
        ),
        field(
            "voice",
            Kind::Text("a voice of `espeak-ng --voices`"),
            Without::Text("en"),
            "Who reads out texts, where `espeak-ng` is installed.",
        ),
    ],
};
