//! `[attachments]`: files that go with messages.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field, integer};

pub(super) const SECTION: Section = Section {
    name: "attachments",
    doc: "Files that go with messages. Paths come from here and from nowhere else.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "send_from",
            Kind::Path("directory"),
            Without::Nothing,
            "Files of this folder may be sent by their name.",
        ),
        field(
            "save_to",
            Kind::Path("directory"),
            Without::Nothing,
            "Attachments are fetched into this folder. Made if missing.",
        ),
        integer(
            "save_up_to_mb",
            0,
            100,
            0,
            "Attachments up to this size are fetched by themselves, MiB; 0 fetches none.",
        ),
    ],
};
