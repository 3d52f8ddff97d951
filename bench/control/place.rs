//! A broker of our own, somebody who orders, and configuration files.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// How long anything may take before the benchmark gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Mosquitto as docs/guide/mqtt.md sets it up, without users.
pub struct Broker {
    pub port: u16,
    _folder: tempfile::TempDir,
    _child: Child,
}

impl Broker {
    pub async fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("mosquitto.conf");
        std::fs::write(
            &file,
            format!(
                "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n\
                 set_tcp_nodelay true\nmax_queued_messages 10000\nlog_dest stderr\n"
            ),
        )?;
        let mut child = Command::new("mosquitto")
            .arg("-c")
            .arg(&file)
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("mosquitto is not installed")?;
        let stderr = child.stderr.take().context("its log")?;
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            if line.ends_with("running") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            port,
            _folder: folder,
            _child: child,
        })
    }
}

pub fn options(port: u16, name: &str) -> MqttOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options
        .set_network_options(network)
        .set_max_packet_size(Some(1 << 20));
    options
}

/// Somebody who orders and hears the answers.
pub struct Requester {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<(Instant, Publish)>,
    _driver: AbortOnDropHandle<()>,
}

/// Where answers go.
pub const ANSWERS: &str = "bench/answers";

impl Requester {
    pub async fn connect(port: u16, filters: &[&str]) -> anyhow::Result<Self> {
        let (client, mut driver) = AsyncClient::new(options(port, "requester"), 4_096);
        for filter in filters {
            client.try_subscribe(*filter, QoS::AtLeastOnce)?;
        }
        let (told, heard) = mpsc::unbounded_channel();
        let (subscribed, mut subscriptions) = mpsc::unbounded_channel();
        let driver = tokio::spawn(async move {
            loop {
                match driver.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let _ = told.send((Instant::now(), publish));
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = subscribed.send(());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("the requester lost the broker: {error}");
                        return;
                    }
                }
            }
        });
        for _ in filters {
            tokio::time::timeout(PATIENCE, subscriptions.recv()).await?;
        }
        Ok(Self {
            client,
            heard,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    /// Orders something; the answer carries this correlation.
    pub fn order(&self, topic: &str, payload: String, correlation: usize) -> anyhow::Result<()> {
        let properties = PublishProperties {
            response_topic: Some(ANSWERS.to_owned()),
            correlation_data: Some(correlation.to_le_bytes().to_vec().into()),
            ..PublishProperties::default()
        };
        self.client.try_publish_with_properties(
            topic.to_owned(),
            QoS::AtLeastOnce,
            false,
            payload,
            properties,
        )?;
        Ok(())
    }

    /// The next message of this topic, and when it came.
    pub async fn on(&mut self, topic: &str) -> anyhow::Result<(Instant, Publish)> {
        let next = async {
            loop {
                let (at, publish) = self.heard.recv().await.context("the broker is lost")?;
                if publish.topic == topic.as_bytes() {
                    return Ok((at, publish));
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .with_context(|| format!("nothing came on {topic}"))?
    }

    /// The next answer: which, when, and what it says.
    pub async fn answer(&mut self) -> anyhow::Result<(usize, Instant, serde_json::Value)> {
        let (at, publish) = self.on(ANSWERS).await?;
        let properties = publish.properties.unwrap_or_default();
        let correlation = properties.correlation_data.context("no correlation")?;
        let which = usize::from_le_bytes(correlation.as_ref().try_into()?);
        Ok((which, at, serde_json::from_slice(&publish.payload)?))
    }
}

/// A file only we can read.
pub fn secret(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(name))?
        .write_all(text.as_bytes())?;
    Ok(())
}

/// Fails with the device's words.
pub fn must_be_ok(answer: &serde_json::Value) -> anyhow::Result<()> {
    ensure!(answer["ok"] == true, "refused: {answer}");
    Ok(())
}
