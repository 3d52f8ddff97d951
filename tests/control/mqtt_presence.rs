//! Availability, state and events: what the device tells the broker.

use std::collections::BTreeSet;

use cubelet::control::BrokerStatus;
use cubelet::engine::event::{Event, EventKind};
use serde_json::json;

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

const AVAILABILITY: &str = "cubelet/door/availability";

fn pressed(n: usize) -> Event {
    Event::now(EventKind::ButtonPressed {
        button: n.to_string(),
    })
}

#[tokio::test]
async fn a_device_is_online_while_it_runs_and_offline_after_a_clean_end() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, AVAILABILITY).await;
    client.until(AVAILABILITY, "online").await;
    device.stop().await;
    client.until(AVAILABILITY, "offline").await;
    let mut late = Client::subscribe(&broker, AVAILABILITY).await;
    let kept = late.next().await;
    assert_eq!((kept.text(), kept.retained), ("offline", true));
}

#[tokio::test]
async fn a_device_that_vanishes_is_declared_offline_by_the_broker() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, AVAILABILITY).await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    client.until(AVAILABILITY, "online").await;
    // Dropping the task closes the socket without DISCONNECT.
    device.task.abort();
    client.until(AVAILABILITY, "offline").await;
    let mut late = Client::subscribe(&broker, AVAILABILITY).await;
    assert!(late.next().await.retained);
}

#[tokio::test]
async fn state_is_retained_as_a_whole_and_in_parts() {
    let (broker, device) = Device::at_a_broker().await;
    device.state.send_modify(|state| state.door.unlocked = true);
    let mut live = Client::subscribe(&broker, "cubelet/door/#").await;
    live.until("cubelet/door/door/state", r#"{"unlocked":true}"#)
        .await;
    let mut late = Client::subscribe(&broker, "cubelet/door/#").await;
    let mut topics = BTreeSet::new();
    while topics.len() < 14 {
        let seen = late.next().await;
        assert!(seen.retained, "{seen:?}");
        if seen.topic == "cubelet/door/state" {
            assert_eq!(seen.json()["door"], json!({"unlocked": true}));
        }
        topics.insert(seen.topic.replace("cubelet/door/", ""));
    }
    let expected = [
        "audio/state",
        "availability",
        "call/state",
        "camera/state",
        "chat/state",
        "device/state",
        "display/state",
        "door/state",
        "health/state",
        "policy/state",
        "recording/state",
        "ring/state",
        "state",
        "visitor_message/state",
    ];
    assert!(topics.iter().map(String::as_str).eq(expected), "{topics:?}");
}

#[tokio::test]
async fn only_the_changed_part_is_published_again() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/+/state").await;
    for _ in 0..12 {
        client.next().await;
    }
    device.state.send_modify(|state| state.chat.outbox = 3);
    assert_eq!(client.next().await.topic, "cubelet/door/chat/state");
    device.state.send_modify(|state| state.door.unlocked = true);
    assert_eq!(client.next().await.topic, "cubelet/door/door/state");
}

#[tokio::test]
async fn a_state_that_changes_all_the_time_is_coalesced_and_its_last_value_arrives() {
    let (broker, device) = Device::at_a_broker().await;
    let topic = "cubelet/door/chat/state";
    let mut client = Client::subscribe(&broker, topic).await;
    client.next().await;
    for n in 1..=1000 {
        device.state.send_modify(|state| state.chat.outbox = n);
        tokio::task::yield_now().await;
    }
    let mut messages = 0;
    loop {
        messages += 1;
        if client.next().await.json()["outbox"] == 1000 {
            break;
        }
    }
    assert!(messages < 50, "{messages} messages for 1,000 changes");
}

#[tokio::test]
async fn a_restarted_broker_that_forgot_everything_is_told_again() {
    let mut broker = Broker::start().await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    device.state.send_modify(|state| state.chat.outbox = 5);
    while client.on("cubelet/door/chat/state").await.json()["outbox"] != 5 {}
    // After a command and its reply the device has also seen the acknowledgements before them.
    client.publish("cubelet/door/cmd/press", "", false);
    client.on("cubelet/door/cmd/press/reply").await;
    broker.kill().await;
    device.offline().await;
    device.state.send_modify(|state| state.door.unlocked = true);
    broker.launch().await;
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/state").await;
    let state = client.next().await.json();
    assert_eq!(state["chat"]["outbox"], 5);
    assert_eq!(state["door"]["unlocked"], true);
    // The parts that did not change meanwhile are just as unknown to the broker.
    let mut client = Client::subscribe(&broker, "cubelet/door/+/state").await;
    let mut parts = BTreeSet::new();
    while parts.len() < 6 {
        parts.insert(client.next().await.topic);
    }
    let mut client = Client::subscribe(&broker, AVAILABILITY).await;
    client.until(AVAILABILITY, "online").await;
}

