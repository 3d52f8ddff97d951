//! `[visitor_message]`: what a visitor may leave when nobody answers.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "visitor_message",
    doc: "What a visitor may leave when nobody answers: camera and microphone are recorded after a \
          tone, and the recording is sent as a chat message. Recording people needs their \
          knowledge, in many places a sign: nothing is ever recorded unless `enabled = true`.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        boolean(
            "enabled",
            false,
            "Whether there are visitor messages at all.",
        ),
        field(
            "to",
            Kind::List {
                of: "user: number or login",
                most: 16,
            },
            Without::Rule("`[]`"),
            "Who gets them, each in a private dialog and each with an upload of its own; for \
             several people a `dialog` is better.",
        ),
        field(
            "dialog",
            Kind::Text("24 hex digits"),
            Without::Nothing,
            "The group dialog that gets them, in place of `to`.",
        ),
        integer("max_s", 5, 300, 30, "The longest recording, seconds."),
        field(
            "tone",
            Kind::Text("`none`, `default`, `file:PATH`"),
            Without::Text("default"),
            "What the visitor hears before the recording: a tone, or a file (WAV, Ogg Opus, FLAC, \
             at most 60 s) such as \"please speak after the tone\". `none` needs a sign at the door.",
        ),
        boolean(
            "after_ring",
            true,
            "Begin by itself when a ring ends without an answer; otherwise the command \
             `visitor_message` begins one.",
        ),
        boolean(
            "snapshot",
            true,
            "Send a picture of the visitor as soon as the recording begins; not to those whom \
             `[calls] missed_to` has just sent one.",
        ),
        integer(
            "keep_days",
            0,
            365,
            7,
            "How long a recording stays on the device after it was sent, days; 0 removes it at \
             once. One that could not be sent yet always stays.",
        ),
        integer(
            "keep_mb",
            16,
            100_000,
            500,
            "The most room for recordings, MiB. The oldest sent ones leave first; when those not \
             sent yet fill it, no new one begins.",
        ),
    ],
};
