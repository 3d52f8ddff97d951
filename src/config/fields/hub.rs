//! `[hub]`: the server and the account on it.

use super::{INLINE_PASSWORD, Kind, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "hub",
    doc: "The server and the account on it: a cubelet hub or the ConnectyCube cloud.",
    occurs: Occurs::Once,
    refused: &[("password", INLINE_PASSWORD)],
    fields: &[
        field(
            "api",
            Kind::Text("`https://…`, or `http://…` on this machine"),
            Without::Required,
            "The REST API.",
        ),
        field(
            "chat",
            Kind::Text("`tls://host:port`, `wss://…`, or `ws://…` on this machine"),
            Without::Required,
            "The chat server: direct TLS (port 5223 if none is given) or WebSocket.",
        ),
        field(
            "chat_host",
            Kind::Text("host name"),
            Without::Rule("the host of `chat`"),
            "The domain in user addresses (`endpoints.chat` of the application).",
        ),
        field(
            "ca",
            Kind::Path("PEM file"),
            Without::Nothing,
            "The certificate of a site's own CA, trusted besides the public ones.",
        ),
        field(
            "app_id",
            Kind::Integer {
                min: 1,
                max: i64::MAX,
            },
            Without::Required,
            "The application's number.",
        ),
        field(
            "auth_key",
            Kind::Text("string"),
            Without::Rule("one of the three is required"),
            "The application's authorization key.",
        ),
        field(
            "auth_key_file",
            Kind::Path("file, mode 0600 or 0400"),
            Without::Rule("one of the three is required"),
            "A file holding the authorization key.",
        ),
        field(
            "auth_key_credential",
            Kind::Text("systemd credential"),
            Without::Rule("one of the three is required"),
            "The systemd credential (`LoadCredential=`) holding the authorization key.",
        ),
        field(
            "login",
            Kind::Text("1 to 64 characters"),
            Without::Rule("one of the two is required"),
            "The device's user, by login name.",
        ),
        field(
            "email",
            Kind::Text("`name@host`, up to 254 characters"),
            Without::Rule("one of the two is required"),
            "The device's user, by e-mail address.",
        ),
        field(
            "password_file",
            Kind::Path("file, mode 0600 or 0400"),
            Without::Rule("one of the two is required"),
            "A file holding the user's password.",
        ),
        field(
            "password_credential",
            Kind::Text("systemd credential"),
            Without::Rule("one of the two is required"),
            "The systemd credential (`LoadCredential=`) holding the user's password.",
        ),
        field(
            "push_environment",
            Kind::Choice(&["production", "development"]),
            Without::Text("production"),
            "Which subscriptions the device's push notifications are for, as applications subscribed.",
        ),
    ],
};
