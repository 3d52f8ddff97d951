//! `[chat.commands]`: who may order what by writing to the device.

use super::{Kind, NO_REFUSED, Occurs, PARTY, Section, Without, field};

const fn people(key: &'static str, doc: &'static str) -> super::Field {
    field(
        key,
        Kind::List {
            of: PARTY,
            most: 64,
        },
        Without::Rule("`[]`: nobody"),
        doc,
    )
}

pub(super) const SECTION: Section = Section {
    name: "chat.commands",
    doc: "Who may order what by writing to the device: [guide/chat.md](../guide/chat.md). The door is \
          opened by `[door] chat_unlock`.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        people("snapshot", "Who gets a picture for `snapshot`."),
        people("status", "Who is told how the device is for `status`."),
        people("dnd", "Who may write `dnd on`, `dnd on 2h` and `dnd off`."),
        people(
            "record",
            "Who may write `record`, `record 30s` and `record stop`. Needs `[recording] enabled`.",
        ),
        field(
            "unknown",
            Kind::Choice(&["silent", "help"]),
            Without::Text("silent"),
            "What those who may order something get for other words in a private dialog: nothing, or \
             what they can write, once in ten minutes.",
        ),
    ],
};
