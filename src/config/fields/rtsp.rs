//! `[rtsp]`: the camera for recorders and players.

use super::{
    INLINE_PASSWORD, Kind, Occurs, Section, Without, boolean, field, integer, secret_credential,
    secret_file,
};

pub(super) const SECTION: Section = Section {
    name: "rtsp",
    doc: "The camera for network recorders and players, at `rtsp://HOST:8554/live`: H264 and Opus over \
          one TCP connection. Without this section there is none.",
    occurs: Occurs::Optional,
    refused: &[("password", INLINE_PASSWORD)],
    fields: &[
        field(
            "listen",
            Kind::Text("IP address and port"),
            Without::Text("127.0.0.1:8554"),
            "Where it listens. Other machines reach it only if this is an address of theirs: then \
             a password is required, and TLS or `plaintext`.",
        ),
        field(
            "username",
            Kind::Text("1 to 64 characters, no quotes"),
            Without::Text("viewer"),
            "Whom the password is of.",
        ),
        secret_file(
            "password_file",
            "A file holding the password of whoever watches, 8 to 256 characters.",
        ),
        secret_credential(
            "password_credential",
            "The systemd credential holding that password.",
        ),
        field(
            "certificate",
            Kind::Path("PEM file"),
            Without::Nothing,
            "The server's certificate with its chain; with it the server speaks RTSPS.",
        ),
        field(
            "key",
            Kind::Path("PEM file, mode 0600 or 0400"),
            Without::Rule("required with `certificate`"),
            "The certificate's private key.",
        ),
        boolean(
            "plaintext",
            false,
            "Allows other machines without TLS, which few recorders know. Everybody on the network can \
             then see the picture; the password itself is not sent.",
        ),
        integer("viewers", 1, 16, 4, "How many may watch at the same time."),
        boolean("audio", false, "With the sound of the microphone."),
    ],
};
