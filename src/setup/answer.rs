//! Texts that somebody typed, read.

use url::Url;

/// Where a hub listens unless its configuration says otherwise.
const HUB_PORT: u16 = 8443;

/// The WebSocket of a hub, on the port of its API.
pub(super) fn beside(hub: &Url) -> String {
    format!(
        "wss://{}/xmpp",
        &hub[url::Position::BeforeHost..url::Position::AfterPort]
    )
}

/// `https://host[:port]`, or a host with or without a port, which is the hub's own then.
pub(super) fn hub_address(text: &str) -> Result<Url, String> {
    let rule = "the hub's address is https://HOST:PORT, or HOST";
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let mut url = Url::parse(&whole).map_err(|error| format!("{rule}: {error}"))?;
    let is_plain = url.scheme() == "https"
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.username().is_empty()
        && url.host_str().is_some_and(|host| !host.is_empty());
    if !is_plain {
        return Err(rule.into());
    }
    if !text.contains("://") && url.port().is_none() {
        url.set_port(Some(HUB_PORT)).map_err(|()| rule.to_owned())?;
    }
    Ok(url)
}

/// One of the words, or a device of a kind.
pub(super) fn check_source(text: &str, words: &[&str], kind: &str) -> Result<(), String> {
    let is_word = words.contains(&text.split(':').next().unwrap_or(text));
    let is_named = text.len() > kind.len() && text.starts_with(kind);
    if (is_word || is_named) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!(
        "it is {kind}… or {}; `cubelet devices` lists what there is",
        words.join(" or ")
    ))
}

/// `none`, or a place.
pub(super) fn check_broker(text: &str) -> Result<(), String> {
    let is_one = text == "none" || host_and_port(text).is_some();
    is_one
        .then_some(())
        .ok_or_else(|| "a broker is HOST or HOST:PORT, or \"none\"".into())
}

/// `HOST` or `HOST:PORT`, with brackets around an IPv6 address if there is a port.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let url = Url::parse(&format!("mqtt://{text}")).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_plain.then(|| (host.to_owned(), url.port()))
}