#[tokio::test]
async fn an_event_has_an_id_a_time_an_expiry_and_is_not_retained() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/event/#").await;
    let event = pressed(1);
    device.events.send(event.clone()).unwrap();
    let seen = client.next().await;
    assert_eq!(seen.topic, "cubelet/door/event/button/pressed");
    assert_eq!(
        seen.json(),
        json!({"id": event.id, "ts": event.ts, "button": "1"})
    );
    assert_eq!(seen.content_type.as_deref(), Some("application/json"));
    assert!(seen.expiry.is_some_and(|seconds| seconds > 0));
    let mut late = Client::subscribe(&broker, "cubelet/door/#").await;
    let kept = late.seen_by_now("cubelet/door/marker").await;
    assert!(
        kept.iter().all(|seen| !seen.topic.contains("/event/")),
        "{kept:?}"
    );
}

fn ids(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

async fn next_id(client: &mut Client) -> String {
    client.next().await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn no_event_is_lost_across_a_broker_restart() {
    let persistent = "allow_anonymous true\npersistence true\npersistence_location {dir}/\n";
    let mut broker = Broker::start_with(persistent).await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/event/#").await;
    let events: Vec<Event> = (0..500).map(pressed).collect();
    for event in &events[..200] {
        device.events.send(event.clone()).unwrap();
    }
    // Of the 200 some are with the subscriber, some with the broker, some in flight or queued.
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        seen.insert(next_id(&mut client).await);
    }
    broker.terminate().await;
    for event in &events[200..400] {
        device.events.send(event.clone()).unwrap();
    }
    device.offline().await;
    broker.launch().await;
    for event in &events[400..] {
        device.events.send(event.clone()).unwrap();
    }
    while seen.len() < events.len() {
        seen.insert(next_id(&mut client).await);
    }
    assert_eq!(seen, ids(&events));
}

#[tokio::test]
async fn no_event_is_lost_across_cut_connections() {
    let (broker, gate, mut device) = Device::behind_a_gate().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/event/#").await;
    let events: Vec<Event> = (0..900).map(pressed).collect();
    let mut seen = BTreeSet::new();
    for burst in events.chunks(300) {
        for event in burst {
            device.events.send(event.clone()).unwrap();
        }
        seen.insert(next_id(&mut client).await);
        gate.close();
        device.offline().await;
        gate.open();
        device.online().await;
    }
    while seen.len() < events.len() {
        seen.insert(next_id(&mut client).await);
    }
    assert_eq!(seen, ids(&events));
}

#[tokio::test]
async fn of_too_many_events_during_an_outage_the_newest_thousand_arrive() {
    let (broker, gate, mut device) = Device::behind_a_gate().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/event/#").await;
    gate.close();
    device.offline().await;
    let events: Vec<Event> = (0..1_500).map(pressed).collect();
    for event in &events {
        device.events.send(event.clone()).unwrap();
        // The engine's channel is not what is tested here: let control take each one.
        while !device.events.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    gate.open();
    device.online().await;
    for event in &events[500..] {
        assert_eq!(next_id(&mut client).await, event.id, "in order");
    }
}

#[tokio::test]
async fn a_broker_that_is_down_at_the_start_is_found_when_it_comes() {
    let mut broker = Broker::stopped("allow_anonymous true\n");
    let mut device = Device::start(settings(&broker));
    let offline = device
        .status_is(|status| matches!(status, BrokerStatus::Offline { .. }))
        .await;
    let BrokerStatus::Offline { reason } = offline else {
        unreachable!()
    };
    assert!(reason.contains("refused"), "{reason}");
    device.events.send(pressed(7)).unwrap();
    broker.launch().await;
    device.online().await;
    device.stop().await;
}

#[tokio::test]
async fn events_sent_just_before_the_end_still_go_out() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    for n in 0..300 {
        device.events.send(pressed(n)).unwrap();
    }
    device.stop().await;
    let mut events = 0;
    loop {
        let seen = client.next().await;
        events += usize::from(seen.topic.contains("/event/"));
        if seen.topic == AVAILABILITY && seen.text() == "offline" {
            break;
        }
    }
    assert_eq!(events, 300, "offline is the last word");
}

#[tokio::test]
async fn without_a_broker_the_end_is_immediate() {
    let broker = Broker::stopped("");
    let device = Device::start(settings(&broker));
    let began = tokio::time::Instant::now();
    device.stop().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(1));
}
