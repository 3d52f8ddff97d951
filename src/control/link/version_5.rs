//! MQTT 5.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties,
    RetainForwardRule, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::sync::mpsc;

use super::{
    CLIENT_IN_FLIGHT, CONNECT_TIMEOUT_S, KEEP_ALIVE, LinkEvent, PACKET_MAX, REFUSED, REQUESTER,
    WILL, credentials, ending_of, host, network, pass_on, transport,
};
use crate::base::tls::TlsError;
use crate::config::Mqtt;
use crate::control::intake::Arrival;
use crate::control::message::{Content, Message};
use crate::control::version_choice::Ending;
use crate::engine::event::unix_ms;

/// How long the broker keeps commands for a device that lost its connection. Long enough for a
/// restart of the broker or a change of Wi-Fi; short, because a door should not open for
/// somebody who has long left.
const SESSION_EXPIRY: Duration = Duration::from_secs(30);

pub(super) fn options(
    mqtt: &Mqtt,
    client_id: String,
    will: String,
    resume: bool,
) -> Result<MqttOptions, TlsError> {
    let mut options = broker_options(mqtt, client_id)?;
    options
        .set_clean_start(!resume)
        .set_session_expiry_interval(Some(SESSION_EXPIRY.as_secs() as u32))
        .set_max_packet_size(Some(PACKET_MAX))
        .set_last_will(LastWill::new(will, WILL, QoS::AtLeastOnce, true, None));
    Ok(options)
}

/// How a broker is reached: address, credentials, TLS. The same for the device and for whoever
/// commands it.
///
/// # Errors
/// When the CA file cannot be read.
pub(in crate::control) fn broker_options(
    mqtt: &Mqtt,
    client_id: String,
) -> Result<MqttOptions, TlsError> {
    let mut options = MqttOptions::new(client_id, host(mqtt), mqtt.port);
    options
        .set_network_options(network())
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(CONNECT_TIMEOUT_S)
        .set_outgoing_inflight_upper_limit(CLIENT_IN_FLIGHT);
    if let Some((username, password)) = credentials(mqtt) {
        options.set_credentials(username, password);
    }
    if let Some(transport) = transport(mqtt)? {
        options.set_transport(transport);
    }
    Ok(options)
}

pub(super) fn subscribe(client: &AsyncClient, filters: Vec<String>) -> bool {
    let filters = filters.into_iter().map(|filter| Filter {
        path: filter,
        qos: QoS::AtLeastOnce,
        nolocal: false,
        preserve_retain: true,
        retain_forward_rule: RetainForwardRule::OnEverySubscribe,
    });
    client.try_subscribe_many(filters).is_ok()
}

pub(super) fn publish(client: &AsyncClient, message: &Message) -> bool {
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
    client
        .try_publish_with_properties(
            message.topic.clone(),
            QoS::AtLeastOnce,
            message.retain,
            message.payload.clone(),
            properties,
        )
        .is_ok()
}

pub(super) async fn drive(mut driver: EventLoop, events: mpsc::Sender<LinkEvent>) {
    let mut is_accepted = false;
    loop {
        let event = match driver.poll().await {
            Ok(event) => translate(event),
            Err(error) if !is_accepted => Some(not_accepted(&error)),
            Err(error) => Some(LinkEvent::Failed(reason(&error))),
        };
        is_accepted |= matches!(event, Some(LinkEvent::Connected { .. }));
        if !pass_on(event, &events).await {
            return;
        }
    }
}

/// A broker of 3.1.1 refuses with a code version 5 does not have, or with an answer too short for
/// 5, after which it closes.
fn not_accepted(error: &ConnectionError) -> LinkEvent {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::UnsupportedProtocolVersion
            | ConnectReturnCode::RefusedProtocolVersion,
        )
        | ConnectionError::MqttState(StateError::Deserialization(_)) => {
            let reason = "the broker does not speak MQTT 5";
            LinkEvent::NotAccepted(reason.into(), Ending::Refused)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            let reason = "the broker closed the connection without an answer, as one does that \
                          does not speak MQTT 5";
            LinkEvent::NotAccepted(reason.into(), Ending::Closed)
        }
        ConnectionError::Io(network) => LinkEvent::NotAccepted(reason(error), ending_of(network)),
        other => LinkEvent::NotAccepted(reason(other), Ending::Other),
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
    let requester = properties
        .user_properties
        .into_iter()
        .find(|(name, _)| name == REQUESTER)
        .map(|(_, value)| value);
    Arrival {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload,
        retained: publish.retain,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data,
        requester,
        expiry_s: properties.message_expiry_interval,
        unix_ms: unix_ms(),
    }
}

/// Why a connection failed, in words for people.
pub(in crate::control) fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => REFUSED.into(),
        ConnectionError::Timeout(_) => format!("no answer within {CONNECT_TIMEOUT_S} s"),
        other => other.to_string(),
    }
}
