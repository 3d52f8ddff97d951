//! One connection to the broker, from connecting to its end. The client's loop runs in a task of
//! its own, because a poll that is cancelled half-way may lose what it was doing; the two sides
//! talk through bounded channels, and this side never waits for that one.

use std::net::Ipv6Addr;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties,
    RetainForwardRule, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::intake::Arrival;
use super::message::{Content, Message};
use super::outbox::WINDOW_MAX;
use super::payload::PAYLOAD_MAX;
use super::topics::Topics;
use crate::base::tls::{self, TlsError};
use crate::config::Mqtt;

/// A dead connection is noticed after at most two of these; the broker publishes the last will
/// after one and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// For TCP, TLS and the broker's answer together.
const CONNECT_TIMEOUT_S: u64 = 5;
/// How long the broker keeps commands for a device that lost its connection. Long enough for a
/// restart of the broker or a change of Wi-Fi; short, because a door should not open for
/// somebody who has long left.
const SESSION_EXPIRY_S: u32 = 30;
/// A packet somewhat larger than the largest payload is taken, to be refused with a reply.
const PACKET_MAX: u32 = 2 * PAYLOAD_MAX as u32;
/// The client's table of unacknowledged publishes: above our window, below its 65,535 (14 MB).
const CLIENT_IN_FLIGHT: u16 = 100;

/// What happens on a connection, in order.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// The broker has accepted us, with these limits.
    Connected {
        receive_max: Option<u16>,
        packet_max: Option<u32>,
    },
    /// The broker has answered the subscription: which of the filters it lets us hear, in order.
    Subscribed(Vec<bool>),
    /// A message for us.
    Arrived(Arrival),
    /// The oldest publish not yet numbered got this packet id.
    Numbered(u16),
    /// A publish is acknowledged; with a reason if the broker did not take it.
    Acknowledged(u16, Option<String>),
    /// Our DISCONNECT is out: a clean end.
    Disconnected,
    /// The connection has failed.
    Failed(String),
}

