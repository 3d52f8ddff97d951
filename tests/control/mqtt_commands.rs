//! Commands: executed once, answered once, refused by name.

use std::process::Stdio;
use std::time::Duration;

use cubelet::engine::command::{Command, CommandError, ErrorCode, Reply};
use serde_json::{Value, json};

use crate::broker::{Broker, Client};
use crate::device::{Act, Device, settings};

fn cmd(verb: &str) -> String {
    format!("cubelet/door/cmd/{verb}")
}

fn reply(verb: &str) -> String {
    format!("cubelet/door/cmd/{verb}/reply")
}

#[tokio::test]
async fn a_request_is_answered_on_its_response_topic_with_its_correlation() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| {
        Act::Answer(Ok(Reply::Json(json!({ "call": "abc" }))))
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, "app/answers").await;
    client.request(&cmd("ring"), "", "app/answers", &[0, 255, 7]);
    let answer = client.next().await;
    assert_eq!(answer.correlation.as_deref(), Some(&[0, 255, 7][..]));
    assert_eq!(
        answer.json(),
        json!({"id": null, "ok": true, "call": "abc"})
    );
    assert_eq!(
        device.executed.lock().as_slice(),
        [Command::Ring { targets: vec![] }]
    );
}

#[tokio::test]
async fn an_mqtt_3_client_is_answered_below_the_command_with_its_id() {
    let (broker, _device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, &reply("unlock")).await;
    let published = tokio::process::Command::new("mosquitto_pub")
        .args(["-V", "mqttv311", "-h", "127.0.0.1", "-q", "1"])
        .args([
            "-p",
            &broker.port.to_string(),
            "-t",
            &cmd("unlock"),
            "-m",
            r#"{"id":"k-1"}"#,
        ])
        .stdin(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(published.success());
    let answer = client.next().await;
    assert_eq!(
        answer.json(),
        json!({"id": "k-1", "ok": true, "done": true})
    );
    assert!(!answer.retained && answer.correlation.is_none());
}

#[tokio::test]
async fn every_refusal_has_its_code_and_nothing_refused_is_executed() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.commands.retain(|verb| verb != "press");
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/+/reply").await;
    let large = " ".repeat(64 * 1024 + 1);
    for (verb, payload, code) in [
        ("explode", r#"{"id":1}"#, "unknown_command"),
        ("press", r#"{"id":1}"#, "not_allowed"),
        ("kill", r#"{"id":1,"actor":"chat"}"#, "not_allowed"),
        ("ring", "{", "invalid_payload"),
        ("ring", "7", "invalid_payload"),
        ("ring", r#"{"whom":7}"#, "invalid_payload"),
        ("ring", large.as_str(), "invalid_payload"),
        ("send", r#"{"to":7,"text":""}"#, "invalid_payload"),
    ] {
        client.publish(&cmd(verb), payload, false);
        let answer = client.next().await;
        assert_eq!(answer.topic, reply(verb));
        assert_eq!(answer.json()["ok"], false);
        assert_eq!(
            answer.json()["error"]["code"],
            code,
            "{verb}: {}",
            answer.text()
        );
    }
    assert!(device.executed.lock().is_empty());
}

#[tokio::test]
async fn the_engines_refusal_is_passed_on() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| {
        Act::Answer(Err(CommandError::new(
            ErrorCode::WrongState,
            "no call to answer",
        )))
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, &reply("answer")).await;
    client.publish(&cmd("answer"), r#"{"id":3}"#, false);
    assert_eq!(
        client.next().await.json(),
        json!({"id": 3, "ok": false,
               "error": {"code": "wrong_state", "message": "no call to answer"}})
    );
}

#[tokio::test]
async fn the_same_id_is_executed_once_and_each_requester_gets_the_same_answer() {
    let (broker, device) = Device::at_a_broker().await;
    let mut client = Client::subscribe(&broker, "app/#").await;
    for n in 0..20_u8 {
        client.request(&cmd("unlock"), r#"{"id":"same"}"#, "app/answers", &[n]);
    }
    let mut correlations = Vec::new();
    for _ in 0..20 {
        let answer = client.next().await;
        assert_eq!(
            answer.json(),
            json!({"id": "same", "ok": true, "done": true})
        );
        correlations.push(answer.correlation.unwrap()[0]);
    }
    correlations.sort_unstable();
    assert_eq!(correlations, (0..20).collect::<Vec<u8>>());
    assert_eq!(device.executed.lock().len(), 1);
}

#[tokio::test]
async fn an_id_still_running_is_not_executed_again() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.command_timeout = Duration::from_millis(300);
    let mut device = Device::with_engine(settings, |_| Act::Keep);
    device.online().await;
    let mut client = Client::subscribe(&broker, "app/answers").await;
    for n in 0..3_u8 {
        client.request(&cmd("unlock"), r#"{"id":"same"}"#, "app/answers", &[n]);
    }
    for _ in 0..3 {
        assert_eq!(client.next().await.json()["error"]["code"], "timeout");
    }
    assert_eq!(device.executed.lock().len(), 1);
}

#[tokio::test]
async fn a_command_the_engine_drops_is_answered_as_a_fault() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| Act::Drop);
    device.online().await;
    let mut client = Client::subscribe(&broker, &reply("press")).await;
    client.publish(&cmd("press"), "", false);
    assert_eq!(client.next().await.json()["error"]["code"], "internal");
}

#[tokio::test]
async fn a_flood_is_limited_and_every_command_of_it_answered() {
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.control.rate_per_s = 10;
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, &reply("press")).await;
    let began = std::time::Instant::now();
    for n in 0..400 {
        client.publish(&cmd("press"), &format!(r#"{{"id":{n}}}"#), false);
    }
    let mut done = 0;
    let mut ids = Vec::new();
    for _ in 0..400 {
        let answer: Value = client.next().await.json();
        ids.push(answer["id"].as_u64().unwrap());
        if answer["ok"] == true {
            done += 1;
        } else {
            assert_eq!(answer["error"]["code"], "rate_limited", "{answer}");
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..400).collect::<Vec<u64>>());
    let most = 10.0 * (1.0 + began.elapsed().as_secs_f64());
    assert!(done >= 10 && f64::from(done) <= most, "{done} executed");
    assert_eq!(device.executed.lock().len(), done as usize);
}

#[tokio::test]
async fn a_retained_command_is_never_executed() {
    let broker = Broker::start().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/#").await;
    client.publish(&cmd("ring"), r#"{"id":"old"}"#, true);
    client.on(&cmd("ring")).await;
    let mut device = Device::start(settings(&broker));
    device.online().await;
    // Also when it is sent with the flag while the device listens.
    client.publish(&cmd("ring"), r#"{"id":"new"}"#, true);
    client.publish(&cmd("press"), r#"{"id":"p"}"#, false);
    assert_eq!(client.on(&reply("press")).await.json()["ok"], true);
    assert_eq!(device.executed.lock().as_slice(), [Command::Press]);
}

#[tokio::test]
async fn a_snapshot_is_published_before_the_reply_that_names_it_and_not_kept() {
    let broker = Broker::start().await;
    let picture = [&[0xff, 0xd8, 0xff][..], &[7; 200_000]].concat();
    let jpeg = bytes::Bytes::from(picture.clone());
    let mut device = Device::with_engine(settings(&broker), move |_| {
        Act::Answer(Ok(Reply::Jpeg(jpeg.clone())))
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish(&cmd("snapshot"), r#"{"id":1}"#, false);
    let topic = "cubelet/door/camera/main/snapshot";
    let seen = client.on(topic).await;
    assert!(seen.payload == picture, "{} bytes", seen.payload.len());
    assert_eq!(seen.content_type.as_deref(), Some("image/jpeg"));
    let answer = client.on(&reply("snapshot")).await.json();
    assert_eq!(
        answer,
        json!({"id": 1, "ok": true, "topic": topic, "bytes": 200_003})
    );
    let mut late = Client::subscribe(&broker, "cubelet/door/camera/#").await;
    let kept = late.seen_by_now("cubelet/door/camera/marker").await;
    assert!(kept.iter().all(|seen| seen.topic != topic));
}

#[tokio::test]
async fn a_picture_larger_than_the_broker_takes_is_refused_and_the_connection_stays() {
    let broker = Broker::start_with("allow_anonymous true\nmax_packet_size 30000\n").await;
    let mut device = Device::with_engine(settings(&broker), |command| match command {
        Command::Snapshot => Act::Answer(Ok(Reply::Jpeg(vec![0; 40_000].into()))),
        _ => Act::Answer(Ok(Reply::Json(Value::Null))),
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish(&cmd("snapshot"), "", false);
    let answer = client.on(&reply("snapshot")).await.json();
    assert_eq!(answer["error"]["code"], "unavailable", "{answer}");
    client.publish(&cmd("press"), "", false);
    assert_eq!(client.on(&reply("press")).await.json()["ok"], true);
    assert!(!device.status.has_changed().unwrap(), "still online");
}

#[tokio::test]
async fn a_command_running_at_the_end_is_answered_before_offline() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |_| Act::Keep);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    client.publish(&cmd("unlock"), r#"{"id":1}"#, false);
    device.is_executing().await;
    device.stop().await;
    let answer = client.on(&reply("unlock")).await.json();
    assert_eq!(answer["error"]["code"], "unavailable");
    client.until("cubelet/door/availability", "offline").await;
}

#[tokio::test]
async fn an_engine_that_is_gone_is_answered_for() {
    let (broker, mut device) = Device::at_a_broker().await;
    device.end_engine().await;
    let mut client = Client::subscribe(&broker, &reply("press")).await;
    client.publish(&cmd("press"), "", false);
    assert_eq!(client.next().await.json()["error"]["code"], "unavailable");
}

#[tokio::test]
async fn a_command_sent_during_a_short_cut_is_executed_after_it() {
    let (broker, gate, mut device) = Device::behind_a_gate().await;
    let mut client = Client::subscribe(&broker, &reply("press")).await;
    gate.close();
    device.offline().await;
    client.publish(&cmd("press"), r#"{"id":1}"#, false);
    client.seen_by_now(&reply("press")).await;
    gate.open();
    assert_eq!(client.next().await.json()["ok"], true);
}

#[tokio::test]
async fn a_new_process_does_not_execute_what_was_sent_to_the_one_before() {
    let broker = Broker::start().await;
    let mut first = Device::start(settings(&broker));
    first.online().await;
    first.stop().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/+/reply").await;
    client.publish(&cmd("unlock"), r#"{"id":1}"#, false);
    client.seen_by_now(&reply("marker")).await;
    let mut second = Device::start(settings(&broker));
    second.online().await;
    client.publish(&cmd("press"), r#"{"id":2}"#, false);
    assert_eq!(client.next().await.json()["id"], 2);
    assert_eq!(second.executed.lock().as_slice(), [Command::Press]);
}
