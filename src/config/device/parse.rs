//! Strings of a form of their own. Errors are rules for people, without the place, which the
//! reader knows.

use std::net::IpAddr;

use url::{Host, Url};

use super::{AudioSink, AudioSource, ChatEndpoint, VideoSource};
use crate::base::loopback::is_loopback;
use crate::config::suggest;

/// The patterns of GStreamer's `videotestsrc`.
pub(in crate::config) const PATTERNS: &[&str] = &[
    "smpte",
    "snow",
    "black",
    "white",
    "red",
    "green",
    "blue",
    "checkers-1",
    "checkers-2",
    "checkers-4",
    "checkers-8",
    "circular",
    "blink",
    "smpte75",
    "zone-plate",
    "gamut",
    "chroma-zone-plate",
    "solid-color",
    "ball",
    "smpte100",
    "bar",
    "pinwheel",
    "spokes",
    "gradient",
    "colors",
];

/// The longest e-mail address, in characters (RFC 5321 §4.5.3.1.3, erratum 1690).
const EMAIL_MAX: usize = 254;

/// The port of direct TLS (XEP-0368, as the ConnectyCube cloud uses it).
const CHAT_TLS_PORT: u16 = 5223;

pub(super) fn device_name(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 32 of `a-z 0-9 _ -`, for it is part of every topic".into())
    }
}

/// Loosely: whether the address exists is for the hub to say, which has to know it anyway.
pub(super) fn email(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > EMAIL_MAX {
        return Err(format!(
            "has up to {EMAIL_MAX} characters (RFC 5321), this has {length}"
        ));
    }
    let is_clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    match text.rsplit_once('@') {
        Some((name, host)) if is_clean && !name.is_empty() && !host.is_empty() => {
            Ok(text.to_owned())
        }
        _ => Err("must be name@host without white space".into()),
    }
}

pub(super) fn topic_base(text: &str) -> Result<String, String> {
    let level = |level: &str| {
        !level.is_empty()
            && level
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    if text.len() <= 64 && text.split('/').all(level) {
        Ok(text.to_owned())
    } else {
        Err(
            "must be topic levels of `A-Z a-z 0-9 _ -`, 1 to 64 characters, no slash at the \
             ends"
                .into(),
        )
    }
}

/// A host name or address without scheme and port.
pub(super) fn host(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Err("must be a host name or address without `scheme://`".into());
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let name = text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if name {
        Ok(text.to_owned())
    } else {
        Err("must be a host name or an IP address, without port".into())
    }
}

/// An https URL, or http on loopback.
pub(super) fn api(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if on_loopback(&url) => Ok(url),
        "http" => Err("http is only allowed to this machine; use https".into()),
        other => Err(format!("must be https, not {other}")),
    }
}

pub(super) fn chat(text: &str) -> Result<ChatEndpoint, String> {
    let url = url(text)?;
    match url.scheme() {
        "tls" => {
            if !matches!(url.path(), "" | "/") {
                return Err("tls://host:port has no path".into());
            }
            Ok(ChatEndpoint::Tls {
                host: host_of(&url),
                port: url.port().unwrap_or(CHAT_TLS_PORT),
            })
        }
        "wss" => Ok(ChatEndpoint::WebSocket(url)),
        "ws" if on_loopback(&url) => Ok(ChatEndpoint::WebSocket(url)),
        "ws" => Err("ws is only allowed to this machine; use wss".into()),
        other => Err(format!("must be tls, wss or ws, not {other}")),
    }
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("is a URL without host".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain `?` or `#`".into());
    }
    Ok(url)
}

/// The host without the brackets of an IPv6 address.
pub(super) fn host_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

fn on_loopback(url: &Url) -> bool {
    is_loopback(&host_of(url))
}

pub(super) fn video_source(text: &str) -> Result<VideoSource, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("none", "") => Ok(VideoSource::None),
        ("test", pattern) => {
            let pattern = if pattern.is_empty() { "smpte" } else { pattern };
            if !PATTERNS.contains(&pattern) {
                return Err(suggest::unknown("test pattern", pattern, PATTERNS));
            }
            Ok(VideoSource::Test {
                pattern: pattern.to_owned(),
            })
        }
        ("v4l2", node) if node.starts_with("/dev/") => Ok(VideoSource::V4l2(node.into())),
        ("v4l2", _) => Err("must name a device node: `v4l2:/dev/video0`".into()),
        ("rtsp" | "rtsps", _) => rtsp_url(text).map(VideoSource::Rtsp),
        ("file", path) if !path.is_empty() => Ok(VideoSource::File(path.into())),
        ("file", _) => Err("must name a film: `file:/path/film.mp4`".into()),
        ("screen", display) => optional_name(display).map(VideoSource::Screen),
        ("libcamera", name) => optional_name(name).map(VideoSource::Libcamera),
        _ => Err(source_rule(text, SOURCES)),
    }
}

