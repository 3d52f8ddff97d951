//! `[[schedule]]`: weekly times other settings refer to.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "schedule",
    doc: "Weekly times by name, for the conditions of ring steps and for quiet hours. Right across \
          changes of summer time.",
    occurs: Occurs::Repeated(32),
    refused: NO_REFUSED,
    fields: &[
        field(
            "name",
            Kind::Text("1 to 32 of `a-z 0-9 _ -`"),
            Without::Required,
            "What other settings call it.",
        ),
        field(
            "zone",
            Kind::Text("time zone such as `Europe/Vienna`, or `UTC`"),
            Without::Required,
            "Where its clock hangs.",
        ),
        field(
            "windows",
            Kind::List {
                of: "`[DAYS] [HH:MM-HH:MM]` such as `mon-fri 22:00-06:00` or `sat,sun`",
                most: 32,
            },
            Without::Required,
            "It holds in any of them. An end before its begin is on the next day; days without \
             hours are whole, hours without days are daily.",
        ),
        field(
            "except",
            Kind::List {
                of: "date `YYYY-MM-DD`",
                most: 400,
            },
            Without::Rule("`[]`"),
            "Windows that would begin on these dates do not.",
        ),
    ],
};
