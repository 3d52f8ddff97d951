//! Nothing a device tells is lost, and an unreachable broker costs next to nothing.

use std::time::Duration;

use tokio::process::Command;

use crate::broker::{Broker, Client, PATIENCE};
use crate::presses::{Heard, device_without_a_broker, presses, tell};
use crate::process::{AVAILABILITY, Process};

#[tokio::test]
async fn five_hundred_events_of_an_outage_arrive_each_and_the_state_is_right_after_it() {
    let mut broker = Broker::start().await;
    let (gate, device) = device_without_a_broker(&mut broker).await;
    let events = presses(500);
    for event in &events {
        tell(&device, event);
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
    let mut heard = Heard::default();
    let mut outbox = None;
    while heard.0.len() < events.len() || outbox != Some(500) {
        let seen = client.next().await;
        heard.count(&seen);
        if seen.topic == "cubelet/door/chat/state" {
            outbox = seen.json()["outbox"].as_u64();
        }
    }
    assert_eq!(heard.missed(&events), 0);
    // The broker was up all the time since, so nothing had to be sent twice.
    assert!(heard.0.values().all(|times| *times == 1), "{heard:?}");
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
