//! Who may order what, and what is written down of it.

use cubelet::config::{Allow, AllowBy};
use cubelet::engine::command::Command;
use serde_json::json;

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

fn rule(by: AllowBy, requesters: &[&str], commands: &[&str]) -> Allow {
    let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    Allow {
        by,
        requesters: owned(requesters),
        commands: owned(commands),
    }
}

async fn guarded(broker: &Broker) -> Device {
    let mut settings = settings(broker);
    settings.control.allow = vec![
        rule(AllowBy::Topic, &["panel"], &["unlock"]),
        rule(AllowBy::Property, &["clock"], &["dnd"]),
    ];
    let mut device = Device::start(settings);
    device.online().await;
    device
}

#[tokio::test]
async fn a_requester_named_by_topic_may_what_its_rule_says_and_nothing_else() {
    let broker = Broker::start().await;
    let device = guarded(&broker).await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    let prefix = "cubelet/door/from/panel/cmd";
    client.publish(&format!("{prefix}/unlock"), r#"{"id":1}"#, false);
    let answer = client.on(&format!("{prefix}/unlock/reply")).await.json();
    assert_eq!(answer["ok"], true);
    for topic in [
        "cubelet/door/from/panel/cmd/press",
        "cubelet/door/from/lamp/cmd/unlock",
        "cubelet/door/cmd/unlock",
    ] {
        client.publish(topic, "", false);
        let answer = client.on(&format!("{topic}/reply")).await.json();
        assert_eq!(answer["error"]["code"], "not_allowed", "{topic}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("[[control.allow]]"), "{message}");
        let event = client.on("cubelet/door/event/control/refused").await.json();
        assert_eq!(event["code"], "not_allowed");
    }
    assert_eq!(device.executed.lock().as_slice(), [Command::Unlock]);
}

#[tokio::test]
async fn a_user_property_names_a_requester_where_a_rule_takes_it() {
    let broker = Broker::start().await;
    let device = guarded(&broker).await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/+/reply").await;
    for (requester, verb, payload, code) in [
        ("clock", "dnd", r#"{"on":true}"#, None),
        ("clock", "unlock", "", Some("not_allowed")),
        ("panel", "unlock", "", Some("not_allowed")),
        ("clo ck", "dnd", r#"{"on":true}"#, Some("invalid_payload")),
    ] {
        client.publish_as(requester, &format!("cubelet/door/cmd/{verb}"), payload);
        let answer = client.next().await.json();
        assert_eq!(answer["error"]["code"].as_str(), code, "{answer}");
    }
    assert_eq!(device.executed.lock().len(), 1);
}

#[tokio::test]
async fn what_was_refused_and_what_matters_is_in_the_log_with_who_and_why() {
    let broker = Broker::start().await;
    let device = guarded(&broker).await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish("cubelet/door/cmd/unlock", r#"{"id":"x"}"#, false);
    client.on("cubelet/door/cmd/unlock/reply").await;
    let topic = "cubelet/door/from/panel/cmd/unlock";
    client.publish(topic, r#"{"id":7}"#, false);
    client.on(&format!("{topic}/reply")).await;
    let done = device.logged(|entry| entry.outcome == "ok").await;
    let shown = json!(done);
    assert_eq!(
        (
            &shown["requester"],
            &shown["way"],
            &shown["topic"],
            &shown["request"]
        ),
        (
            &json!("panel"),
            &json!("topic"),
            &json!("door/from/panel/cmd/unlock"),
            &json!("7")
        )
    );
    assert!(done.at > 1_700_000_000_000);
    let refused = device.logged(|entry| entry.outcome == "not_allowed").await;
    assert_eq!(refused.way, "none");
    assert!(refused.reason.unwrap().contains("unlock"));
}

#[tokio::test]
async fn the_log_is_bounded() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.keep_log = 10;
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/unlock/reply").await;
    for n in 0..30 {
        client.publish(
            "cubelet/door/cmd/unlock",
            &format!(r#"{{"id":{n}}}"#),
            false,
        );
    }
    for _ in 0..30 {
        client.next().await;
    }
    device
        .logged(|entry| entry.request.as_deref() == Some("29"))
        .await;
    assert_eq!(device.journal.log(100).await.len(), 10);
}
