//! `[[camera.network]]`: how one camera of the network lets us in.

use super::{
    INLINE_PASSWORD, Kind, Occurs, Section, Without, field, secret_credential, secret_file,
};

pub(super) const SECTION: Section = Section {
    name: "camera.network",
    doc: "How cameras at one host of the network are watched, where it differs from `rtsp_username` and \
          its like, which hold for those without a section here.",
    occurs: Occurs::Repeated(16),
    refused: &[("password", INLINE_PASSWORD)],
    fields: &[
        field(
            "host",
            Kind::Text("host, or host and port"),
            Without::Required,
            "Which: as in the address of `source` or one of `others`. With a port, those of that port \
             alone.",
        ),
        field(
            "username",
            Kind::Text("1 to 64 characters, no colon"),
            Without::Nothing,
            "Whom it lets in; nobody in particular without.",
        ),
        secret_file("password_file", "A file holding that user's password."),
        secret_credential(
            "password_credential",
            "The systemd credential holding that password.",
        ),
        field(
            "transport",
            Kind::Choice(&["tcp", "udp"]),
            Without::Rule("`[camera] rtsp_transport`"),
            "How its pictures come; those of `rtsps:` only by `tcp`.",
        ),
        field(
            "certificate",
            Kind::Path("PEM file"),
            Without::Nothing,
            "With `rtsps:`, the camera's own certificate, whatever name and dates are in it, or that of \
             the authority who signed it. Without, the system's authorities must have signed it.",
        ),
        field(
            "certificate_check",
            Kind::Choice(&["full", "none"]),
            Without::Text("full"),
            "`none` takes any certificate: whoever is in the network can then show another picture and \
             read the password of cameras that ask for it in clear.",
        ),
    ],
};
