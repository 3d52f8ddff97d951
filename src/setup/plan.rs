//! The answers as files: a configuration with a word on every line, and each secret alone.

use std::fmt::Write;

use serde_json::json;

use super::flow::Admission;
use crate::base::loopback::is_loopback;
use crate::config::Secret;

/// The longest device name.
const NAME_MOST: usize = 32;
/// What a device is called whose login has nothing of a name.
const NAME: &str = "device";

/// The broker, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// 1883 on this machine, else 8883, unless given.
    pub port: Option<u16>,
    /// The device's user there.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
}

impl Broker {
    /// Whether it is on this machine, where nothing is encrypted.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The port in force.
    pub fn port(&self) -> u16 {
        self.port
            .unwrap_or(if self.is_local() { 1883 } else { 8883 })
    }
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The device's name, if it is to be another than its login.
    pub name: Option<String>,
    /// The account.
    pub admission: Admission,
    /// `[camera] source`.
    pub camera: String,
    /// `[audio] source`.
    pub microphone: String,
    /// `[audio] sink`.
    pub speaker: String,
    /// `[calls] ring`.
    pub ring: Vec<String>,
    /// `[mqtt]`.
    pub broker: Option<Broker>,
}

/// A file to be written beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its name, without folder.
    pub name: String,
    /// What is in it.
    pub text: Secret,
    /// Whether only the daemon may read it.
    pub is_secret: bool,
}

impl Plan {
    /// The device's name: the login, as far as topics can carry it.
    pub fn device(&self) -> String {
        let wanted = self.name.as_deref().unwrap_or(&self.admission.login);
        let name: String = wanted
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .take(NAME_MOST)
            .collect();
        let name = name.trim_matches('-');
        if name.is_empty() {
            NAME.to_owned()
        } else {
            name.to_owned()
        }
    }

    /// The files of a configuration called `stem.toml`: itself last, for it is whole only with the
    /// others.
    pub fn drafts(&self, stem: &str) -> Vec<Draft> {
        let admission = &self.admission;
        let mut drafts = vec![
            secret(stem, "hub-auth-key", &admission.auth_key),
            secret(stem, "hub-password", &admission.password),
        ];
        if let Some(ca) = &admission.ca {
            drafts.push(Draft {
                name: format!("{stem}-hub-ca.pem"),
                text: Secret::new(ca),
                is_secret: false,
            });
        }
        if let Some(password) = self
            .broker
            .as_ref()
            .and_then(|broker| broker.password.as_ref())
        {
            drafts.push(secret(stem, "mqtt-password", password));
        }
        drafts.push(Draft {
            name: format!("{stem}.toml"),
            text: Secret::new(self.configuration(stem)),
            is_secret: false,
        });
        drafts
    }

