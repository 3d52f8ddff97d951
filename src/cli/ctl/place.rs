//! Which device, at which broker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use crate::base::loopback::is_loopback;
use crate::config::{self, Surroundings, check_device};
use crate::control::remote::{Connection, Heard, Remote, RemoteError};

/// The daemon's own file; used when nothing else is said and it can be read.
const DEFAULT_CONFIG: &str = "/etc/cubelet/kiosk.toml";
const DEFAULT_BASE: &str = "cubelet";
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// Where the device is found.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// A device's configuration: its broker, its credentials, its name.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The broker, instead of the configuration's.
    #[arg(
        long,
        global = true,
        env = "CUBELET_BROKER",
        value_name = "HOST[:PORT]"
    )]
    broker: Option<String>,

    /// The device; may be left out where the broker knows only one.
    #[arg(
        long,
        short,
        global = true,
        env = "CUBELET_DEVICE",
        value_name = "NAME"
    )]
    device: Option<String>,

    /// The first level of every topic.
    #[arg(long, global = true, env = "CUBELET_BASE", value_name = "TOPIC")]
    base: Option<String>,

    /// The user at the broker.
    #[arg(long, global = true, env = "CUBELET_MQTT_USER", value_name = "USER")]
    username: Option<String>,

    /// A file with that user's password, readable by you alone.
    #[arg(
        long,
        global = true,
        env = "CUBELET_MQTT_PASSWORD_FILE",
        value_name = "FILE"
    )]
    password_file: Option<PathBuf>,

    /// A CA certificate (PEM) to trust besides the public ones.
    #[arg(long, global = true, env = "CUBELET_MQTT_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// No encryption on the way to a broker that is not on this machine.
    #[arg(long, global = true)]
    plaintext: bool,
}

/// Why there is no device to talk to.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The arguments do not say.
    #[error("{0}")]
    Arguments(String),
    /// They say, but it is not there.
    #[error("{0}")]
    Device(String),
}

/// A device at a broker we are connected to.
pub struct Place {
    /// The device's name.
    pub device: String,
    remote: Remote,
}

impl Place {
    /// Finds and connects. The receiver hears all the device says, first what is retained.
    ///
    /// # Errors
    /// [`PlaceError`], or [`RemoteError`] about the broker.
    pub async fn find(arguments: &PlaceArgs) -> anyhow::Result<(Self, broadcast::Receiver<Heard>)> {
        let (mqtt, named) = arguments.broker()?;
        let device = match named {
            Some(device) => device,
            None => only(&known(&mqtt).await?)?,
        };
        let filters = [format!("{device}/#")];
        let (remote, heard) = Remote::connect(&mqtt, &filters).await?;
        remote.settle().await?;
        let remote = remote.named(whose());
        Ok((Self { device, remote }, heard))
    }

    /// How the connection to the broker stands.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.remote.connection()
    }

    /// Waits until all that the broker keeps of the device has been heard.
    ///
    /// # Errors
    /// [`RemoteError::Lost`].
    pub async fn settle(&self) -> Result<(), RemoteError> {
        self.remote.settle().await
    }

    /// Gives a command and waits for its reply.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn command(
        &self,
        verb: &str,
        payload: &Value,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        self.remote
            .command(&self.device, verb, payload, limit)
            .await
    }

    /// Says how a part of the device is to be.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn set(
        &self,
        part: &str,
        payload: &Value,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        self.remote.set(&self.device, part, payload, limit).await
    }

    /// What a message is about: its topic below the device's.
    pub fn below<'a>(&self, heard: &'a Heard) -> Option<&'a str> {
        heard
            .topic
            .strip_prefix(self.device.as_str())?
            .strip_prefix('/')
    }
}

/// Who orders: the same for every `ctl` of one user on one machine, so that what a script orders is
/// carried out in its order, also if it does not wait for the one before. Devices take no name of
/// more than 64 characters.
fn whose() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = format!(
        "{}@{}",
        user.unwrap_or_else(|_| "ctl".to_owned()),
        host.trim()
    );
    let plain = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | '@' => c,
            _ => '-',
        })
        .take(64);
    plain.collect()
}