/// A connection. Dropping it closes the socket without a farewell.
#[derive(Debug)]
pub(super) struct Link {
    client: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    /// Starts connecting. `resume` asks the broker for the commands that came while we were
    /// away; a fresh process does not want those of the one before it.
    ///
    /// # Errors
    /// When the CA file has become unreadable.
    pub(super) fn open(
        mqtt: &Mqtt,
        device: &str,
        topics: &Topics,
        resume: bool,
    ) -> Result<Self, TlsError> {
        let options = options(mqtt, device, topics, resume)?;
        // Room for the whole window, the subscription and the farewell, so that nothing handed
        // over ever finds the channel full.
        let (client, driver) = AsyncClient::new(options, WINDOW_MAX + 8);
        let (sender, events) = mpsc::channel(WINDOW_MAX);
        let task = tokio::spawn(drive(driver, sender));
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

    /// Asks for the device's commands and what else it wants to hear, also for retained ones and
    /// their flag: retained commands are refused knowingly rather than taken for fresh. One
    /// request for all, because it uses up a packet id.
    pub(super) fn subscribe(&self, filters: impl IntoIterator<Item = String>) -> bool {
        let filters = filters.into_iter().map(|path| Filter {
            path,
            qos: QoS::AtLeastOnce,
            nolocal: false,
            preserve_retain: true,
            retain_forward_rule: RetainForwardRule::OnEverySubscribe,
        });
        self.client.try_subscribe_many(filters).is_ok()
    }

    /// Hands a message to the client, without waiting.
    pub(super) fn publish(&self, message: &Message) -> bool {
        let (content_type, utf8) = match message.content {
            Content::Json => (Some("application/json"), Some(1)),
            Content::Jpeg => (Some("image/jpeg"), None),
            Content::Text => (None, Some(1)),
        };
        let properties = PublishProperties {
            payload_format_indicator: utf8,
            message_expiry_interval: message.expiry_s,
            correlation_data: message.correlation.clone(),
            content_type: content_type.map(str::to_owned),
            ..PublishProperties::default()
        };
        self.client
            .try_publish_with_properties(
                message.topic.clone(),
                QoS::AtLeastOnce,
                message.retain,
                message.payload.clone(),
                properties,
            )
            .is_ok()
    }

    /// Says farewell; [`LinkEvent::Disconnected`] follows.
    pub(super) fn disconnect(&self) -> bool {
        self.client.try_disconnect().is_ok()
    }
}

fn options(
    mqtt: &Mqtt,
    device: &str,
    topics: &Topics,
    resume: bool,
) -> Result<MqttOptions, TlsError> {
    let client_id = format!("{}-{device}", mqtt.base.replace('/', "-"));
    let mut options = broker_options(mqtt, client_id)?;
    options
        .set_clean_start(!resume)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_max_packet_size(Some(PACKET_MAX))
        .set_last_will(LastWill::new(
            topics.availability(),
            "offline",
            QoS::AtLeastOnce,
            true,
            None,
        ));
    Ok(options)
}

/// How a broker is reached: address, credentials, TLS. The same for the device and for whoever
/// commands it.
///
/// # Errors
/// When the CA file cannot be read.
pub(super) fn broker_options(mqtt: &Mqtt, client_id: String) -> Result<MqttOptions, TlsError> {
    // The client joins host and port with a colon, which an IPv6 address needs brackets for.
    let host = match mqtt.host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => mqtt.host.clone(),
    };
    let mut network = NetworkOptions::new();
    // Without it a request and its reply wait for delayed acknowledgements: 40 ms instead of 1.
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(client_id, host, mqtt.port);
    options
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(CONNECT_TIMEOUT_S)
        .set_outgoing_inflight_upper_limit(CLIENT_IN_FLIGHT);
    if let Some(username) = &mqtt.username {
        let password = mqtt.password.as_ref().map_or("", |secret| secret.expose());
        options.set_credentials(username, password);
    }
    if mqtt.tls {
        let config = tls::client_config(mqtt.ca.as_deref())?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    Ok(options)
}

/// Polls the client until the connection ends. A new connection gets a new client: what the old
/// one held is in our outbox, and the client's own way of resuming loses it.
async fn drive(mut driver: EventLoop, events: mpsc::Sender<LinkEvent>) {
    loop {
        let (event, last) = match driver.poll().await {
            Ok(event) => {
                let event = translate(event);
                let last = matches!(event, Some(LinkEvent::Disconnected));
                (event, last)
            }
            Err(error) => (Some(LinkEvent::Failed(reason(&error))), true),
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
        if last {
            return;
        }
    }
}

fn translate(event: Event) -> Option<LinkEvent> {
    Some(match event {
        Event::Incoming(Packet::ConnAck(ack)) => {
            let limits = ack.properties.as_ref();
            LinkEvent::Connected {
                receive_max: limits.and_then(|limits| limits.receive_max),
                packet_max: limits.and_then(|limits| limits.max_packet_size),
            }
        }
        Event::Incoming(Packet::SubAck(ack)) => LinkEvent::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| matches!(code, SubscribeReasonCode::Success(_)))
                .collect(),
        ),
        Event::Incoming(Packet::Publish(publish)) => LinkEvent::Arrived(arrival(publish)),
        Event::Incoming(Packet::PubAck(ack)) => {
            let refused = !matches!(
                ack.reason,
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers
            );
            LinkEvent::Acknowledged(ack.pkid, refused.then(|| format!("{:?}", ack.reason)))
        }
        Event::Outgoing(Outgoing::Publish(packet)) => LinkEvent::Numbered(packet),
        Event::Outgoing(Outgoing::Disconnect) => LinkEvent::Disconnected,
        _ => return None,
    })
}

fn arrival(publish: Publish) -> Arrival {
    let properties = publish.properties.unwrap_or_default();
    Arrival {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload,
        retained: publish.retain,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data,
    }
}

/// Why a connection failed, in words for people.
pub(super) fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => "the broker refuses the user or password".into(),
        ConnectionError::Timeout(_) => format!("no answer within {CONNECT_TIMEOUT_S} s"),
        other => other.to_string(),
    }
}
