//! `[mqtt]`: the broker for local control.

use super::{
    INLINE_PASSWORD, Kind, Occurs, Section, Without, boolean, field, secret_credential, secret_file,
};

pub(super) const SECTION: Section = Section {
    name: "mqtt",
    doc: "The broker for local control. Without this section there is none.",
    occurs: Occurs::Optional,
    refused: &[("password", INLINE_PASSWORD)],
    fields: &[
        field(
            "host",
            Kind::Text("host name or IP address"),
            Without::Required,
            "The broker.",
        ),
        field(
            "port",
            Kind::Integer {
                min: 1,
                max: 65_535,
            },
            Without::Rule("8883 with TLS, 1883 without"),
            "Its port.",
        ),
        field(
            "base",
            Kind::Text("topic levels of `A-Z a-z 0-9 _ -`, 1 to 64 characters"),
            Without::Text("cubelet"),
            "The first level (or levels) of every topic.",
        ),
        field(
            "username",
            Kind::Text("1 to 128 characters"),
            Without::Nothing,
            "The device's user at the broker.",
        ),
        secret_file("password_file", "A file holding that user's password."),
        secret_credential(
            "password_credential",
            "The systemd credential holding that user's password.",
        ),
        field(
            "tls",
            Kind::Boolean,
            Without::Rule("`true`, but `false` for a broker on this machine"),
            "Encrypt, and verify the broker's certificate.",
        ),
        field(
            "ca",
            Kind::Path("PEM file"),
            Without::Nothing,
            "The certificate of a site's own CA, trusted besides the public ones.",
        ),
        field(
            "version",
            Kind::Choice(&["auto", "5", "3.1.1"]),
            Without::Text("auto"),
            "The version of MQTT the device speaks; `auto` is 5, or 3.1.1 with a broker that \
             refuses 5.",
        ),
        boolean(
            "plaintext",
            false,
            "Allows `tls = false` for a broker on another machine. Everybody on the network \
             can then read the password and open the door.",
        ),
    ],
};
