//! `[calls.incoming]`: who may call the device, and what becomes of the call.

use super::{Kind, NO_REFUSED, Occurs, PARTY, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "calls.incoming",
    doc: "Who may call this device, and what becomes of the call.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "allow",
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Rule("`[]`: everybody"),
            "Who may call.",
        ),
        field(
            "refuse",
            Kind::Choice(&["reject", "ignore"]),
            Without::Text("reject"),
            "What somebody else hears: that the call is declined, or nothing at all.",
        ),
        field(
            "auto_answer",
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Rule("`[]`: nobody"),
            "Whose calls are answered without anybody's doing (drop-in).",
        ),
        integer(
            "auto_answer_after_s",
            0,
            30,
            3,
            "How long such a call rings before, seconds: the notice to who is in the room.",
        ),
        boolean(
            "auto_answer_tone",
            true,
            "Play a tone here when such a call comes. Nothing of the room is sent before it has been \
             played; with `auto_answer_after_s = 0` it takes most of a second.",
        ),
        field(
            "ring_tone",
            Kind::Text("`chime`, `phone`, `tone`, `file:PATH`, `none`"),
            Without::Text("chime"),
            "What is heard here while somebody calls or knocks, as `ringback`. Calls that are \
             answered by themselves have `auto_answer_tone`.",
        ),
        field(
            "ring_volume",
            Kind::Integer { min: 0, max: 100 },
            Without::Rule("the loudspeaker's, `volume` of `audio/set`"),
            "How loud `ring_tone` is, percent, until it is set by `audio/set`.",
        ),
        field(
            "auto_answer_media",
            Kind::Choice(&["video", "audio", "listen_only", "knock"]),
            Without::Text("video"),
            "What of this device such a caller gets: picture and sound, sound alone, nothing, or \
             nothing until `answer` lets the caller in.",
        ),
        field(
            "quiet",
            Kind::Text("name of a `[[schedule]]`"),
            Without::Nothing,
            "Hours in which calls do not ring here.",
        ),
        field(
            "quiet_except",
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Rule("`[]`: nobody"),
            "Who gets through quiet hours and do-not-disturb.",
        ),
        field(
            "busy",
            Kind::Choice(&["reject", "wait", "replace"]),
            Without::Text("reject"),
            "A call during another: is told that we are busy, rings beside it, or takes its place.",
        ),
    ],
};
