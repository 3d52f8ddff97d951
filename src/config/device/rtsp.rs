//! `[rtsp]` as a type, and its rules.

use std::net::SocketAddr;

use super::TlsFiles;
use super::console::tls_files;
use crate::config::Secret;
use crate::config::reader::SectionReader;

/// The camera for recorders and players.
#[derive(Clone, Debug)]
pub struct Rtsp {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whom the password is of.
    pub username: String,
    /// Always there off loopback.
    pub password: Option<Secret>,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// How many watch at once, 1 to 16.
    pub viewers: u32,
    /// Whether they hear the microphone.
    pub audio: bool,
}

/// Characters of a password.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

pub(super) fn read(section: &SectionReader<'_>) -> Option<Rtsp> {
    let listen = section.parsed("listen", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| "must be an IP address and a port, as `127.0.0.1:8554`".to_owned())
    });
    let username = section.parsed("username", |text| {
        let is_plain = !text
            .chars()
            .any(|c| c.is_control() || matches!(c, '"' | '\\'));
        match text.chars().count() {
            1..=64 if is_plain => Ok(text.to_owned()),
            _ => Err("must be 1 to 64 characters without quotes".to_owned()),
        }
    });
    let password = section.secret("password", false);
    let password_key = match section.given("password_credential") {
        true => "password_credential",
        false => "password_file",
    };
    if let Some(password) = &password
        && !PASSWORD_LENGTH.contains(&password.expose().chars().count())
    {
        section.fail(password_key, "the password must have 8 to 256 characters");
    }
    let tls = tls_files(section);
    let plaintext = section.boolean("plaintext").unwrap_or_default();
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
    {
        if !section.given("password_file") && !section.given("password_credential") {
            let why = format!("is required, as other machines reach {listen}");
            section.fail("password_file", why);
        }
        if !section.given("certificate") {
            if plaintext {
                section.warn(
                    "plaintext",
                    "warning: everybody on the network can see the camera's picture",
                );
            } else {
                section.fail(
                    "certificate",
                    format!(
                        "is required, as other machines reach {listen} (or `plaintext = true`, which \
                         lets everybody on the network see the picture)"
                    ),
                );
            }
        }
    }
    Some(Rtsp {
        listen: listen?,
        username: username?,
        password,
        tls,
        viewers: section.integer("viewers")?,
        audio: section.boolean("audio")?,
    })
}
