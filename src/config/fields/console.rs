//! `[console]`: the device's own small web server.

use super::{
    Kind, Occurs, Section, Without, boolean, field, integer, secret_credential, secret_file,
};

pub(super) const SECTION: Section = Section {
    name: "console",
    doc: "The device's own web server: live picture (WHEP), snapshot, health, metrics. Without \
          this section there is none.",
    occurs: Occurs::Optional,
    refused: &[(
        "token",
        "a token is not written in this file, which is copied and shown around: put it alone \
         into a file of mode 0600 and name that in `token_file`, or name a systemd credential in \
         `token_credential`",
    )],
    fields: &[
        field(
            "listen",
            Kind::Text("IP address and port"),
            Without::Text("127.0.0.1:8088"),
            "Where it listens. Other machines reach it only if this is an address of theirs: \
             then the token and TLS are required.",
        ),
        secret_file(
            "token_file",
            "A file holding the bearer token whoever asks must have, 16 to 256 characters.",
        ),
        secret_credential(
            "token_credential",
            "The systemd credential holding that token.",
        ),
        field(
            "certificate",
            Kind::Path("PEM file"),
            Without::Nothing,
            "The server's certificate with its chain; with it the server speaks HTTPS.",
        ),
        field(
            "key",
            Kind::Path("PEM file, mode 0600 or 0400"),
            Without::Rule("required with `certificate`"),
            "The certificate's private key.",
        ),
        field(
            "origins",
            Kind::List {
                of: "origin, as `https://dashboard.lan`",
                most: 16,
            },
            Without::Rule("`[]`: none"),
            "Web pages of other addresses whose scripts may use it (CORS).",
        ),
        integer("viewers", 1, 16, 4, "How many may watch at the same time."),
        boolean("audio", false, "With the sound of the microphone."),
    ],
};
