//! The other end of the control plane: gives commands and hears what devices say. `cubelet ctl`,
//! the demo, and whatever drives devices from elsewhere, stand on it.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::link::{REQUESTER, broker_options, reason};
use crate::base::object_id::ObjectId;
use crate::config::Mqtt;

/// Messages a slow reader may lag behind.
const BACKLOG: usize = 4096;
/// Bytes of a packet: snapshots and long lists come whole.
const PACKET_MAX: u32 = 8 << 20;
/// Time for the broker to answer us; a LAN takes milliseconds.
const BROKER_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries after the broker went away.
const RECONNECT: Duration = Duration::from_millis(500);

/// Something a device said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The topic below the base, such as `door/event/call/ringing`.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// When it arrived.
    pub at: std::time::Instant,
}

impl Heard {
    /// The payload as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }
}

/// How the connection to the broker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whether it is there, with the subscriptions.
    pub is_up: bool,
    /// How often it was lost.
    pub losses: u64,
}

/// Why a command brought no result.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The broker cannot be reached or does not let us in.
    #[error("no connection to the broker at {address}: {reason}")]
    NoBroker {
        /// Host and port.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection was lost while waiting.
    #[error("the broker went away")]
    Lost,
    /// Nobody answered in time.
    #[error("{device} did not answer {verb} in time")]
    NoAnswer {
        /// The device.
        device: String,
        /// The command.
        verb: String,
    },
    /// The device refused.
    #[error("{device} refused {verb}: {message} ({code})")]
    Refused {
        /// The device.
        device: String,
        /// The command.
        verb: String,
        /// The error's code.
        code: String,
        /// The error's text.
        message: String,
    },
}

/// A connection to the broker that devices are commanded through.
pub struct Remote {
    client: AsyncClient,
    base: String,
    replies: String,
    name: Option<String>,
    heard: broadcast::Sender<Heard>,
    connection: watch::Receiver<Connection>,
    _driver: AbortOnDropHandle<()>,
}

impl Remote {
    /// Connects and subscribes to `filters`, which are below the base, such as `door/#`. The
    /// receiver hears everything from the subscription on, so also what is retained.
    ///
    /// # Errors
    /// [`RemoteError::NoBroker`].
    pub async fn connect(
        mqtt: &Mqtt,
        filters: &[String],
    ) -> Result<(Self, broadcast::Receiver<Heard>), RemoteError> {
        let id = format!(
            "{}-remote-{}",
            mqtt.base.replace('/', "-"),
            ObjectId::generate()
        );
        let no_broker = |reason: String| RemoteError::NoBroker {
            address: format!("{}:{}", mqtt.host, mqtt.port),
            reason,
        };
        let mut options =
            broker_options(mqtt, id.clone()).map_err(|error| no_broker(error.to_string()))?;
        options.set_max_packet_size(Some(PACKET_MAX));
        let (client, mut events) = AsyncClient::new(options, 64);
        let replies = format!("{}/reply/{id}", mqtt.base);
        let mut topics: Vec<String> = filters
            .iter()
            .map(|filter| format!("{}/{filter}", mqtt.base))
            .collect();
        topics.push(format!("{replies}/#"));
        tokio::time::timeout(BROKER_LIMIT, subscribed(&client, &mut events, &topics))
            .await
            .map_err(|_| no_broker(format!("no answer within {} s", BROKER_LIMIT.as_secs())))?
            .map_err(no_broker)?;
        let (heard, from_start) = broadcast::channel(BACKLOG);
        let prefix = format!("{}/", mqtt.base);
        let (connected, connection) = watch::channel(Connection {
            is_up: true,
            losses: 0,
        });
        let driver = tokio::spawn(follow(
            client.clone(),
            events,
            topics,
            Told {
                prefix,
                heard: heard.clone(),
                connected,
            },
        ));
        let remote = Self {
            client,
            base: mqtt.base.clone(),
            replies,
            name: None,
            heard,
            connection,
            _driver: AbortOnDropHandle::new(driver),
        };
        Ok((remote, from_start))
    }

    /// Orders under a name from now on. Without one each order has a reply topic of its own and
    /// with it a requester, whose orders devices carry out beside those of the others; under one
    /// name they keep their order, whichever connection they come by.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Everything heard from now on.
    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// How the connection stands. One that is lost is tried for again and again; what the broker
    /// still keeps is heard anew after each return.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// Waits until all that the broker had for us when this was called has been heard, such as
    /// the retained messages after subscribing: it sends to one client in order.
    ///
    /// # Errors
    /// [`RemoteError::Lost`].
    pub async fn settle(&self) -> Result<(), RemoteError> {
        let topic = format!("{}/{}", self.replies, ObjectId::generate());
        let mut heard = self.listen();
        let echo = async {
            self.client
                .publish(topic.clone(), QoS::AtLeastOnce, false, Bytes::new())
                .await
                .map_err(|_| RemoteError::Lost)?;
            next_on(&mut heard, &topic[self.base.len() + 1..]).await
        };
        tokio::time::timeout(BROKER_LIMIT, echo)
            .await
            .map_err(|_| RemoteError::Lost)?
            .map(drop)
    }

