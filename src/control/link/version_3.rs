//! MQTT 3.1.1, for brokers that know no later one. It has no response topics, no correlation, no
//! user properties and no expiry of messages or sessions: replies go to the device's own reply
//! topics, requesters are named by topic alone, and what was ordered during a cut is lost, because
//! a session the broker keeps for good would open the door hours later.

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Outgoing, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::mpsc;

use super::{
    CLIENT_IN_FLIGHT, CONNECT_TIMEOUT_S, KEEP_ALIVE, LinkEvent, PACKET_MAX, REFUSED, WILL,
    credentials, ending_of, host, pass_on, transport,
};
use crate::base::tls::TlsError;
use crate::config::Mqtt;
use crate::control::intake::Arrival;
use crate::control::message::Message;
use crate::control::version_choice::Ending;
use crate::engine::event::unix_ms;

/// The largest packet of the protocol, in bytes; the broker tells no limit of its own.
const PROTOCOL_MAX: usize = 268_435_455;

pub(super) fn options(
    mqtt: &Mqtt,
    client_id: String,
    will: String,
) -> Result<MqttOptions, TlsError> {
    let mut options = MqttOptions::new(client_id, host(mqtt), mqtt.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_inflight(CLIENT_IN_FLIGHT)
        .set_max_packet_size(PACKET_MAX as usize, PROTOCOL_MAX)
        .set_last_will(LastWill::new(will, WILL, QoS::AtLeastOnce, true));
    if let Some((username, password)) = credentials(mqtt) {
        options.set_credentials(username, password);
    }
    if let Some(transport) = transport(mqtt)? {
        options.set_transport(transport);
    }
    Ok(options)
}

pub(super) fn subscribe(client: &AsyncClient, filters: Vec<String>) -> bool {
    let filters = filters
        .into_iter()
        .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
    client.try_subscribe_many(filters).is_ok()
}

pub(super) fn publish(client: &AsyncClient, message: &Message) -> bool {
    let (topic, payload) = (message.topic.clone(), message.payload.clone());
    client
        .try_publish(topic, QoS::AtLeastOnce, message.retain, payload)
        .is_ok()
}

pub(super) async fn drive(mut driver: EventLoop, events: mpsc::Sender<LinkEvent>) {
    let mut is_accepted = false;
    loop {
        let event = match driver.poll().await {
            Ok(event) => translate(event),
            Err(error) if !is_accepted => {
                let ending = match &error {
                    ConnectionError::Io(network) => ending_of(network),
                    _ => Ending::Other,
                };
                Some(LinkEvent::NotAccepted(reason(&error), ending))
            }
            Err(error) => Some(LinkEvent::Failed(reason(&error))),
        };
        is_accepted |= matches!(event, Some(LinkEvent::Connected { .. }));
        if !pass_on(event, &events).await {
            return;
        }
    }
}

fn translate(event: Event) -> Option<LinkEvent> {
    Some(match event {
        Event::Incoming(Packet::ConnAck(_)) => LinkEvent::Connected {
            receive_max: None,
            packet_max: None,
        },
        Event::Incoming(Packet::SubAck(ack)) => LinkEvent::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| matches!(code, SubscribeReasonCode::Success(_)))
                .collect(),
        ),
        Event::Incoming(Packet::Publish(publish)) => LinkEvent::Arrived(Arrival {
            topic: publish.topic,
            payload: publish.payload,
            retained: publish.retain,
            unix_ms: unix_ms(),
            ..Arrival::default()
        }),
        Event::Incoming(Packet::PubAck(ack)) => LinkEvent::Acknowledged(ack.pkid, None),
        Event::Outgoing(Outgoing::Publish(packet)) => LinkEvent::Numbered(packet),
        Event::Outgoing(Outgoing::Disconnect) => LinkEvent::Disconnected,
        _ => return None,
    })
}

fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => REFUSED.into(),
        ConnectionError::NetworkTimeout => format!("no answer within {CONNECT_TIMEOUT_S} s"),
        other => other.to_string(),
    }
}
