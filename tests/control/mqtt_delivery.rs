//! Nothing a device tells is lost, and an unreachable broker costs next to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cubelet::engine::event::{Event, EventKind};
use tokio::process::{Child, Command};

use crate::broker::{Broker, Client, Gate, PATIENCE};
use crate::device::{Device, settings};
use crate::fixture::{Fixture, MINIMAL};

const AVAILABILITY: &str = "cubelet/front-door/availability";

#[tokio::test]
async fn five_hundred_events_of_an_outage_arrive_each_and_the_state_is_right_after_it() {
    let mut broker = Broker::start().await;
    let gate = Gate::to(&broker).await;
    let mut settings = settings(&broker);
    settings.mqtt.port = gate.port;
    let mut device = Device::start(settings);
    device.online().await;
    broker.kill().await;
    device.offline().await;
    let events: Vec<Event> = (0..500)
        .map(|n| {
            Event::now(EventKind::ButtonPressed {
                button: n.to_string(),
            })
        })
        .collect();
    for event in &events {
        device.events.send(event.clone()).unwrap();
        device.state.send_modify(|state| state.chat.outbox += 1);
    }
    let before = gate.connections();
    // Long enough for a loop without pauses to try thousands of times.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tries = gate.connections() - before;
    assert!(tries <= 20, "{tries} tries in 3 s");
    // Not before somebody listens.
    gate.close();
    broker.launch().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    gate.open();
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    let mut outbox = None;
    while heard.len() < events.len() || outbox != Some(500) {
        let seen = client.next().await;
        match seen.topic.as_str() {
            "cubelet/door/chat/state" => outbox = seen.json()["outbox"].as_u64(),
            "cubelet/door/event/button/pressed" => {
                let id = seen.json()["id"].as_str().unwrap().to_owned();
                *heard.entry(id).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(events.iter().all(|event| heard.contains_key(&event.id)));
    // The broker was up all the time since, so nothing had to be sent twice.
    assert!(heard.values().all(|times| *times == 1), "{heard:?}");
    assert_eq!(gate.open_connections(), 1);
}

/// The daemon as a process of its own, without a hub it could reach.
struct Process {
    child: Child,
    _fixture: Fixture,
}

async fn daemon(broker: &Broker) -> Process {
    let fixture = Fixture::new();
    let hub = MINIMAL
        .replace("https://hub.example", "http://127.0.0.1:9")
        .replace("tls://chat.example", "ws://127.0.0.1:9/xmpp");
    let text = format!(
        "{hub}\n[camera]\nsource = \"none\"\nwarm = false\n[audio]\nsource = \"none\"\n\
         [mqtt]\nhost = \"127.0.0.1\"\nport = {}\n",
        broker.port
    )
    .replace("[device]", "[device]\nstate_dir = \"state\"");
    let config = fixture.write(&text);
    let mut client = Client::subscribe(broker, AVAILABILITY).await;
    let child = spawn(&config);
    client.until(AVAILABILITY, "online").await;
    Process {
        child,
        _fixture: fixture,
    }
}

fn spawn(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["run", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_killed_daemon_is_declared_offline_by_its_last_will() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, AVAILABILITY).await;
    let mut process = daemon(&broker).await;
    client.until(AVAILABILITY, "online").await;
    process.child.kill().await.unwrap();
    client.until(AVAILABILITY, "offline").await;
    let mut late = Client::subscribe(&broker, AVAILABILITY).await;
    let kept = late.next().await;
    assert_eq!((kept.text(), kept.retained), ("offline", true));
}

#[tokio::test]
async fn a_terminated_daemon_says_offline_itself_and_ends_in_order() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, "cubelet/front-door/#").await;
    let mut process = daemon(&broker).await;
    client.until(AVAILABILITY, "online").await;
    let pid = process.child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .arg(pid)
            .status()
            .await
            .unwrap()
            .success()
    );
    client.until(AVAILABILITY, "offline").await;
    let ended = tokio::time::timeout(PATIENCE, process.child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}
