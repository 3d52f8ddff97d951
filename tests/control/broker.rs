//! A Mosquitto of our own on a free port, and a client that looks at it from outside.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Longer than anything here takes; an end for tests that would hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Broker {
    pub port: u16,
    config: tempfile::TempDir,
    child: Option<Child>,
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Broker {
    pub async fn start() -> Self {
        Self::start_with("allow_anonymous true\n").await
    }

    pub async fn start_with(more: &str) -> Self {
        let mut broker = Self::stopped(more);
        broker.launch().await;
        broker
    }

    /// A port on which nobody listens yet. `{dir}` stands for a directory of its own.
    pub fn stopped(more: &str) -> Self {
        let port = free_port();
        let config = tempfile::tempdir().unwrap();
        let text = format!(
            "listener {port} 127.0.0.1\nuser root\nset_tcp_nodelay true\n\
             max_queued_messages 5000\nlog_dest stderr\nlog_type all\n{more}"
        );
        let text = text.replace("{dir}", config.path().to_str().unwrap());
        std::fs::write(config.path().join("mosquitto.conf"), text).unwrap();
        Self {
            port,
            config,
            child: None,
        }
    }

    /// Another file instead.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.config.path().join("mosquitto.conf"), text).unwrap();
    }

    pub fn dir(&self) -> &Path {
        self.config.path()
    }

    /// Starts it and waits until it says that it is running.
    pub async fn launch(&mut self) {
        let mut child = Command::new("mosquitto")
            .arg("-c")
            .arg(self.config.path().join("mosquitto.conf"))
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto is installed (apt install mosquitto)");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("mosquitto ended before it was running");
            if line.ends_with("running") {
                break;
            }
        }
        // The pipe must go on being read, or the broker would block on its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }

    /// Ends it in order, so that with persistence it remembers.
    pub async fn terminate(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .arg(pid)
                .status()
                .await
                .unwrap()
                .success()
        );
        child.wait().await.unwrap();
    }

    /// Kills it; being without persistence, it forgets everything.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }
}

/// A message as a test wants it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    pub correlation: Option<Vec<u8>>,
    pub expiry: Option<u32>,
    pub content_type: Option<String>,
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

impl From<Publish> for Seen {
    fn from(publish: Publish) -> Self {
        let properties = publish.properties.unwrap_or_default();
        Self {
            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
            payload: publish.payload.to_vec(),
            retained: publish.retain,
            correlation: properties.correlation_data.map(|data| data.to_vec()),
            expiry: properties.message_expiry_interval,
            content_type: properties.content_type,
        }
    }
}

/// An MQTT 5 client that subscribes to one filter and keeps its session while it is away.
pub struct Client {
    client: AsyncClient,
    seen: mpsc::UnboundedReceiver<Seen>,
    _task: AbortOnDropHandle<()>,
}

impl Client {
    pub async fn subscribe(broker: &Broker, filter: &str) -> Self {
        Self::subscribe_as(broker, filter, None).await
    }

    /// With a user and password at the broker.
    pub async fn subscribe_as(broker: &Broker, filter: &str, user: Option<(&str, &str)>) -> Self {
        let name = format!("client-{}", uuid::Uuid::new_v4());
        let mut options = MqttOptions::new(name, "127.0.0.1", broker.port);
        options
            .set_max_packet_size(Some(1 << 20))
            .set_clean_start(false)
            .set_session_expiry_interval(Some(300));
        if let Some((user, password)) = user {
            options.set_credentials(user, password);
        }
        let (client, mut driver) = AsyncClient::new(options, 2_000);
        let (seen_tx, seen) = mpsc::unbounded_channel();
        let (subscribed_tx, mut subscribed) = mpsc::unbounded_channel();
        let filter = filter.to_owned();
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            loop {
                match driver.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.try_subscribe(&filter, QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = subscribed_tx.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let _ = seen_tx.send(publish.into());
                    }
                    Ok(_) => {}
                    // The broker is away: its return is not an event a client can wait for.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let client = Self {
            client,
            seen,
            _task: AbortOnDropHandle::new(task),
        };
        tokio::time::timeout(PATIENCE, subscribed.recv())
            .await
            .expect("the subscription stands in time");
        client
    }

