//! Nothing a device tells is lost, and an unreachable broker costs next to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use cubelet::engine::event::{Event, EventKind};
use tokio::process::Command;

use crate::broker::{Broker, Client, Gate, PATIENCE};
use crate::device::{Device, settings};
use crate::process::{AVAILABILITY, Process};

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

#[tokio::test]
async fn a_killed_daemon_is_declared_offline_by_its_last_will() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, AVAILABILITY).await;
    let mut process = Process::start(&broker, broker.port, "").await;
    client.until(AVAILABILITY, "online").await;
    process.kill().await;
    client.until(AVAILABILITY, "offline").await;
    let mut late = Client::subscribe(&broker, AVAILABILITY).await;
    let kept = late.next().await;
    assert_eq!((kept.text(), kept.retained), ("offline", true));
}

#[tokio::test]
async fn a_terminated_daemon_says_offline_itself_and_ends_in_order() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, "cubelet/front-door/#").await;
    let mut process = Process::start(&broker, broker.port, "").await;
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
