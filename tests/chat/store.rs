//! The store across restarts, damage and a full disk.

use std::path::Path;
use std::process::{Command, Stdio};

use cubelet::protocol::chat_message::{OutgoingMessage, Target};
use cubelet::store::{
    CallDetails, CallDirection, CallFilter, CallRecord, DoorAttempt, Store, StoreError,
};

use crate::client::text;

fn bodies(messages: &[OutgoingMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.body.as_str())
        .collect()
}

#[tokio::test]
async fn messages_come_back_whole_and_in_order_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    let first = OutgoingMessage {
        target: Target::Dialog("66f0aa000102030405000001".into()),
        dialog_id: Some("66f0aa000102030405000001".into()),
        date_sent: u64::from(u32::MAX) + 5,
        custom: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
        ..text(0, "first ✓ \u{0}")
    };
    let second = text(u64::MAX, "second");
    {
        let store = Store::open(&file).unwrap();
        store.enqueue(first.clone()).await.unwrap();
        store.enqueue(second.clone()).await.unwrap();
    }
    let store = Store::open(&file).unwrap();
    assert_eq!(store.pending(10).await.unwrap(), [first, second]);
}

/// The child: queues messages until it is killed, naming each on stdout once it is stored.
#[tokio::test]
#[ignore = "run by a_message_named_as_stored_survives_a_kill in a process of its own"]
async fn child_that_queues_until_killed() {
    let file = std::env::var("CUBELET_TEST_STORE").unwrap();
    let store = Store::open(Path::new(&file)).unwrap();
    loop {
        let message = text(1, "x");
        let id = message.id.clone();
        store.enqueue(message).await.unwrap();
        println!("stored {id}");
    }
}

#[tokio::test]
async fn a_message_named_as_stored_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("store::child_that_queues_until_killed")
        .env("CUBELET_TEST_STORE", &file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let stored = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        let lines = std::io::BufReader::new(output).lines();
        let mut stored: Vec<String> = Vec::new();
        for line in lines.map_while(Result::ok) {
            if let Some((_, id)) = line.split_once("stored ") {
                stored.push(id.to_owned());
            }
            if stored.len() == 20 {
                // SIGKILL: no destructor, no checkpoint.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        stored
    })
    .await
    .unwrap();
    assert!(stored.len() >= 20);
    let kept = Store::open(&file).unwrap().pending(100_000).await.unwrap();
    let kept: Vec<String> = kept.into_iter().map(|message| message.id).collect();
    assert_eq!(kept[..stored.len()], stored);
}

#[tokio::test]
async fn queueing_the_same_id_twice_sends_it_once() {
    let store = Store::in_memory().unwrap();
    let message = text(1, "once");
    store.enqueue(message.clone()).await.unwrap();
    store.enqueue(message).await.unwrap();
    assert_eq!(store.pending_count().await.unwrap(), 1);
}

#[tokio::test]
async fn an_acknowledged_message_leaves_the_queue_once() {
    let store = Store::in_memory().unwrap();
    let (first, second) = (text(1, "first"), text(1, "second"));
    store.enqueue(first.clone()).await.unwrap();
    store.enqueue(second).await.unwrap();
    assert!(store.acknowledged(&first.id).await.unwrap());
    assert!(!store.acknowledged(&first.id).await.unwrap());
    assert!(!store.acknowledged("never queued").await.unwrap());
    assert_eq!(bodies(&store.pending(9).await.unwrap()), ["second"]);
}

#[tokio::test]
async fn a_refused_message_is_kept_with_the_reason_and_not_sent_again() {
    let store = Store::in_memory().unwrap();
    let message = text(1, "unwelcome");
    store.enqueue(message.clone()).await.unwrap();
    assert!(store.refused(&message.id, "503 blocked").await.unwrap());
    assert_eq!(store.pending_count().await.unwrap(), 0);
    let refused = store.refused_messages(10).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].message, message);
    assert_eq!(refused[0].reason, "503 blocked");
}

#[tokio::test]
async fn a_refusal_that_follows_the_acknowledgement_still_finds_the_message() {
    let store = Store::in_memory().unwrap();
    let message = text(1, "acknowledged, then bounced");
    store.enqueue(message.clone()).await.unwrap();
    store.acknowledged(&message.id).await.unwrap();
    assert!(store.refused(&message.id, "503").await.unwrap());
    assert_eq!(store.refused_messages(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_is_sighted_first_only_once_even_across_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    {
        let store = Store::open(&file).unwrap();
        assert!(store.first_sighting("66f0").await.unwrap());
        assert!(!store.first_sighting("66f0").await.unwrap());
    }
    let store = Store::open(&file).unwrap();
    assert!(!store.first_sighting("66f0").await.unwrap());
    assert!(store.first_sighting("66f1").await.unwrap());
}

#[tokio::test]
async fn sightings_are_bounded_and_forget_the_oldest() {
    let store = Store::in_memory().unwrap();
    for number in 0..16_390 {
        assert!(store.first_sighting(&number.to_string()).await.unwrap());
    }
    assert!(!store.first_sighting("16389").await.unwrap());
    assert!(!store.first_sighting("10").await.unwrap());
    assert!(store.first_sighting("0").await.unwrap());
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_the_device_comes_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    let garbage = vec![0x5a; 20_000];
    std::fs::write(&file, &garbage).unwrap();
    let store = Store::open(&file).unwrap();
    store.enqueue(text(1, "after")).await.unwrap();
    let aside = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".damaged-"))
        .expect("the old file is gone");
    assert_eq!(std::fs::read(aside).unwrap(), garbage);
}

