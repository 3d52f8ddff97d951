//! Commands to several devices at once.

use std::collections::BTreeSet;
use std::time::Duration;

use cubelet::control::ControlSettings;
use serde_json::json;

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

fn named(broker: &Broker, name: &str, groups: &[&str]) -> ControlSettings {
    let mut settings = settings(broker);
    settings.device = name.into();
    settings.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    settings
}

async fn floor(broker: &Broker) -> Vec<Device> {
    let mut devices = Vec::new();
    for (name, groups) in [
        ("a", &["floor-1", "doors"][..]),
        ("b", &["floor-1"]),
        ("c", &["floor-2"]),
    ] {
        let mut device = Device::start(named(broker, name, groups));
        device.online().await;
        devices.push(device);
    }
    devices
}

fn counts(devices: &[Device]) -> Vec<usize> {
    devices.iter().map(|d| d.executed.lock().len()).collect()
}

#[tokio::test]
async fn every_device_of_the_audience_answers_on_the_one_response_topic_with_its_name() {
    let broker = Broker::start().await;
    let devices = floor(&broker).await;
    let mut client = Client::subscribe(&broker, "app/answers").await;
    let mut ask = async |topic: &str, expected: &[&str]| {
        client.request(topic, r#"{"id":"g","on":true}"#, "app/answers", b"c");
        let mut names = BTreeSet::new();
        for _ in expected {
            let answer = client.next().await;
            assert_eq!(answer.correlation.as_deref(), Some(&b"c"[..]));
            let answer = answer.json();
            assert_eq!((&answer["id"], &answer["ok"]), (&json!("g"), &json!(true)));
            names.insert(answer["device"].as_str().unwrap().to_owned());
        }
        assert!(
            names
                .iter()
                .map(String::as_str)
                .eq(expected.iter().copied())
        );
    };
    ask("cubelet/group/floor-1/cmd/dnd", &["a", "b"]).await;
    assert_eq!(counts(&devices), [1, 1, 0]);
    // The same request: who has carried it out answers the same.
    ask("cubelet/all/cmd/dnd", &["a", "b", "c"]).await;
    assert_eq!(counts(&devices), [1, 1, 1]);
}

#[tokio::test]
async fn what_calls_somebody_and_what_is_not_listed_is_refused_to_several() {
    let broker = Broker::start().await;
    let mut settings = named(&broker, "a", &[]);
    settings.control.group_commands = vec!["dnd".into()];
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/a/cmd/+/reply").await;
    for verb in ["call", "unlock", "ring", "send"] {
        client.publish(&format!("cubelet/all/cmd/{verb}"), "", false);
        let answer = client
            .on(&format!("cubelet/a/cmd/{verb}/reply"))
            .await
            .json();
        assert_eq!(answer["error"]["code"], "not_allowed", "{answer}");
        assert_eq!(answer["device"], "a");
    }
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn a_command_that_would_have_to_wait_until_after_its_time_is_not_carried_out() {
    let broker = Broker::start().await;
    let mut settings = named(&broker, "a", &[]);
    // The wait of this device for this id is longer than the second the command lives.
    settings.control.group_jitter_ms = 30_000;
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/a/cmd/dnd/reply").await;
    let soon = cubelet::engine::event::unix_ms() + 300;
    let payload = format!(r#"{{"id":"x","on":true,"expires":{soon}}}"#);
    client.publish("cubelet/all/cmd/dnd", &payload, false);
    let answer = client.next().await.json();
    assert_eq!(answer["error"]["code"], "expired", "{answer}");
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn devices_carry_it_out_within_the_time_set_for_it() {
    let broker = Broker::start().await;
    let devices = floor(&broker).await;
    let mut client = Client::subscribe(&broker, "app/answers").await;
    client.request("cubelet/all/cmd/stop_ringing", "", "app/answers", b"");
    let answers = async {
        for _ in &devices {
            client.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answers)
        .await
        .unwrap();
    assert_eq!(counts(&devices), [1, 1, 1]);
}
