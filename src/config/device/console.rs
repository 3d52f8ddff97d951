//! `[console]` as a type, and its rules.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use url::Url;

use super::read::string;
use crate::config::Secret;
use crate::config::reader::SectionReader;

/// The device's own web server.
#[derive(Clone, Debug)]
pub struct Console {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What whoever asks must have; always there off loopback.
    pub token: Option<Secret>,
    /// Certificate and key; always there off loopback.
    pub tls: Option<TlsFiles>,
    /// Pages whose scripts may use it, as origins are serialised.
    pub origins: Vec<String>,
    /// How many watch at once, 1 to 16.
    pub viewers: u32,
    /// Whether they hear the microphone.
    pub audio: bool,
}

/// What a server of TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, the chain.
    pub certificate: PathBuf,
    /// PEM, closed to others.
    pub key: PathBuf,
}

/// Characters of a token: too many to be guessed.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

pub(super) fn read(section: &SectionReader<'_>) -> Option<Console> {
    let listen = section.parsed("listen", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| "must be an IP address and a port, as `127.0.0.1:8088`".to_owned())
    });
    let token = section.secret("token", false);
    let token_key = if section.given("token_credential") {
        "token_credential"
    } else {
        "token_file"
    };
    if let Some(token) = &token {
        let token = token.expose();
        let is_printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !TOKEN_LENGTH.contains(&token.len()) || !is_printable {
            let rule = "the token must have 16 to 256 letters, digits or signs of ASCII";
            section.fail(token_key, rule);
        }
    }
    let tls = tls_files(section);
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
    {
        let why = format!("is required, as other machines reach {listen}");
        if !section.given("token_file") && !section.given("token_credential") {
            section.fail("token_file", why.clone());
        }
        if !section.given("certificate") {
            section.fail("certificate", why);
        }
    }
    let origins = section.list("origins", |value| origin(string(value)?));
    let viewers = section.integer("viewers");
    let audio = section.boolean("audio");
    Some(Console {
        listen: listen?,
        token,
        tls,
        origins,
        viewers: viewers?,
        audio: audio?,
    })
}

/// `certificate` and `key`, both or neither.
pub(super) fn tls_files(section: &SectionReader<'_>) -> Option<TlsFiles> {
    let certificate = section.certificates("certificate");
    let key = section.path("key");
    if let Some(key) = &key
        && let Err(rule) = private(key)
    {
        section.fail("key", rule);
    }
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if section.given(one) && !section.given(other) {
            section.fail(other, format!("is required with `{one}`"));
        }
    }
    certificate
        .zip(key)
        .map(|(certificate, key)| TlsFiles { certificate, key })
}

/// Scheme, host and port, as browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let rule =
        || "must be an origin such as `https://dashboard.lan:8123`, without a path".to_owned();
    let url = Url::parse(text).map_err(|_| rule())?;
    let origin = url.origin();
    let is_web = matches!(url.scheme(), "http" | "https") && origin.is_tuple();
    let serialised = origin.ascii_serialization();
    (is_web && serialised == text.trim_end_matches('/'))
        .then_some(serialised)
        .ok_or_else(rule)
}

fn private(key: &Path) -> Result<(), String> {
    let shown = key.display();
    let metadata =
        std::fs::metadata(key).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} can be read by others (mode {mode:04o}); run `chmod 600 {shown}`"
        ));
    }
    Ok(())
}
