//! `[camera]`: what is captured, and how it is encoded.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "camera",
    doc: "What is captured, and how it is encoded.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "source",
            Kind::Text("`test`, `test:PATTERN`, `v4l2:/dev/videoN`, `none`"),
            Without::Text("none"),
            "The camera. Patterns are those of GStreamer's `videotestsrc`.",
        ),
        field(
            "others",
            Kind::List {
                of: "camera, as `source`",
                most: 8,
            },
            Without::Rule("`[]`"),
            "Further cameras one can switch to while the device runs, also in a call (`camera/set`).",
        ),
        integer("width", 64, 3840, 640, "Picture width, pixels."),
        integer("height", 64, 2160, 480, "Picture height, pixels."),
        integer("framerate", 1, 60, 30, "Pictures per second."),
        integer(
            "bitrate_kbps",
            64,
            20_000,
            1_200,
            "The encoder's target, kbit/s; lowered when the network cannot carry it.",
        ),
        field(
            "codec",
            Kind::Choice(&["h264", "vp8"]),
            Without::Text("h264"),
            "Preferred in calls; the other one is used when the peer cannot take it.",
        ),
        boolean(
            "warm",
            true,
            "Keep capture and encoder running between calls: a picture sooner, for power.",
        ),
    ],
};
