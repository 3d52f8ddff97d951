//! `[device]`: the device itself.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "device",
    doc: "The device itself.",
    occurs: Occurs::Once,
    refused: NO_REFUSED,
    fields: &[
        field(
            "name",
            Kind::Text("1 to 32 of `a-z 0-9 _ -`"),
            Without::Required,
            "The device's name in every MQTT topic.",
        ),
        field(
            "groups",
            Kind::List {
                of: "1 to 32 of `a-z 0-9 _ -`",
                most: 16,
            },
            Without::Nothing,
            "Commands to these groups (`cubelet/group/<group>/cmd/…`) are for this device, too.",
        ),
        field(
            "state_dir",
            Kind::Path("directory"),
            Without::Text("/var/lib/cubelet"),
            "Where the outbox, the call log and the certificate are kept. Made if missing. Left out \
             under systemd, the unit's `StateDirectory=`.",
        ),
    ],
};
