//! MQTT 3.1.1 on the device's own connection.

use cubelet::config::MqttVersion;
use cubelet::engine::command::Command;
use cubelet::engine::event::{Event, EventKind};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

const UNLOCK: &str = "cubelet/door/cmd/unlock";

async fn speaks_three(broker: &Broker) -> Device {
    let mut settings = settings(broker);
    settings.mqtt.version = MqttVersion::Three;
    let mut device = Device::start(settings);
    device.online().await;
    device
}

#[tokio::test]
async fn over_3_1_1_commands_settings_groups_states_and_events_work_as_over_5() {
    let broker = Broker::start().await;
    let device = speaks_three(&broker).await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.until("cubelet/door/availability", "online").await;
    for (topic, payload, reply) in [
        (UNLOCK, r#"{"id":1}"#, "cubelet/door/cmd/unlock/reply"),
        (
            "cubelet/door/policy/set",
            r#"{"id":2,"dnd":true}"#,
            "cubelet/door/policy/set/reply",
        ),
        (
            "cubelet/all/cmd/dnd",
            r#"{"id":3,"on":true}"#,
            "cubelet/door/cmd/dnd/reply",
        ),
        (
            "cubelet/door/from/panel/cmd/unlock",
            r#"{"id":4}"#,
            "cubelet/door/from/panel/cmd/unlock/reply",
        ),
    ] {
        client.publish(topic, payload, false);
        assert_eq!(client.on(reply).await.json()["ok"], true, "{topic}");
    }
    assert_eq!(device.executed.lock().len(), 4);
    device.state.send_modify(|state| state.door.unlocked = true);
    let opened = r#"{"unlocked":true}"#;
    client.until("cubelet/door/door/state", opened).await;
    let event = Event::now(EventKind::ButtonPressed { button: "b".into() });
    device.events.send(event.clone()).unwrap();
    let told = client.on("cubelet/door/event/button/pressed").await;
    assert_eq!(told.json()["id"], event.id);
    device.stop().await;
    client.until("cubelet/door/availability", "offline").await;
}

#[tokio::test]
async fn over_3_1_1_a_device_that_vanishes_is_declared_offline() {
    let broker = Broker::start().await;
    let device = speaks_three(&broker).await;
    let mut client = Client::subscribe(&broker, "cubelet/door/availability").await;
    client.until("cubelet/door/availability", "online").await;
    device.task.abort();
    client.until("cubelet/door/availability", "offline").await;
}

#[tokio::test]
async fn over_3_1_1_a_command_retained_before_is_refused() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish(UNLOCK, r#"{"id":"old"}"#, true);
    client.until(UNLOCK, r#"{"id":"old"}"#).await;
    let device = speaks_three(&broker).await;
    let event = client.on("cubelet/door/event/control/refused").await.json();
    assert_eq!(event["code"], "retained");
    client.publish("cubelet/door/cmd/press", "", false);
    client.on("cubelet/door/cmd/press/reply").await;
    assert_eq!(device.executed.lock().as_slice(), [Command::Press]);
}

/// In front of a broker: refuses version 5 as a broker of 3.1.1 does, with return code 1.
async fn only_three(broker: &Broker) -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = broker.port;
    let task = tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut begin = [0; 512];
                let length = inner.read(&mut begin).await.unwrap_or(0);
                let name = begin[..length].windows(4).position(|at| at == b"MQTT");
                let level = name.and_then(|at| begin.get(at + 4));
                if level == Some(&5) {
                    // The client may have gone already.
                    let _ = inner.write_all(&[0x20, 2, 0, 1]).await;
                    return;
                }
                let Ok(mut outer) = TcpStream::connect(("127.0.0.1", target)).await else {
                    return;
                };
                if outer.write_all(&begin[..length]).await.is_ok() {
                    let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                }
            });
        }
    });
    (port, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn a_broker_that_refuses_5_is_spoken_to_in_3_1_1() {
    let broker = Broker::start().await;
    let (port, _relay) = only_three(&broker).await;
    let mut settings = settings(&broker);
    settings.mqtt.port = port;
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/unlock/reply").await;
    client.publish(UNLOCK, r#"{"id":1}"#, false);
    let answer = client.next().await.json();
    assert_eq!(answer, json!({"id": 1, "ok": true, "done": true}));
}

#[tokio::test]
async fn a_device_told_to_speak_5_alone_says_why_it_is_offline() {
    let broker = Broker::start().await;
    let (port, _relay) = only_three(&broker).await;
    let mut settings = settings(&broker);
    settings.mqtt.port = port;
    settings.mqtt.version = MqttVersion::Five;
    let mut device = Device::start(settings);
    let status = device
        .status_is(|status| matches!(status, cubelet::control::BrokerStatus::Offline { .. }))
        .await;
    assert!(format!("{status:?}").contains("MQTT 5"), "{status:?}");
}
