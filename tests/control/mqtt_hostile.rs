//! What should not come: each is answered by name, or not at all where the rules say so, leaves a
//! line in the log, and has no effect.

use cubelet::config::{Allow, AllowBy};
use cubelet::engine::event::unix_ms;
use serde_json::json;

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

/// An order, the code of its refusal, and what the message names.
type Case<'c> = (&'c str, Vec<u8>, &'c str, &'c str);

async fn refused(device: &Device, client: &mut Client, (topic, payload, code, named): Case<'_>) {
    client.publish_bytes(&format!("cubelet/{topic}"), payload);
    let reply = match topic.strip_prefix("all/") {
        Some(rest) => format!("cubelet/door/{rest}/reply"),
        None => format!("cubelet/{topic}/reply"),
    };
    let answer = client.on(&reply).await.json();
    assert_eq!(answer["error"]["code"], code, "{topic}: {answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(named), "{topic}: {message}");
    let line = device
        .logged(|line| line.topic == topic && line.reason.as_deref() == Some(message))
        .await;
    assert_eq!(line.outcome, code);
}

#[tokio::test]
async fn payloads_that_are_no_commands_are_refused_by_field_and_rule_and_do_nothing() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    let text = |text: &str| text.as_bytes().to_vec();
    for case in [
        ("door/cmd/unlock", text("{"), "invalid_payload", "no JSON"),
        (
            "door/cmd/unlock",
            text("[1]"),
            "invalid_payload",
            "JSON object",
        ),
        (
            "door/cmd/unlock",
            vec![0xff, 0xfe, 0],
            "invalid_payload",
            "no JSON",
        ),
        (
            "door/cmd/explode",
            text("{}"),
            "unknown_command",
            "no such command",
        ),
        (
            "door/cmd/call",
            text("{}"),
            "invalid_payload",
            "missing field `user`",
        ),
        (
            "door/cmd/unlock",
            text(r#"{"x":1}"#),
            "invalid_payload",
            "unknown field `x`",
        ),
        (
            "door/cmd/dnd",
            text(r#"{"on":true,"minutes":1.5}"#),
            "invalid_payload",
            "minutes",
        ),
        (
            "door/cmd/dnd",
            text(r#"{"on":true,"minutes":"90 s"}"#),
            "invalid_payload",
            "minutes",
        ),
        (
            "door/cmd/bandwidth",
            text(r#"{"kbps":1}"#),
            "invalid_payload",
            "kbps",
        ),
        (
            "door/cmd/unlock",
            vec![b' '; 100_000],
            "invalid_payload",
            "100000 bytes",
        ),
    ] {
        refused(&device, &mut client, case).await;
    }
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn orders_out_of_time_and_of_those_who_may_not_are_refused_and_do_nothing() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.allow = vec![Allow {
        by: AllowBy::Topic,
        requesters: vec!["panel".into()],
        commands: vec![],
    }];
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    let now = unix_ms();
    let of = |value: serde_json::Value| value.to_string().into_bytes();
    for case in [
        (
            "door/from/panel/cmd/unlock",
            of(json!({"ts": now - 3_600_000})),
            "expired",
            "behind the device's clock",
        ),
        (
            "door/from/panel/cmd/unlock",
            of(json!({"ts": now + 3_600_000})),
            "expired",
            "ahead of the device's clock",
        ),
        (
            "door/from/panel/door/set",
            of(json!({"unlocked": true, "expires": now - 1})),
            "expired",
            "expires",
        ),
        (
            "door/cmd/unlock",
            vec![],
            "not_allowed",
            "[[control.allow]]",
        ),
        ("door/from/thief/cmd/unlock", vec![], "not_allowed", "thief"),
        ("all/cmd/unlock", vec![], "not_allowed", "[[control.allow]]"),
        (
            "door/from/pa nel/cmd/unlock",
            vec![],
            "invalid_payload",
            "topic level",
        ),
    ] {
        refused(&device, &mut client, case).await;
    }
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn a_message_larger_than_any_order_does_not_cost_the_connection() {
    let (broker, mut device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/+/reply").await;
    device.status.borrow_and_update();
    client.publish_bytes("cubelet/door/cmd/unlock", vec![b' '; 500_000]);
    client.publish("cubelet/door/cmd/press", "", false);
    assert_eq!(
        client.on("cubelet/door/cmd/press/reply").await.json()["ok"],
        true
    );
    assert!(!device.status.has_changed().unwrap(), "still online");
    assert_eq!(device.executed.lock().len(), 1);
}
