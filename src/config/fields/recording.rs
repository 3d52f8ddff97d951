//! `[recording]`: camera and microphone recorded on command, by rule or in calls.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "recording",
    doc: "Recordings made on command or by a rule: [guide/recording.md](../guide/recording.md). \
          Recording people needs their knowledge, in many places their consent: nothing is \
          recorded unless `enabled = true`.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        boolean(
            "enabled",
            false,
            "Whether the command `record` is obeyed at all.",
        ),
        field(
            "folder",
            Kind::Path("directory"),
            Without::Rule("`recordings` in `[device] state_dir`"),
            "Where the files are kept. Made if missing, for the device's user alone; other files in \
             it are left alone.",
        ),
        integer(
            "max_s",
            5,
            86_400,
            600,
            "The longest recording, seconds; a command may ask for less.",
        ),
        integer(
            "segment_s",
            5,
            86_400,
            900,
            "A recording goes on in a further file after so long, seconds, and after 1 GiB.",
        ),
        integer(
            "pre_roll_s",
            0,
            60,
            0,
            "What happened so long before a recording was ordered is in it, too, seconds. Keeps \
             camera, microphone and encoder running all the time.",
        ),
        integer(
            "pre_roll_mb",
            1,
            256,
            16,
            "The most memory for that, MiB; when it does not suffice, less is kept.",
        ),
        integer(
            "keep_days",
            1,
            3_650,
            30,
            "Older recordings are removed, days.",
        ),
        integer(
            "keep_mb",
            16,
            10_000_000,
            2_000,
            "The most room for all recordings, MiB. The oldest leave first, never the file being \
             written.",
        ),
        integer(
            "min_free_mb",
            16,
            1_000_000,
            256,
            "What stays free on the disk, MiB: the oldest recordings leave for it, and when there \
             are none left, the one under way ends.",
        ),
        field(
            "notice",
            Kind::Choice(&["none", "tone", "message", "both"]),
            Without::Text("both"),
            "How those who are recorded are told: a tone at the device, a chat message and a call \
             parameter to those in the call, or both. `none` needs a sign at the door.",
        ),
    ],
};
