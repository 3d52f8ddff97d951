//! A request is carried out once, also across a restart, in order, and not after its time.

use std::time::Duration;

use cubelet::control::remote::Remote;
use cubelet::engine::command::{Command, Reply};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::broker::{Broker, Client, PATIENCE};
use crate::device::{Act, Device, settings};

const UNLOCK: &str = "cubelet/door/cmd/unlock";
const REPLY: &str = "cubelet/door/cmd/unlock/reply";

fn done(_: &Command) -> Act {
    Act::Answer(Ok(Reply::Json(json!({ "done": true }))))
}

#[tokio::test]
async fn a_request_carried_out_before_a_restart_is_answered_and_not_carried_out_again() {
    let broker = Broker::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut first = Device::with_journal(settings(&broker), state.path(), done);
    first.online().await;
    let mut client = Client::subscribe(&broker, REPLY).await;
    client.publish(UNLOCK, r#"{"id":"k"}"#, false);
    let answer = client.next().await.json();
    first.kept_answer(r#""k""#).await;
    first.stop().await;
    let mut second = Device::with_journal(settings(&broker), state.path(), done);
    second.online().await;
    client.publish(UNLOCK, r#"{"id":"k"}"#, false);
    assert_eq!(client.next().await.json(), answer);
    assert!(second.executed.lock().is_empty());
    client.publish(UNLOCK, r#"{"id":"l"}"#, false);
    client.next().await;
    assert_eq!(second.executed.lock().len(), 1);
}

#[tokio::test]
async fn a_request_cut_off_by_the_end_of_the_process_is_not_carried_out_again() {
    let broker = Broker::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut first = Device::with_journal(settings(&broker), state.path(), |_| Act::Keep);
    first.online().await;
    let mut client = Client::subscribe(&broker, REPLY).await;
    client.publish(UNLOCK, r#"{"id":"k"}"#, false);
    first.is_executing().await;
    // No drain: as if it were killed.
    drop(first);
    let mut second = Device::with_journal(settings(&broker), state.path(), done);
    second.online().await;
    client.publish(UNLOCK, r#"{"id":"k"}"#, false);
    let answer = client.next().await.json();
    assert_eq!(answer["error"]["code"], "unavailable", "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not known"),
        "{answer}"
    );
    assert!(second.executed.lock().is_empty());
}

#[tokio::test]
async fn what_comes_too_late_is_expired_and_has_no_effect() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, REPLY).await;
    let now = cubelet::engine::event::unix_ms();
    for (payload, field) in [
        (json!({"id": 1, "ts": now - 400_000}), "ts: "),
        (json!({"id": 2, "ts": now + 400_000}), "ts: "),
        (json!({"id": 3, "expires": now - 1}), "expires: "),
    ] {
        client.publish(UNLOCK, &payload.to_string(), false);
        let answer = client.next().await.json();
        assert_eq!(answer["error"]["code"], "expired", "{answer}");
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with(field)
        );
    }
    for payload in [
        json!({"ts": "now"}),
        json!({"expires": -1}),
        json!({"ts": 1.5}),
    ] {
        client.publish(UNLOCK, &payload.to_string(), false);
        let answer = client.next().await.json();
        assert_eq!(answer["error"]["code"], "invalid_payload", "{answer}");
    }
    assert!(device.executed.lock().is_empty());
    client.publish(
        UNLOCK,
        &json!({"ts": now, "expires": now + 60_000}).to_string(),
        false,
    );
    assert_eq!(client.next().await.json()["ok"], true);
}

#[tokio::test]
async fn a_replay_of_a_recorded_request_gets_the_old_answer_while_fresh_and_nothing_later() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, REPLY).await;
    let recorded = json!({"id": "r", "ts": cubelet::engine::event::unix_ms()}).to_string();
    for _ in 0..3 {
        client.publish(UNLOCK, &recorded, false);
        assert_eq!(client.next().await.json()["ok"], true);
    }
    assert_eq!(device.executed.lock().len(), 1);
}

#[tokio::test]
async fn messages_of_one_requester_keep_their_order_behind_a_slow_one() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |command| {
        let text = match command {
            Command::Send(draft) => draft.text.clone(),
            other => panic!("{other:?}"),
        };
        let wait = if text == "0" { 200 } else { 0 };
        Act::Later(
            Duration::from_millis(wait),
            Ok(Reply::Json(json!({ "text": text }))),
        )
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/send/reply").await;
    for n in 0..10 {
        let payload = json!({"to": 7, "text": n.to_string()}).to_string();
        client.publish("cubelet/door/cmd/send", &payload, false);
    }
    let mut texts = Vec::new();
    for _ in 0..10 {
        let answer: Value = client.next().await.json();
        texts.push(answer["text"].as_str().unwrap().to_owned());
    }
    let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn one_requester_that_floods_does_not_take_the_others_share() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.rate_per_s = 5;
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/press/reply").await;
    for _ in 0..100 {
        client.publish_as("greedy", "cubelet/door/cmd/press", "");
    }
    client.publish_as("modest", "cubelet/door/cmd/press", r#"{"id":"m"}"#);
    let mut limited = 0;
    loop {
        let answer = client.next().await.json();
        limited += usize::from(answer["error"]["code"] == "rate_limited");
        if answer["id"] == "m" {
            assert_eq!(answer["ok"], true, "{answer}");
            break;
        }
    }
    assert!(limited > 50, "{limited}");
}

#[tokio::test]
async fn orders_under_one_name_keep_their_order_across_connections() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |command| {
        let wait = match command {
            Command::Send(draft) if draft.text == "first" => 300,
            _ => 0,
        };
        Act::Later(
            Duration::from_millis(wait),
            Ok(Reply::Json(json!({ "done": true }))),
        )
    });
    device.online().await;
    let mqtt = settings(&broker).mqtt;
    let done = Mutex::new(Vec::new());
    let order = async |text: &'static str| {
        let (remote, _) = Remote::connect(&mqtt, &[]).await.unwrap();
        let remote = remote.named("anna@kiosk");
        let payload = json!({"to": 7, "text": text});
        let told = remote.command("door", "send", &payload, PATIENCE).await;
        done.lock().push((text, told.unwrap()["ok"] == true));
    };
    let second = async {
        device.is_executing().await;
        order("second").await;
    };
    tokio::join!(order("first"), second);
    assert_eq!(*done.lock(), [("first", true), ("second", true)]);
    let log = device.journal.log(9).await;
    assert!(log.is_empty(), "{log:?}");
}
