//! The other end of the control plane: gives commands and hears what devices say. The demo, and
//! whatever drives devices from the same machine, stands on it.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::base::object_id::ObjectId;

/// Messages a slow reader may lag behind.
const BACKLOG: usize = 4096;

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

/// Why a command brought no result.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The broker cannot be reached.
    #[error("no connection to the broker at {0}")]
    NoBroker(String),
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

/// A connection that follows every device below one base topic.
pub struct Remote {
    client: AsyncClient,
    base: String,
    replies: String,
    heard: broadcast::Sender<Heard>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Remote {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// [`RemoteError::NoBroker`] when there is no connection within `limit`.
    pub async fn connect(
        host: &str,
        port: u16,
        base: &str,
        limit: Duration,
    ) -> Result<Self, RemoteError> {
        let id = format!("{base}-remote-{}", ObjectId::generate());
        let mut options = MqttOptions::new(id.clone(), host, port);
        options.set_keep_alive(Duration::from_secs(10));
        options.set_max_packet_size(Some(8 << 20));
        options.set_outgoing_inflight_upper_limit(100);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, mut events) = AsyncClient::new(options, 64);
        let replies = format!("{base}/reply/{id}");
        let unreachable = || RemoteError::NoBroker(format!("{host}:{port}"));
        tokio::time::timeout(limit, subscribed(&client, &mut events, base))
            .await
            .map_err(|_| unreachable())?
            .ok_or_else(unreachable)?;
        let heard = broadcast::Sender::new(BACKLOG);
        let driver = tokio::spawn(follow(events, format!("{base}/"), heard.clone()));
        Ok(Self {
            client,
            base: base.to_owned(),
            replies,
            heard,
            driver,
        })
    }

    /// Everything heard from now on.
    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
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
        let no_answer = || RemoteError::NoAnswer {
            device: device.to_owned(),
            verb: verb.to_owned(),
        };
        let request = ObjectId::generate().to_string();
        let reply_topic = format!("{}/{request}", self.replies);
        let mut heard = self.listen();
        let properties = PublishProperties {
            response_topic: Some(reply_topic.clone()),
            correlation_data: Some(Bytes::from(request.clone())),
            ..PublishProperties::default()
        };
        let topic = format!("{}/{device}/cmd/{verb}", self.base);
        self.client
            .publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                false,
                payload.to_string(),
                properties,
            )
            .await
            .map_err(|_| no_answer())?;
        let wanted = reply_topic[self.base.len() + 1..].to_owned();
        let reply = tokio::time::timeout(limit, async {
            loop {
                match heard.recv().await {
                    Ok(message) if message.topic == wanted => return Some(message.json()),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .await
        .ok()
        .flatten()
        .ok_or_else(no_answer)?;
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
            verb: verb.to_owned(),
            code: text("code"),
            message: text("message"),
        })
    }
}

async fn subscribed(client: &AsyncClient, events: &mut EventLoop, base: &str) -> Option<()> {
    client
        .subscribe(format!("{base}/#"), QoS::AtLeastOnce)
        .await
        .ok()?;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::SubAck(_))) => return Some(()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

async fn follow(mut events: EventLoop, prefix: String, heard: broadcast::Sender<Heard>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let topic = String::from_utf8_lossy(&publish.topic);
                if let Some(topic) = topic.strip_prefix(&prefix) {
                    let at = std::time::Instant::now();
                    let message = Heard {
                        topic: topic.to_owned(),
                        payload: publish.payload,
                        at,
                    };
                    // No listener at the moment is fine.
                    let _ = heard.send(message);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the remote lost the broker");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}
