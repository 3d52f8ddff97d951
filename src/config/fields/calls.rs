//! `[calls]` and `[[calls.ice_servers]]`: whom the bell rings, and the limits of a call.

use super::{Kind, Occurs, PARTY, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "calls",
    doc: "Whom the bell rings, and the limits of a call.",
    occurs: Occurs::Defaulted,
    refused: &[(
        "visitor_message",
        "is a section of its own: `[visitor_message]` with `enabled = true`",
    )],
    fields: &[
        field(
            "ring",
            Kind::List {
                of: PARTY,
                most: 16,
            },
            Without::Rule("`[]`"),
            "Whom the bell rings, all at once; the first to answer takes the call. For one after \
             the other there is `[[calls.step]]`.",
        ),
        boolean(
            "skip_offline",
            true,
            "Do not ring who is known not to be connected, as long as somebody else is.",
        ),
        boolean(
            "wake",
            true,
            "Ask the server for a push notification to whoever the bell rings, or would ring if they \
             were there, and whom the device is told to call, confer with or invite: a cubelet hub \
             sends it to those who are not connected or do not look. Who wakes up in time is rung.",
        ),
        field(
            "ring_in_call",
            Kind::Choice(&["reject", "wait", "replace"]),
            Without::Text("reject"),
            "The bell during a call: does not ring, rings when the call is over, or ends it.",
        ),
        field(
            "ringback",
            Kind::Text("`tone`, `chime`, `phone`, `file:PATH`, `none`"),
            Without::Text("tone"),
            "What is heard here while others are rung, until somebody answers: the telephone's tone, \
             two notes, a bell, a file that is repeated (WAV, Ogg Opus, FLAC, at most 60 s). When \
             nobody answers, or somebody declines, four short tones say so; not with `none`, nor \
             where the visitor may leave a message.",
        ),
        field(
            "data_channel",
            Kind::Choice(&["off", "answer", "offer"]),
            Without::Text("answer"),
            "Orders over a data channel of the call (`unlock`, for `door.unlock_allowed`): never, \
             where the other side opens one, or offered with every call; the SDP of a call to \
             somebody else's phone changes only with the last.",
        ),
        field(
            "forward_to",
            Kind::List {
                of: PARTY,
                most: 16,
            },
            Without::Rule("`[]`"),
            "Whom the bell rings last, when nobody has answered.",
        ),
        integer(
            "forward_s",
            5,
            300,
            30,
            "How long, seconds; at most `answer_timeout_s`.",
        ),
        field(
            "missed_to",
            Kind::List {
                of: PARTY,
                most: 16,
            },
            Without::Rule("`[]`: nobody"),
            "Who gets a chat message with a picture when nobody answers: users, or a dialog as a \
             whole (`dialog:ID`).",
        ),
        field(
            "missed_for",
            Kind::List {
                of: "`ring` or `incoming`",
                most: 2,
            },
            Without::Rule("`[\"ring\"]`"),
            "What such messages are about: the bell, calls that came in, or both.",
        ),
        field(
            "record",
            Kind::Choice(&["never", "door", "remote", "both"]),
            Without::Text("never"),
            "What of a call is recorded from its beginning to its end: this device's side, the other \
             one, or both, a file each. Needs `[recording] enabled`.",
        ),
        integer(
            "keep_records",
            100,
            100_000,
            10_000,
            "Calls and door openings remembered, each; the oldest leave.",
        ),
        field(
            "call_type",
            Kind::Choice(&["video", "audio"]),
            Without::Text("video"),
            "Whether outgoing calls have a picture.",
        ),
        integer(
            "answer_timeout_s",
            10,
            300,
            60,
            "How long a call rings before it ends as not answered, seconds.",
        ),
        integer(
            "dialing_interval_s",
            3,
            60,
            5,
            "How often the call is repeated to a side that has not answered, seconds.",
        ),
        integer(
            "disconnect_timeout_s",
            5,
            300,
            30,
            "How long a lost connection may take to come back, seconds.",
        ),
        integer(
            "max_bandwidth_kbps",
            0,
            100_000,
            0,
            "The most a call may send, kbit/s; 0 is unlimited. Also told to the other side.",
        ),
        integer(
            "min_bandwidth_kbps",
            64,
            20_000,
            150,
            "Pictures are not reduced below this for a participant's slow network, kbit/s: the encoder is shared by all.",
        ),
        integer(
            "start_bandwidth_kbps",
            64,
            20_000,
            1_000,
            "What pictures of each call begin with, kbit/s, before anything is known of the network. \
             Left out, it is brought within `min_bandwidth_kbps`, `max_bandwidth_kbps` and the camera's \
             `bitrate_kbps`; given, it must be within them.",
        ),
        boolean(
            "relay_only",
            false,
            "Use only TURN candidates, which hides the device's addresses.",
        ),
        boolean(
            "dscp",
            true,
            "Mark sound (EF) and pictures (AF41) of calls for the network, so that routers and Wi-Fi that \
             look at it let them pass before other traffic (RFC 8837).",
        ),
        field(
            "bind",
            Kind::List {
                of: "IP address",
                most: 16,
            },
            Without::Rule("`[]`: all addresses"),
            "The device's addresses media may use.",
        ),
    ],
};

pub(super) const ICE_SERVERS: Section = Section {
    name: "calls.ice_servers",
    doc: "STUN and TURN servers, besides those the hub names.",
    occurs: Occurs::Repeated(8),
    refused: &[(
        "credential",
        "a credential is not written in this file: put it alone into a file of mode 0600 \
         and name that in `credential_file`",
    )],
    fields: &[
        field(
            "urls",
            Kind::List {
                of: "`stun:host[:port]`, `turn:host[:port][?transport=udp]`, `turn:host[:port]?transport=tcp`, `turns:host[:port]`",
                most: 8,
            },
            Without::Required,
            "The server's addresses.",
        ),
        field(
            "username",
            Kind::Text("string"),
            Without::Rule("required for `turn:` and `turns:`"),
            "The user at the TURN server.",
        ),
        field(
            "credential_file",
            Kind::Path("file, mode 0600 or 0400"),
            Without::Rule("required for `turn:` and `turns:`"),
            "A file holding the TURN credential.",
        ),
    ],
};
