//! One connection to the broker, from connecting to its end. The client's loop runs in a task of
//! its own, because a poll that is cancelled half-way may lose what it was doing; the two sides
//! talk through bounded channels, and this side never waits for that one.
//!
//! `version_5` and `version_3` are the client of each protocol version.

mod version_3;
mod version_5;

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::intake::Arrival;
use super::message::Message;
use super::outbox::WINDOW_MAX;
use super::payload::PAYLOAD_MAX;
use super::topics::Topics;
use super::version_choice::Ending;
use crate::base::tls::{self, TlsError};
use crate::config::Mqtt;

pub(super) use version_5::{broker_options, reason};

/// A dead connection is noticed after at most two of these; the broker publishes the last will
/// after one and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// For TCP, TLS and the broker's answer together.
const CONNECT_TIMEOUT_S: u64 = 5;
/// A packet somewhat larger than the largest payload is taken, to be refused with a reply.
const PACKET_MAX: u32 = 2 * PAYLOAD_MAX as u32;
/// The user property that names who orders.
pub(super) const REQUESTER: &str = "requester";
/// The client's table of unacknowledged publishes: above our window, below its 65,535 (14 MB).
const CLIENT_IN_FLIGHT: u16 = 100;
/// Room for the whole window, the subscription and the farewell, so that nothing handed over ever
/// finds the channel full.
const CHANNEL: usize = WINDOW_MAX + 8;
/// What the broker publishes when it loses us.
const WILL: &str = "offline";

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1.
    Three,
    /// 5.
    Five,
}

/// What happens on a connection, in order.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// The broker has accepted us, with these limits.
    Connected {
        receive_max: Option<u16>,
        packet_max: Option<u32>,
    },
    /// The broker has answered the subscriptions, in order; on false it does not let us hear
    /// that one.
    Subscribed(Vec<bool>),
    /// A message for us.
    Arrived(Arrival),
    /// The oldest publish not yet numbered got this packet id.
    Numbered(u16),
    /// A publish is acknowledged; with a reason if the broker did not take it.
    Acknowledged(u16, Option<String>),
    /// Our DISCONNECT is out: a clean end.
    Disconnected,
    /// The broker has not accepted us: why, and how that ended.
    NotAccepted(String, Ending),
    /// The connection has failed.
    Failed(String),
}

#[derive(Debug)]
enum Client {
    Three(rumqttc::AsyncClient),
    Five(rumqttc::v5::AsyncClient),
}

/// A connection. Dropping it closes the socket without a farewell.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    events: mpsc::Receiver<LinkEvent>,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    /// Starts connecting. `resume` asks the broker for the commands that came while we were
    /// away; a fresh process does not want those of the one before it. With version 3.1.1 it is
    /// never asked: there the broker would keep them for good.
    ///
    /// # Errors
    /// When the CA file has become unreadable.
    pub(super) fn open(
        mqtt: &Mqtt,
        device: &str,
        topics: &Topics,
        version: Version,
        resume: bool,
    ) -> Result<Self, TlsError> {
        let client_id = format!("{}-{device}", mqtt.base.replace('/', "-"));
        let will = topics.availability();
        let (sender, events) = mpsc::channel(WINDOW_MAX);
        let (client, task) = match version {
            Version::Five => {
                let options = version_5::options(mqtt, client_id, will, resume)?;
                let (client, driver) = rumqttc::v5::AsyncClient::new(options, CHANNEL);
                let task = tokio::spawn(version_5::drive(driver, sender));
                (Client::Five(client), task)
            }
            Version::Three => {
                let options = version_3::options(mqtt, client_id, will)?;
                let (client, mut driver) = rumqttc::AsyncClient::new(options, CHANNEL);
                driver.network_options = network();
                let task = tokio::spawn(version_3::drive(driver, sender));
                (Client::Three(client), task)
            }
        };
        Ok(Self {
            client,
            events,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// The next event. Safe to cancel.
    pub(super) async fn next(&mut self) -> LinkEvent {
        // The task ends without a last event only by a panic in the client.
        let gone = || LinkEvent::Failed("the MQTT client failed".into());
        self.events.recv().await.unwrap_or_else(gone)
    }

    /// The next event if it is there already.
    pub(super) fn ready(&mut self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }

    /// Asks for the device's commands, also for retained ones and their flag: they are refused
    /// knowingly rather than taken for fresh.
    pub(super) fn subscribe(&self, filters: Vec<String>) -> bool {
        match &self.client {
            Client::Five(client) => version_5::subscribe(client, filters),
            Client::Three(client) => version_3::subscribe(client, filters),
        }
    }

    /// Hands a message to the client, without waiting.
    pub(super) fn publish(&self, message: &Message) -> bool {
        match &self.client {
            Client::Five(client) => version_5::publish(client, message),
            Client::Three(client) => version_3::publish(client, message),
        }
    }

    /// Says farewell; [`LinkEvent::Disconnected`] follows.
    pub(super) fn disconnect(&self) -> bool {
        match &self.client {
            Client::Five(client) => client.try_disconnect().is_ok(),
            Client::Three(client) => client.try_disconnect().is_ok(),
        }
    }
}

/// The client joins host and port with a colon, which an IPv6 address needs brackets for.
fn host(mqtt: &Mqtt) -> String {
    match mqtt.host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => mqtt.host.clone(),
    }
}

fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    // Without it a request and its reply wait for delayed acknowledgements: 40 ms instead of 1.
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    network
}

fn transport(mqtt: &Mqtt) -> Result<Option<Transport>, TlsError> {
    if !mqtt.tls {
        return Ok(None);
    }
    let config = tls::client_config(mqtt.ca.as_deref())?;
    let config = TlsConfiguration::Rustls(config);
    Ok(Some(Transport::tls_with_config(config)))
}

fn credentials(mqtt: &Mqtt) -> Option<(&str, &str)> {
    let password = mqtt.password.as_ref().map_or("", |secret| secret.expose());
    mqtt.username
        .as_deref()
        .map(|username| (username, password))
}

/// Passes on what happens until the connection ends. A new connection gets a new client: what the
/// old one held is in our outbox, and the client's own way of resuming loses it.
async fn pass_on(event: Option<LinkEvent>, events: &mpsc::Sender<LinkEvent>) -> bool {
    let Some(event) = event else {
        return true;
    };
    let is_last = matches!(
        event,
        LinkEvent::Disconnected | LinkEvent::NotAccepted(..) | LinkEvent::Failed(_)
    );
    events.send(event).await.is_ok() && !is_last
}

const REFUSED: &str = "the broker refuses the user or password";

/// What a connection ends with before the broker has accepted it, of an error of the network.
fn ending_of(error: &io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Ending::NobodyThere,
        _ => Ending::Other,
    }
}
