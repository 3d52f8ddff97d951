//! `[history]`: the copy of dialogs and messages kept on the device.

use super::{NO_REFUSED, Occurs, Section, boolean, integer};

pub(super) const SECTION: Section = Section {
    name: "history",
    doc: "The copy of dialogs and messages kept on the device, for reading and searching without a network.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        integer(
            "max_days",
            0,
            36_500,
            365,
            "Older messages leave the device, days; 0 keeps them whatever their age.",
        ),
        integer(
            "max_messages",
            100,
            10_000_000,
            50_000,
            "The most messages kept; the oldest leave.",
        ),
        integer(
            "max_mb",
            4,
            4_096,
            64,
            "The most room on the disk, MiB. The oldest messages leave before it is used up.",
        ),
        integer(
            "first_messages",
            0,
            100,
            100,
            "Messages of each dialog fetched when the device first meets it.",
        ),
        boolean(
            "read_on_arrival",
            true,
            "Tell the author that a message was read as soon as its event is published; \
             otherwise the command `mark_read` does.",
        ),
    ],
};
