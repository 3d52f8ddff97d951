//! From a command to its reply, fifty in flight: a whole daemon beside a client that does nothing
//! but echo, on the same broker.

use std::time::Duration;

use cubelet::engine::daemon::{Daemon, Options};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::burst::Bursts;
use crate::place::{Broker, Requester, options, secret};
use crate::statistics::{Bound, Latencies, print};

const IN_FLIGHT: usize = 50;
const BURSTS: usize = 100;
const WARM_UP: usize = 10;
/// Fifty every 60 ms stay below `rate_per_s = 1000`.
const PAUSE: Duration = Duration::from_millis(60);
/// Ours and the echo take turns, so that what else the machine does falls on both.
const ROUNDS: usize = 3;

pub async fn measure() -> anyhow::Result<()> {
    let broker = Broker::start().await?;
    let folder = tempfile::tempdir()?;
    let device = device(folder.path(), broker.port)?;
    let _echo = echo(broker.port).await?;
    let mut watcher = Requester::connect(broker.port, &["cubelet/bench/availability"]).await?;
    while watcher.on("cubelet/bench/availability").await?.1.payload != "online" {}
    drop(watcher);
    // A thread of its own: who orders waits for its socket.
    let port = broker.port;
    let (kept, ours, mut theirs) = tokio::task::spawn_blocking(move || rounds(port)).await??;
    for (what, mut ours) in [("unread", ours), ("unlock with an id", kept)] {
        for (name, share, limit) in [("p50", 0.5, None), ("p99", 0.99, Some(5.0))] {
            let (Some(ours), Some(theirs)) = (ours.quantile(share), theirs.quantile(share)) else {
                continue;
            };
            let figure = format!("{what}: command to reply, 50 in flight, {name}");
            let bound = limit.map_or(Bound::None, Bound::AtMost);
            print(&figure, "ms", ours, Some(("echo client", theirs)), bound);
            if share > 0.9 {
                let figure = format!("{what}: times the echo client's {name}");
                print(&figure, "×", ours / theirs, None, Bound::AtMost(3.0));
            }
        }
    }
    device.stop().await;
    Ok(())
}

/// The latencies of orders with an id, of such without, and of the echo.
// The pause is a pace and no wait for something; the thread serves nobody else.
#[allow(clippy::disallowed_methods)]
fn rounds(port: u16) -> anyhow::Result<(Latencies, Latencies, Latencies)> {
    let mut requester = Bursts::connect(port)?;
    let mut kept = Latencies::default();
    let mut ours = Latencies::default();
    let mut theirs = Latencies::default();
    for round in 0..ROUNDS {
        let with_id = |n| json!({ "id": format!("{round}-{n}") }).to_string();
        let without = |_| String::new();
        let mut bursts = |topic, payload: &dyn Fn(usize) -> String, latencies: &mut Latencies| {
            for burst in 0..WARM_UP + BURSTS {
                let payloads: Vec<String> = (0..IN_FLIGHT)
                    .map(|n| payload(burst * IN_FLIGHT + n))
                    .collect();
                requester.burst(topic, &payloads, latencies, burst >= WARM_UP)?;
                std::thread::sleep(PAUSE);
            }
            anyhow::Ok(())
        };
        bursts("cubelet/bench/cmd/unlock", &with_id, &mut kept)?;
        bursts("cubelet/bench/cmd/unread", &without, &mut ours)?;
        bursts("echo/cmd", &with_id, &mut theirs)?;
    }
    Ok((kept, ours, theirs))
}

/// A daemon without a hub it could reach, but with everything else.
fn device(folder: &std::path::Path, port: u16) -> anyhow::Result<Daemon> {
    secret(folder, "password", "x")?;
    let file = folder.join("kiosk.toml");
    std::fs::write(
        &file,
        format!(
            "[device]\nname = \"bench\"\nstate_dir = \"state\"\n\
             [hub]\napi = \"http://127.0.0.1:9\"\nchat = \"ws://127.0.0.1:9/xmpp\"\napp_id = 1\n\
             auth_key = \"x\"\nlogin = \"bench\"\npassword_file = \"password\"\n\
             [camera]\nsource = \"none\"\nwarm = false\n[audio]\nsource = \"none\"\n\
             [door]\nrelay = \"log\"\nunlock_allowed = [\"nobody\"]\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[control]\nrate_per_s = 1000\n"
        ),
    )?;
    let config = cubelet::config::load_device(&file)?;
    let options = Options {
        keep_frames: false,
        more: cubelet::control::actors(&config),
    };
    Ok(Daemon::start(config, options)?)
}

/// Answers everything at once, and does nothing else.
async fn echo(port: u16) -> anyhow::Result<AbortOnDropHandle<()>> {
    let (client, mut driver) = AsyncClient::new(options(port, "echo"), 4_096);
    client.try_subscribe("echo/cmd", QoS::AtLeastOnce)?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok(event) = driver.poll().await {
            let Event::Incoming(Packet::Publish(publish)) = event else {
                continue;
            };
            let asked = publish.properties.unwrap_or_default();
            let properties = PublishProperties {
                correlation_data: asked.correlation_data,
                ..PublishProperties::default()
            };
            let topic = asked.response_topic.unwrap_or_default();
            let answer = r#"{"ok":true}"#;
            let qos = QoS::AtLeastOnce;
            if let Err(error) =
                client.try_publish_with_properties(topic, qos, false, answer, properties)
            {
                eprintln!("the echo could not answer: {error}");
            }
        }
    })))
}