    fn configuration(&self, stem: &str) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_hub(&mut page, stem);
        let _ = self.write_devices(&mut page);
        let _ = self.write_broker(&mut page, stem);
        page
    }

    fn write_hub(&self, page: &mut String, stem: &str) -> std::fmt::Result {
        let admission = &self.admission;
        writeln!(
            page,
            "# Written by `cubelet setup`. Change what you like, then `cubelet doctor`.\n\
             # Every key with its range and default: docs/reference/config.md. Paths are relative to \
             this folder.\n\n\
             version = 1\n\n\
             [device]\n\
             # The device's name in every MQTT topic.\n\
             name = {}\n\n\
             [hub]\n\
             # The server, and the account on it.\n\
             api = {}\n\
             chat = {}",
            quoted(&self.device()),
            quoted(admission.api.trim_end_matches('/')),
            quoted(&admission.chat),
        )?;
        if let Some(host) = &admission.chat_host {
            writeln!(
                page,
                "# The domain of chat addresses.\nchat_host = {}",
                quoted(host)
            )?;
        }
        if admission.ca.is_some() {
            writeln!(
                page,
                "# The hub's own authority: no other certificate of the hub is accepted.\n\
                 ca = {}",
                quoted(&format!("{stem}-hub-ca.pem"))
            )?;
        }
        writeln!(
            page,
            "app_id = {}\n\
             # Keys and passwords are alone in files that only the daemon can read.\n\
             auth_key_file = {}\n\
             login = {}\n\
             password_file = {}\n",
            admission.app_id,
            quoted(&format!("{stem}-hub-auth-key")),
            quoted(&admission.login),
            quoted(&format!("{stem}-hub-password")),
        )
    }

    fn write_devices(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "[camera]\n\
             # As `cubelet devices` names it; \"none\" for no camera.\n\
             source = {}\n\n\
             [audio]\n\
             # Microphone and loudspeaker, as `cubelet devices` names them.\n\
             source = {}\n\
             sink = {}\n\n\
             [calls]\n\
             # Whom the bell rings: logins or user numbers, all at once; first answer wins.\n\
             ring = [{}]\n",
            quoted(&self.camera),
            quoted(&self.microphone),
            quoted(&self.speaker),
            self.ring
                .iter()
                .map(|who| party(who))
                .collect::<Vec<_>>()
                .join(", "),
        )
    }

    fn write_broker(&self, page: &mut String, stem: &str) -> std::fmt::Result {
        let Some(broker) = &self.broker else {
            return writeln!(
                page,
                "# Without an MQTT broker there is no local control. With one:\n\
                 # [mqtt]\n\
                 # host = \"localhost\""
            );
        };
        writeln!(
            page,
            "[mqtt]\n\
             # The broker for local control; encrypted unless it is on this machine.\n\
             host = {}",
            quoted(&broker.host)
        )?;
        if let Some(port) = broker.port {
            writeln!(page, "port = {port}")?;
        }
        if let Some(username) = &broker.username {
            writeln!(page, "username = {}", quoted(username))?;
        }
        if broker.password.is_some() {
            writeln!(
                page,
                "password_file = {}",
                quoted(&format!("{stem}-mqtt-password"))
            )?;
        }
        Ok(())
    }
}

fn secret(stem: &str, what: &str, text: &Secret) -> Draft {
    Draft {
        name: format!("{stem}-{what}"),
        text: Secret::new(format!("{}\n", text.expose())),
        is_secret: true,
    }
}

/// A TOML basic string; JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    json!(text.replace('\u{7f}', "")).to_string()
}

/// Users go by number or by login.
fn party(who: &str) -> String {
    match who.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => quoted(who),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            name: None,
            admission: Admission {
                api: "https://hub.lan:8443/".into(),
                chat: "wss://hub.lan:8443/xmpp".into(),
                chat_host: Some("hub.lan".into()),
                ca: Some("PEM".into()),
                app_id: 1,
                auth_key: Secret::new("the-key"),
                login: "front-door".into(),
                user: 7,
                password: Secret::new("the-password"),
            },
            camera: "v4l2:/dev/video0".into(),
            microphone: "alsa:a \"b\" \\c".into(),
            speaker: "null".into(),
            ring: vec!["kitchen".into(), "12".into()],
            broker: Some(Broker {
                host: "localhost".into(),
                port: None,
                username: Some("front-door".into()),
                password: Some(Secret::new("the-broker-password")),
            }),
        }
    }

    #[test]
    fn the_configuration_says_what_was_answered_and_no_secret() {
        let drafts = plan().drafts("kiosk");
        let last = drafts.last().unwrap();
        assert_eq!(last.name, "kiosk.toml");
        let text = last.text.expose();
        for secret in ["the-key", "the-password", "the-broker-password"] {
            assert!(!text.contains(secret), "{text}");
            let file = drafts
                .iter()
                .find(|draft| draft.text.expose() == format!("{secret}\n"));
            assert!(file.unwrap().is_secret);
        }
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["device"]["name"].as_str(), Some("front-door"));
        assert_eq!(read["audio"]["source"].as_str(), Some("alsa:a \"b\" \\c"));
        assert_eq!(read["calls"]["ring"][0].as_str(), Some("kitchen"));
        assert_eq!(read["calls"]["ring"][1].as_integer(), Some(12));
        assert_eq!(read["hub"]["api"].as_str(), Some("https://hub.lan:8443"));
    }

    #[test]
    fn a_login_that_topics_cannot_carry_becomes_a_name_that_they_can() {
        for (login, name) in [
            ("front-door", "front-door"),
            ("Front Door", "front-door"),
            ("tür@haus.example", "t-r-haus-example"),
            ("***", "device"),
        ] {
            let mut plan = plan();
            plan.admission.login = login.into();
            assert_eq!(plan.device(), name);
        }
    }
}
