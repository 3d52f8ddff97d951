//! Many orders at once: what is written ahead of its turn changes neither their order nor that each
//! is carried out at most once.

use std::collections::BTreeSet;
use std::time::Duration;

use cubelet::engine::command::{Command, Reply};
use cubelet::engine::journal::Journal;
use serde_json::{Value, json};

use crate::broker::{Broker, Client};
use crate::device::{Act, Device, settings};
use crate::process::Process;

const SEND: &str = "cubelet/door/cmd/send";
const SENT: &str = "cubelet/door/cmd/send/reply";

fn text_of(command: &Command) -> String {
    match command {
        Command::Send(draft) => draft.text.clone(),
        other => panic!("{other:?}"),
    }
}

fn answer(command: &Command) -> Act {
    Act::Answer(Ok(Reply::Json(json!({ "text": text_of(command) }))))
}

fn order(client: &Client, n: usize) {
    let payload = json!({"id": n, "to": 7, "text": n.to_string()});
    client.publish(SEND, &payload.to_string(), false);
}

#[tokio::test]
async fn fifty_orders_at_once_are_carried_out_and_answered_once_each_in_their_order() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), answer);
    device.online().await;
    let mut client = Client::subscribe(&broker, SENT).await;
    for n in 0..50 {
        order(&client, n);
    }
    for n in 0..50 {
        let answer = client.next().await.json();
        assert_eq!(answer, json!({"id": n, "ok": true, "text": n.to_string()}));
    }
    let executed: Vec<String> = device.executed.lock().iter().map(text_of).collect();
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(executed, expected);
    device.kept_answer("49").await;
    let kept = device.journal.kept().await;
    assert_eq!(kept.len(), 50);
    assert!(kept.iter().all(|(request, _)| request.reply.is_some()));
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_slow_order_behind_it() {
    let broker = Broker::start().await;
    let mut device = Device::with_engine(settings(&broker), |command| {
        match text_of(command).as_str() {
            // Long enough for the second to wait behind it.
            "0" => Act::Later(
                Duration::from_millis(100),
                Ok(Reply::Json(json!({ "done": true }))),
            ),
            _ => Act::Keep,
        }
    });
    device.online().await;
    let mut client = Client::subscribe(&broker, SENT).await;
    order(&client, 0);
    order(&client, 1);
    assert_eq!(client.next().await.json()["id"], 0);
}

#[tokio::test]
async fn of_a_burst_cut_off_nothing_is_carried_out_twice_and_little_is_not_known() {
    let broker = Broker::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut first = Device::with_journal(settings(&broker), state.path(), |_| Act::Keep);
    first.online().await;
    let mut client = Client::subscribe(&broker, SENT).await;
    for n in 0..50 {
        order(&client, n);
    }
    first.is_executing().await;
    // A read that begins came after them, by the same connection.
    let mut reads = Client::subscribe(&broker, "cubelet/door/cmd/unread/reply").await;
    client.publish("cubelet/door/cmd/unread", "", false);
    first.is_executing().await;
    // No drain: as if it were killed.
    drop(first);
    let mut second =
        Device::with_journal(settings(&broker), state.path(), |command| match command {
            Command::Send(_) => answer(command),
            _ => Act::Answer(Ok(Reply::Json(json!({})))),
        });
    second.online().await;
    for n in 0..50 {
        order(&client, n);
    }
    let mut carried_out = BTreeSet::new();
    for _ in 0..50 {
        let answer = client.next().await.json();
        let n = answer["id"].as_u64().unwrap();
        match answer["ok"].as_bool().unwrap() {
            true => assert!(carried_out.insert(n.to_string()), "{answer}"),
            false => assert_eq!(answer["error"]["code"], "unavailable", "{answer}"),
        }
    }
    assert!(!carried_out.contains("0"), "it had begun");
    // Those that were next are not known; the others had not been touched and are carried out.
    assert!((30..50).contains(&carried_out.len()), "{carried_out:?}");
    assert!(carried_out.contains("49"));
    let executed: Vec<String> = second.executed.lock().iter().map(text_of).collect();
    let once: BTreeSet<String> = executed.iter().cloned().collect();
    assert_eq!((executed.len(), once), (carried_out.len(), carried_out));
    // What is not known once stays so, and an answer stays the same.
    order(&client, 0);
    order(&client, 49);
    assert_eq!(client.next().await.json()["error"]["code"], "unavailable");
    assert_eq!(client.next().await.json()["text"], "49");
    client.publish("cubelet/door/cmd/unread", "", false);
    assert_eq!(reads.next().await.json()["ok"], true);
}

#[tokio::test]
async fn a_daemon_killed_in_the_middle_of_a_burst_opens_the_door_once_an_order() {
    const ORDERS: usize = 60;
    const UNLOCK: &str = "cubelet/front-door/cmd/unlock";
    const REPLY: &str = "cubelet/front-door/cmd/unlock/reply";
    let broker = Broker::start().await;
    let door = "[door]\nrelay = \"log\"\n[control]\nrate_per_s = 1000\n";
    let mut process = Process::start(&broker, broker.port, door).await;
    let mut client = Client::subscribe(&broker, REPLY).await;
    let order_all = |client: &Client| {
        for n in 0..ORDERS {
            client.publish(UNLOCK, &json!({ "id": n }).to_string(), false);
        }
    };
    order_all(&client);
    // It is in the middle of them.
    client.next().await;
    process.kill().await;
    let pulled = process.logged("door relay pulled");
    let state = process.state().join("cubelet.db");
    let begun = Journal::open(&state, 9).unwrap().kept().await.len();
    assert!(
        (1..=begun).contains(&pulled),
        "{pulled} of {begun} written down"
    );
    client.seen_by_now(REPLY).await;
    process.start_again(&broker).await;
    // Who repeats its orders hears of each again; what the broker had not got rid of came anyway.
    order_all(&client);
    let mut answered = BTreeSet::new();
    while answered.len() < ORDERS {
        let answer: Value = client.next().await.json();
        answered.insert(answer["id"].as_u64().unwrap());
    }
    // What had been written down is not carried out again, the rest once.
    let pulled_since = process.logged("door relay pulled") - pulled;
    assert_eq!(pulled_since, ORDERS - begun);
}