#[tokio::test]
async fn a_file_damaged_in_the_middle_is_found_out_at_opening() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    {
        let store = Store::open(&file).unwrap();
        for _ in 0..200 {
            store.enqueue(text(1, &"x".repeat(500))).await.unwrap();
        }
    }
    closed(&file).await;
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let store = Store::open(&file).unwrap();
    assert_eq!(store.pending_count().await.unwrap(), 0);
}

/// Waits until the store's thread has closed the file, which removes the write-ahead log.
pub async fn closed(file: &Path) {
    let log = file.with_extension("db-wal");
    let gone = async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    };
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(10), gone).await;
    waiting.expect("the store is not closed");
}

#[tokio::test]
async fn no_room_is_told_as_such_and_what_was_stored_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    let store = Store::open_bounded(&file, 128 << 10).unwrap();
    let mut stored = 0;
    let error = loop {
        match store.enqueue(text(1, &"x".repeat(4000))).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the bound does not hold");
    };
    assert!(matches!(&error, StoreError::Full { file: named } if *named == file));
    assert_eq!(store.pending_count().await.unwrap(), stored);
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_named() {
    let file = Path::new("/nowhere/at/all/device.db");
    let error = Store::open(file).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/at/all/device.db"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("device.db");
    let future = rusqlite::Connection::open(&file).unwrap();
    future.pragma_update(None, "user_version", 999).unwrap();
    drop(future);
    let error = Store::open(&file).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 999, .. }),
        "{error}"
    );
    assert!(file.exists());
}

#[tokio::test]
async fn calls_are_listed_newest_first() {
    let store = Store::in_memory().unwrap();
    let record = |call: &str, answered_ms| CallRecord {
        call: call.into(),
        direction: CallDirection::Incoming,
        peer: 9,
        video: true,
        started_ms: 1_760_000_000_000,
        answered_ms,
        ended_ms: 1_760_000_060_000,
        reason: "hung_up".into(),
        details: CallDetails {
            ring: Some("r".into()),
            step: Some(2),
            ..CallDetails::default()
        },
    };
    let (missed, taken) = (record("a", None), record("b", Some(1_760_000_005_000)));
    store.log_call(missed.clone(), 10).await.unwrap();
    store.log_call(taken.clone(), 10).await.unwrap();
    let listed = |filter: CallFilter| store.calls(filter);
    let all = CallFilter::default();
    assert_eq!(
        listed(all.clone()).await.unwrap(),
        [taken.clone(), missed.clone()]
    );
    let one = CallFilter {
        limit: 1,
        ring: Some("r".into()),
        direction: Some(CallDirection::Incoming),
        peer: Some(9),
        reason: Some("hung_up".into()),
        before: Some(1_760_000_000_001),
    };
    assert_eq!(listed(one.clone()).await.unwrap(), [taken]);
    for other in [
        CallFilter {
            ring: Some("other".into()),
            ..one.clone()
        },
        CallFilter {
            peer: Some(8),
            ..one.clone()
        },
        CallFilter {
            direction: Some(CallDirection::Outgoing),
            ..one.clone()
        },
        CallFilter {
            reason: Some("missed".into()),
            ..one.clone()
        },
        CallFilter {
            before: Some(1_760_000_000_000),
            ..one
        },
    ] {
        assert!(listed(other).await.unwrap().is_empty());
    }
    for n in 0..5 {
        store
            .log_call(record(&format!("c{n}"), None), 3)
            .await
            .unwrap();
    }
    let kept = listed(all).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|one| one.call.as_str()).collect();
    assert_eq!(kept, ["c4", "c3", "c2"]);
}

#[tokio::test]
async fn attempts_at_the_door_are_listed_newest_first_and_the_oldest_leave() {
    let store = Store::in_memory().unwrap();
    let attempt = |at, opened: bool| DoorAttempt {
        at,
        by: "1002".into(),
        how: "call".into(),
        call: Some("c".into()),
        opened,
        reason: (!opened).then(|| "not on the list".to_owned()),
    };
    for at in 1..=4 {
        store.log_door(attempt(at, at % 2 == 0), 3).await.unwrap();
    }
    let expected = [attempt(4, true), attempt(3, false), attempt(2, true)];
    assert_eq!(store.door_log(10).await.unwrap(), expected);
}

#[tokio::test]
async fn a_login_that_moves_to_another_user_is_found_there() {
    let store = Store::in_memory().unwrap();
    store.remember_user("desk", 1, Some("Desk")).await.unwrap();
    store.remember_user("desk", 2, None).await.unwrap();
    assert_eq!(store.user_by_login("desk").await.unwrap().unwrap().id, 2);
    assert_eq!(store.user_by_id(1).await.unwrap(), None);
    assert_eq!(store.user_by_login("nobody").await.unwrap(), None);
}

#[tokio::test]
async fn a_setting_is_replaced_and_removed() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.setting("volume").await.unwrap(), None);
    store.set_setting("volume", Some("3")).await.unwrap();
    store.set_setting("volume", Some("4")).await.unwrap();
    assert_eq!(store.setting("volume").await.unwrap().as_deref(), Some("4"));
    store.set_setting("volume", None).await.unwrap();
    assert_eq!(store.setting("volume").await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_store_refuses_and_has_everything_again_when_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("device.db")).unwrap();
    let other_handle = store.clone();
    store.set_setting("volume", Some("3")).await.unwrap();
    store.close();
    assert!(!other_handle.is_open());
    let refused = other_handle.setting("volume").await.unwrap_err();
    assert!(matches!(refused, StoreError::Closed { .. }), "{refused}");
    other_handle.reopen().unwrap();
    let kept = store.setting("volume").await.unwrap();
    assert_eq!(kept.as_deref(), Some("3"));
}
