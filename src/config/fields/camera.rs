//! `[camera]`: what is captured, and how it is encoded.

use super::{
    Kind, Occurs, Section, Without, boolean, field, integer, secret_credential, secret_file,
};

const INLINE_PASSWORD: &str = "a password is not written in this file, which is copied and shown \
     around: put it alone into a file of mode 0600 and name that in `rtsp_password_file`, or name a \
     systemd credential in `rtsp_password_credential`";

pub(super) const SECTION: Section = Section {
    name: "camera",
    doc: "What is captured, and how it is encoded.",
    occurs: Occurs::Defaulted,
    refused: &[("rtsp_password", INLINE_PASSWORD)],
    fields: &[
        field(
            "source",
            Kind::Text(
                "`test`, `test:PATTERN`, `v4l2:/dev/videoN`, `libcamera`, `libcamera:NAME`, \
                 `rtsp://HOST/PATH`, `rtsps://HOST/PATH`, `file:PATH`, `screen`, `screen:DISPLAY`, `none`",
            ),
            Without::Text("none"),
            "The camera. `rtsp` is one of the network, `file` a film that is played over and over, \
             `screen` what an X server shows (`DISPLAY` as in the environment, `:0`). Patterns are \
             those of GStreamer's `videotestsrc`.",
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
        field(
            "rtsp_username",
            Kind::Text("1 to 64 characters, no colon"),
            Without::Nothing,
            "Whom cameras of the network let in that have no `[[camera.network]]`.",
        ),
        secret_file("rtsp_password_file", "A file holding that user's password."),
        secret_credential(
            "rtsp_password_credential",
            "The systemd credential holding that password.",
        ),
        field(
            "rtsp_transport",
            Kind::Choice(&["tcp", "udp"]),
            Without::Text("tcp"),
            "How their pictures come: through the connection, or in datagrams of their own, which \
             may be lost.",
        ),
    ],
};