/// The devices the broker knows, and whether each is online.
///
/// # Errors
/// As [`Place::find`].
pub async fn devices(arguments: &PlaceArgs) -> anyhow::Result<BTreeMap<String, bool>> {
    let (mqtt, _) = arguments.broker()?;
    Ok(known(&mqtt).await?)
}

async fn known(mqtt: &config::Mqtt) -> Result<BTreeMap<String, bool>, RemoteError> {
    let (remote, mut heard) = Remote::connect(mqtt, &["+/availability".to_owned()]).await?;
    remote.settle().await?;
    let mut known = BTreeMap::new();
    while let Ok(message) = heard.try_recv() {
        if let Some(device) = message.topic.strip_suffix("/availability") {
            known.insert(device.to_owned(), message.payload.as_ref() == b"online");
        }
    }
    Ok(known)
}

fn only(known: &BTreeMap<String, bool>) -> Result<String, PlaceError> {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    match names.as_slice() {
        [] => Err(PlaceError::Device(
            "the broker knows no device; is --base right, and has one been connected?".to_owned(),
        )),
        [one] => Ok((*one).to_owned()),
        several => Err(PlaceError::Arguments(format!(
            "the broker knows several devices, so name one with --device: {}",
            several.join(", ")
        ))),
    }
}

impl PlaceArgs {
    /// The broker and, if said anywhere, the device.
    fn broker(&self) -> Result<(config::Mqtt, Option<String>), PlaceError> {
        let wrong = PlaceError::Arguments;
        let (mut mqtt, device) = match (&self.config, &self.broker) {
            (None, Some(broker)) => (at(broker)?, None),
            (file, _) => {
                let default = PathBuf::from(DEFAULT_CONFIG);
                let file = file.as_ref().unwrap_or(&default);
                if self.config.is_none() && !file.exists() {
                    return Err(wrong(
                        "which broker? Say --broker HOST or --config FILE".to_owned(),
                    ));
                }
                let config = check_device(file, &Surroundings::of_process())
                    .outcome
                    .map_err(|errors| wrong(errors.to_string()))?;
                let mqtt = config
                    .mqtt
                    .ok_or_else(|| wrong(format!("{} has no [mqtt] section", file.display())))?;
                (mqtt, Some(config.device.name))
            }
        };
        if let (Some(broker), Some(_)) = (&self.broker, &self.config) {
            let named = at(broker)?;
            (mqtt.host, mqtt.port) = (named.host, named.port);
        }
        if let Some(base) = &self.base {
            mqtt.base = base.trim_matches('/').to_owned();
        }
        if self.username.is_some() {
            mqtt.username.clone_from(&self.username);
        }
        if let Some(file) = &self.password_file {
            let password = config::read_secret(file).map_err(wrong)?;
            mqtt.password = Some(password);
        }
        if self.ca.is_some() {
            mqtt.ca.clone_from(&self.ca);
            mqtt.tls = true;
        }
        if self.plaintext {
            mqtt.tls = false;
        }
        Ok((mqtt, self.device.clone().or(device)))
    }
}

/// A broker by its name alone: encrypted unless it is on this machine.
fn at(broker: &str) -> Result<config::Mqtt, PlaceError> {
    let malformed =
        || PlaceError::Arguments(format!("--broker {broker:?} is not HOST or HOST:PORT"));
    let (host, port) = match broker.rsplit_once(':') {
        // More than one colon is an IPv6 address without a port, unless in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse::<u16>().map_err(|_| malformed())?))
        }
        _ => (broker, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(malformed());
    }
    // A port says by itself whether it is the encrypted one.
    let tls = !is_loopback(host) && port != Some(PORT);
    let port = port.unwrap_or(if tls { TLS_PORT } else { PORT });
    Ok(config::Mqtt::at(host, port, DEFAULT_BASE, tls))
}