    /// Gives a command and waits for its reply.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn command(
        &self,
        device: &str,
        verb: &str,
        payload: &Value,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        let topic = format!("cmd/{verb}");
        self.order(device, &topic, verb, payload, limit).await
    }

    /// Says how a part is to be from now on, and waits for the reply.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn set(
        &self,
        device: &str,
        part: &str,
        payload: &Value,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        let topic = format!("{part}/set");
        self.order(device, &topic, &topic, payload, limit).await
    }

    /// `name` is what errors call it.
    async fn order(
        &self,
        device: &str,
        topic: &str,
        name: &str,
        payload: &Value,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        let request = ObjectId::generate().to_string();
        let reply_topic = format!("{}/{request}", self.replies);
        let mut heard = self.listen();
        let properties = PublishProperties {
            response_topic: Some(reply_topic.clone()),
            correlation_data: Some(Bytes::from(request)),
            user_properties: self
                .name
                .iter()
                .map(|name| (REQUESTER.to_owned(), name.clone()))
                .collect(),
            ..PublishProperties::default()
        };
        let topic = format!("{}/{device}/{topic}", self.base);
        let answered = async {
            self.client
                .publish_with_properties(
                    topic,
                    QoS::AtLeastOnce,
                    false,
                    payload.to_string(),
                    properties,
                )
                .await
                .map_err(|_| RemoteError::Lost)?;
            next_on(&mut heard, &reply_topic[self.base.len() + 1..]).await
        };
        let reply = match tokio::time::timeout(limit, answered).await {
            Ok(reply) => reply?.json(),
            Err(_) => {
                return Err(RemoteError::NoAnswer {
                    device: device.to_owned(),
                    verb: name.to_owned(),
                });
            }
        };
        if reply["ok"] == true {
            return Ok(reply);
        }
        let text = |name: &str| {
            reply["error"][name]
                .as_str()
                .unwrap_or("unknown")
                .to_owned()
        };
        Err(RemoteError::Refused {
            device: device.to_owned(),
            verb: name.to_owned(),
            code: text("code"),
            message: text("message"),
        })
    }
}

async fn next_on(
    heard: &mut broadcast::Receiver<Heard>,
    topic: &str,
) -> Result<Heard, RemoteError> {
    loop {
        match heard.recv().await {
            Ok(message) if message.topic == topic => return Ok(message),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Err(RemoteError::Lost),
        }
    }
}

fn filters(topics: &[String]) -> Vec<Filter> {
    let filter = |topic: &String| Filter::new(topic.clone(), QoS::AtLeastOnce);
    topics.iter().map(filter).collect()
}

async fn subscribed(
    client: &AsyncClient,
    events: &mut EventLoop,
    topics: &[String],
) -> Result<(), String> {
    client
        .subscribe_many(filters(topics))
        .await
        .map_err(|error| error.to_string())?;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let refused = ack
                    .return_codes
                    .iter()
                    .position(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                return match refused.and_then(|place| topics.get(place)) {
                    Some(topic) => Err(format!("it does not let this user hear {topic}")),
                    None => Ok(()),
                };
            }
            Ok(_) => {}
            Err(error) => return Err(reason(&error)),
        }
    }
}

/// Whom what happens on the connection is told.
struct Told {
    /// What topics begin with.
    prefix: String,
    heard: broadcast::Sender<Heard>,
    connected: watch::Sender<Connection>,
}

async fn follow(client: AsyncClient, mut events: EventLoop, topics: Vec<String>, told: Told) {
    let mut is_lost = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let topic = String::from_utf8_lossy(&publish.topic);
                if let Some(topic) = topic.strip_prefix(&told.prefix) {
                    let at = std::time::Instant::now();
                    let message = Heard {
                        topic: topic.to_owned(),
                        payload: publish.payload,
                        at,
                    };
                    // No listener at the moment is fine.
                    let _ = told.heard.send(message);
                }
            }
            // A broker that came back knows nothing of our subscriptions.
            Ok(Event::Incoming(Packet::ConnAck(_))) if is_lost => {
                is_lost = false;
                if client.try_subscribe_many(filters(&topics)).is_err() {
                    tracing::warn!("the remote could not subscribe again");
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                told.connected
                    .send_if_modified(|connection| !std::mem::replace(&mut connection.is_up, true));
            }
            Ok(_) => {}
            Err(error) => {
                told.connected.send_if_modified(|connection| {
                    let was_up = std::mem::replace(&mut connection.is_up, false);
                    connection.losses += u64::from(was_up);
                    was_up
                });
                if !is_lost {
                    tracing::warn!(reason = reason(&error), "the broker is lost; trying again");
                }
                is_lost = true;
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }
}