impl std::str::FromStr for VideoSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        video_source(text)
    }
}

const SOURCES: &str = "`test`, `test:PATTERN`, `v4l2:/dev/videoN`, `libcamera`, `libcamera:NAME`, \
     `rtsp://HOST/PATH`, `rtsps://HOST/PATH`, `file:PATH`, `screen`, `screen:DISPLAY` or `none`";

/// Whom a camera of the network lets in; HTTP's basic authentication ends the name at a colon.
pub(super) fn camera_user(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=64 if !text.contains(|c: char| c.is_control() || c == ':') => Ok(text.to_owned()),
        _ => Err("must be 1 to 64 characters without colons".to_owned()),
    }
}

/// A camera of the network. Its address is shown in the state and in logs, so that no secret may be
/// in it; unlike other URLs it often has a query, which tells the camera's channels apart.
fn rtsp_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("is a URL without host".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not contain a user or password: use `rtsp_username` and `rtsp_password_file`"
                .into(),
        );
    }
    if url.fragment().is_some() {
        return Err("must not contain `#`".into());
    }
    let rest = text.split(['/', '?', '&', ';']);
    let secret = rest
        .filter_map(|part| part.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, _)| key)
        .find(|key| {
            let key = key.to_ascii_lowercase();
            ["pass", "pwd", "token", "secret"]
                .iter()
                .any(|word| key.contains(word))
        });
    match secret {
        Some(key) => Err(format!(
            "must not contain `{key}`, for addresses are shown in states and logs: use \
             `rtsp_username` and `rtsp_password_file`"
        )),
        None => Ok(url),
    }
}

/// It becomes an element's property.
fn optional_name(name: &str) -> Result<Option<String>, String> {
    match name.chars().count() {
        0 => Ok(None),
        1..=256 if !name.chars().any(char::is_control) => Ok(Some(name.to_owned())),
        _ => Err("must have a name of 1 to 256 characters".into()),
    }
}

pub(super) fn audio_source(text: &str) -> Result<AudioSource, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("none", "") => Ok(AudioSource::None),
        ("test", "") => Ok(AudioSource::Test),
        ("test", "tone") => Ok(AudioSource::TestTone),
        ("alsa", name) => alsa(name).map(AudioSource::Alsa),
        _ => Err(source_rule(
            text,
            "`test`, `test:tone`, `alsa:NAME` or `none`",
        )),
    }
}

pub(super) fn audio_sink(text: &str) -> Result<AudioSink, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("null", "") => Ok(AudioSink::Null),
        ("alsa", name) => alsa(name).map(AudioSink::Alsa),
        _ => Err(source_rule(text, "`null` or `alsa:NAME`")),
    }
}

fn source_rule(text: &str, wanted: &str) -> String {
    let text: String = text.chars().take(64).collect();
    format!("`{text}` is not known; must be {wanted}")
}

/// An ALSA PCM name. It becomes an element's property, never part of a pipeline description,
/// but control characters have no business in it either way.
fn alsa(name: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&name.len()) && name.chars().all(|c| !c.is_control());
    if fits {
        Ok(name.to_owned())
    } else {
        Err("must name an ALSA PCM: `alsa:default`".into())
    }
}

/// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or
/// `turns:host[:port][?transport=tcp]` (RFC 7064, RFC 7065).
pub(super) fn ice_url(text: &str) -> Result<String, String> {
    let rule = || {
        format!(
            "`{}` is not known; must be `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` \
             or `turns:host[:port]`",
            text.chars().take(64).collect::<String>()
        )
    };
    let (scheme, rest) = text.split_once(':').ok_or_else(rule)?;
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    match (scheme, query) {
        ("stun", None)
        | ("turn", None | Some("transport=udp" | "transport=tcp"))
        | ("turns", None | Some("transport=tcp")) => {}
        _ => return Err(rule()),
    }
    // The url crate knows hosts and ports, including bracketed IPv6, but only behind slashes.
    let probe = Url::parse(&format!("turn://{authority}")).map_err(|_| rule())?;
    let plain = probe.username().is_empty()
        && probe.password().is_none()
        && probe.path().is_empty()
        && probe.host_str().is_some_and(|host| !host.is_empty());
    if plain {
        Ok(text.to_owned())
    } else {
        Err(rule())
    }
}