    pub async fn next(&mut self) -> Seen {
        self.next_within(PATIENCE).await
    }

    /// The next message, for which it may be necessary to wait longer than elsewhere.
    pub async fn next_within(&mut self, limit: Duration) -> Seen {
        tokio::time::timeout(limit, self.seen.recv())
            .await
            .expect("a message in time")
            .unwrap()
    }

    /// The next message of this topic and text; others are passed over.
    pub async fn until(&mut self, topic: &str, text: &str) -> Seen {
        loop {
            let seen = self.next().await;
            if seen.topic == topic && seen.text() == text {
                return seen;
            }
        }
    }

    /// The next message of this topic; others are passed over.
    pub async fn on(&mut self, topic: &str) -> Seen {
        loop {
            let seen = self.next().await;
            if seen.topic == topic {
                return seen;
            }
        }
    }

    /// What has arrived by the time a message of our own makes the round through the broker.
    pub async fn seen_by_now(&mut self, marker_topic: &str) -> Vec<Seen> {
        let marker = uuid::Uuid::new_v4().to_string();
        self.publish(marker_topic, &marker, false);
        let mut all = Vec::new();
        loop {
            let seen = self.next().await;
            if seen.payload == marker.as_bytes() {
                return all;
            }
            all.push(seen);
        }
    }

    pub fn publish(&self, topic: &str, payload: &str, retain: bool) {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload.to_owned())
            .unwrap();
    }

    pub fn publish_bytes(&self, topic: &str, payload: Vec<u8>) {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .unwrap();
    }

    /// With the user property `requester`.
    pub fn publish_as(&self, requester: &str, topic: &str, payload: &str) {
        let properties = PublishProperties {
            user_properties: vec![("requester".to_owned(), requester.to_owned())],
            ..PublishProperties::default()
        };
        let (topic, payload) = (topic.to_owned(), payload.to_owned());
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .unwrap();
    }

    pub fn request(&self, topic: &str, payload: &str, response_topic: &str, correlation: &[u8]) {
        let properties = PublishProperties {
            response_topic: Some(response_topic.to_owned()),
            correlation_data: Some(correlation.to_vec().into()),
            ..PublishProperties::default()
        };
        self.client
            .try_publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                false,
                payload.to_owned(),
                properties,
            )
            .unwrap();
    }
}

/// A way to the broker that can be cut.
pub struct Gate {
    pub port: u16,
    open: tokio::sync::watch::Sender<bool>,
    /// All there were, and those open now.
    counted: Arc<(AtomicUsize, AtomicUsize)>,
    _task: AbortOnDropHandle<()>,
}

impl Gate {
    pub async fn to(broker: &Broker) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = broker.port;
        let (open, open_rx) = tokio::sync::watch::channel(true);
        let counted = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let count = counted.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let mut open = open_rx.clone();
                let count = count.clone();
                count.0.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if !*open.borrow() {
                        return;
                    }
                    let target = ("127.0.0.1", target);
                    let Ok(mut outer) = tokio::net::TcpStream::connect(target).await else {
                        return;
                    };
                    count.1.fetch_add(1, Ordering::Relaxed);
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = open.wait_for(|open| !open) => {}
                    }
                    count.1.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            port,
            open,
            counted,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How many connections were tried.
    pub fn connections(&self) -> usize {
        self.counted.0.load(Ordering::Relaxed)
    }

    /// How many are open.
    pub fn open_connections(&self) -> usize {
        self.counted.1.load(Ordering::Relaxed)
    }

    /// Cuts every connection and lets none through.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}
