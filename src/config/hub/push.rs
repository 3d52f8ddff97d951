//! `[push]` of `hub.toml`: reaching users who are away.

use std::path::PathBuf;

use serde::Deserialize;

/// Push notifications.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PushRules {
    /// Send notifications by Web Push. Without it the hub connects to no push service, and refuses
    /// events and Web Push subscriptions.
    pub enabled: bool,
    /// Whom push services may turn to when something is wrong with what this hub sends: `mailto:` or
    /// `https:` (RFC 8292). Without it the https address of `files.public_url`, or postmaster at the
    /// chat host. Some services refuse addresses that are no real ones.
    pub subject: Option<String>,
    /// Push services on the site's own network, such as a self-hosted ntfy, as `name` or
    /// `name:port`. Only these may have private addresses and plain HTTP; all others must be public
    /// and https, or users could make the hub ask machines of the site.
    pub local_services: Vec<String>,
    /// Further certificate authorities of push services (PEM), for `local_services` with a
    /// certificate of the site's own. Relative to this file.
    pub ca_file: Option<PathBuf>,
    /// Send a notification of a chat message whose receiver is away (CH-48).
    pub chat_alerts: bool,
    /// Title of such a notification; `{sender}`, `{dialog}` and `{message}` are filled in.
    pub chat_title: String,
    /// Its text, likewise. Leave `{message}` out to tell no more than that there is one.
    pub chat_message: String,
    /// Seconds for which a notification is worth something, if it does not say itself. Calls are
    /// worth a minute.
    pub life_seconds: i64,
    /// Subscriptions of one user; one more ends the oldest.
    pub subscriptions_per_user: u32,
    /// People one event may reach.
    pub event_recipients: usize,
}

impl Default for PushRules {
    fn default() -> Self {
        Self {
            enabled: true,
            subject: None,
            local_services: Vec::new(),
            ca_file: None,
            chat_alerts: true,
            chat_title: "{sender}".to_owned(),
            chat_message: "{message}".to_owned(),
            life_seconds: 24 * 3600,
            subscriptions_per_user: 20,
            event_recipients: 1_000,
        }
    }
}

/// What the templates may name.
const PLACES: &[&str] = &["sender", "dialog", "message"];
/// Characters of a template.
const MAX_TEMPLATE: usize = 200;
/// Push services keep nothing longer (RFC 8030 leaves it to them; four weeks is the common bound).
const MAX_LIFE: i64 = 28 * 24 * 3600;

impl PushRules {
    /// Every broken rule, as sentences naming the field.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(subject) = &self.subject
            && !is_contact(subject)
        {
            faults.push(format!(
                "push.subject: {subject:?} is neither a mailto: nor an https: address"
            ));
        }
        for name in &self.local_services {
            let parsed = url::Url::parse(&format!("http://{name}/"));
            let is_host = parsed.is_ok_and(|url| {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().map(|port| format!(":{port}"));
                // As it is compared: `0x7f.1` and `Ntfy.home` would never match.
                *name == format!("{host}{}", port.unwrap_or_default())
                    || *name == format!("{host}:80")
            });
            if !is_host {
                faults.push(format!(
                    "push.local_services: {name:?} is no host, or none with a port, in small letters"
                ));
            }
        }
        for (field, template) in [
            ("chat_title", &self.chat_title),
            ("chat_message", &self.chat_message),
        ] {
            if template.chars().count() > MAX_TEMPLATE {
                faults.push(format!(
                    "push.{field}: is longer than {MAX_TEMPLATE} characters"
                ));
            }
            for unknown in places(template).filter(|place| !PLACES.contains(place)) {
                faults.push(format!(
                    "push.{field}: {{{unknown}}} is unknown; there are {{{}}}",
                    PLACES.join("}, {")
                ));
            }
        }
        if !(60..=MAX_LIFE).contains(&self.life_seconds) {
            faults.push(format!(
                "push.life_seconds: {} is not within 60 to {MAX_LIFE}",
                self.life_seconds
            ));
        }
        for (field, value) in [
            (
                "subscriptions_per_user",
                u64::from(self.subscriptions_per_user),
            ),
            ("event_recipients", self.event_recipients as u64),
        ] {
            if value < 1 {
                faults.push(format!("push.{field}: {value} is below 1"));
            }
        }
        faults
    }
}

fn is_contact(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else {
        return false;
    };
    match url.scheme() {
        "mailto" => url.path().contains('@'),
        "https" => true,
        _ => false,
    }
}

/// The names in braces.
fn places(template: &str) -> impl Iterator<Item = &str> {
    let pieces = template.split('{').skip(1);
    pieces.filter_map(|piece| Some(piece.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let rules: PushRules = toml::from_str(text).unwrap();
        rules.faults().join("\n")
    }

    #[test]
    fn the_defaults_and_sensible_values_are_no_faults() {
        assert_eq!(faults(""), "");
        let text = "subject = 'mailto:a@example.org'\nchat_title = '{sender} in {dialog}'
                    local_services = ['ntfy.home', '192.168.1.20:8090', '[fd00::1]:80', 'a:80']";
        assert_eq!(faults(text), "");
    }

    #[test]
    fn broken_rules_name_their_field() {
        for (text, field) in [
            ("subject = 'nobody'", "push.subject"),
            ("subject = 'http://a'", "push.subject"),
            ("local_services = ['http://a']", "push.local_services"),
            ("local_services = ['0x7f.1']", "push.local_services"),
            ("local_services = ['a/b']", "push.local_services"),
            ("chat_title = '{who}'", "push.chat_title"),
            ("chat_message = '{text}'", "push.chat_message"),
            ("life_seconds = 5", "push.life_seconds"),
            ("subscriptions_per_user = 0", "push.subscriptions_per_user"),
            ("event_recipients = 0", "push.event_recipients"),
        ] {
            assert!(faults(text).contains(field), "{text}: {}", faults(text));
        }
    }
}
