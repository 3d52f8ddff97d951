//! `[door]`: the door opener.

use super::{
    Kind, Occurs, PARTY, Section, Without, field, integer, secret_credential, secret_file,
};

const RELAY: &str = "`none`, `log`, `gpio:NAME` or `gpio:CHIP:NUMBER`";

pub(super) const SECTION: Section = Section {
    name: "door",
    doc: "The door opener.",
    occurs: Occurs::Defaulted,
    refused: &[(
        "code",
        "a code is not written in this file, which is copied and shown around: put it alone into \
         a file of mode 0600 and name that in `code_file`, or name a systemd credential in \
         `code_credential`",
    )],
    fields: &[
        field(
            "relay",
            Kind::Text(RELAY),
            Without::Text("none"),
            "What opens the door: a relay on a GPIO line, or `log`, a virtual relay that logs and \
             publishes and moves nothing.",
        ),
        field(
            "relay_active",
            Kind::Choice(&["high", "low"]),
            Without::Text("high"),
            "The level that pulls the relay; many relay boards want `low`. The other one is set at the \
             start, at the end and whenever the door is to be closed.",
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
            Kind::List {
                of: PARTY,
                most: 64,
            },
            Without::Rule("`[]`: nobody"),
            "Who may open the door from within a call, and by chat as `chat_unlock` says.",
        ),
        integer(
            "hang_up_after_s",
            0,
            600,
            0,
            "A call ends so long after the door was opened in it, seconds; 0 lets it go on.",
        ),
        field(
            "chat_unlock",
            Kind::Choice(&["never", "in_call", "always"]),
            Without::Text("never"),
            "Whether a chat message opens the door: only of the one in the call, or at any time.",
        ),
        field(
            "chat_words",
            Kind::List {
                of: "text of 1 to 32 characters",
                most: 16,
            },
            Without::Rule("`[\"open\"]`"),
            "The messages that do, in capitals or not.",
        ),
        secret_file(
            "code_file",
            "A file holding the code that opens the door when somebody of `unlock_allowed` enters \
             it in a call by the keys of a telephone, 1 to 16 digits. After five wrong ones of \
             somebody in a call none of theirs is heard any more in it.",
        ),
        secret_credential(
            "code_credential",
            "The systemd credential holding that code.",
        ),
    ],
};
