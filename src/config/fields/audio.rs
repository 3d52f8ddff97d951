//! `[audio]`: microphone and loudspeaker.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

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
        field(
            "other_sources",
            Kind::List {
                of: "microphone, as `source`",
                most: 8,
            },
            Without::Rule("`[]`"),
            "Further microphones one can switch to while the device runs, also in a call (`audio/set`).",
        ),
        field(
            "other_sinks",
            Kind::List {
                of: "loudspeaker, as `sink`",
                most: 8,
            },
            Without::Rule("`[]`"),
            "Further loudspeakers one can switch to, likewise.",
        ),
        boolean(
            "echo_cancel",
            true,
            "Takes what the loudspeaker plays out of what the microphone hears. Needs both to be \
             `alsa:`.",
        ),
        boolean(
            "noise_suppression",
            true,
            "Takes steady noise, such as fans and traffic, out of an `alsa:` microphone's sound.",
        ),
        boolean(
            "gain_control",
            true,
            "Brings voices near and far to one loudness, of an `alsa:` microphone.",
        ),
        boolean(
            "high_pass",
            true,
            "Takes rumble below speech, such as wind and steps, out of an `alsa:` microphone's \
             sound.",
        ),
        field(
            "duplex",
            Kind::Choice(&["full", "half", "push_to_talk"]),
            Without::Text("full"),
            "Who may speak when: both at once; one at a time, the other side first, for boards whose \
             echo cannot be cancelled; or in a call only who holds a button here (`talk`).",
        ),
        integer(
            "talk_max_s",
            1,
            600,
            60,
            "With `push_to_talk`: talking ends by itself after so long, seconds.",
        ),
        boolean(
            "dtx",
            false,
            "Sends next to nothing while nobody speaks: saves some 30 kbit/s. Steady sound behind \
             the voice comes and goes with it at the other side.",
        ),
    ],
};
