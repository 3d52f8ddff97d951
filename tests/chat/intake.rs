//! Messages that come faster than the disk takes them: what may be told and acknowledged when, and
//! what a crash in between leaves.

use std::path::Path;

use cubelet::chat::{ChatEvent, Credentials};
use cubelet::protocol::chat_message::Incoming;
use cubelet::store::Store;
use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;

use crate::client::{Running, start};
use crate::peer::{Peer, Server, message};

const FILE: &str = "device.db";

fn id(number: usize) -> String {
    format!("66f0aa0001020304{number:08x}")
}

async fn run(server: &Server, folder: &Path) -> (Running, Peer) {
    let store = Store::open(&folder.join(FILE)).unwrap();
    let credentials = Credentials::with_password(5, "p");
    let mut client = start(server.settings(), credentials, store);
    let peer = server.welcome().await;
    client.online().await;
    client
        .event_of(|event| matches!(event, ChatEvent::Online { .. }).then_some(()))
        .await;
    (client, peer)
}

/// A disk that takes nothing until this is dropped.
fn stalled(folder: &Path) -> Connection {
    let other = Connection::open(folder.join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// Everything the client says until it has read all that was said to it.
async fn said_until_all_is_read(peer: &mut Peer) -> String {
    peer.say("<iq xmlns='jabber:client' type='get' id='are-you-there' from='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    peer.until("are-you-there").await
}

async fn count(peer: &mut Peer) -> String {
    peer.until("<a ").await;
    peer.until(">").await
}

fn covers(answer: &str, count: usize) -> bool {
    answer.contains(&format!("h='{count}'")) || answer.contains(&format!("h=\"{count}\""))
}

const COUNT: usize = 600;
const ASK: &str = "<r xmlns='urn:xmpp:sm:3'/>";

#[tokio::test]
async fn reading_goes_on_while_a_note_is_under_way_and_nothing_is_told_or_acknowledged_before() {
    let (server, folder) = (Server::web_socket().await, tempfile::tempdir().unwrap());
    let (mut client, mut peer) = run(&server, folder.path()).await;
    let disk = stalled(folder.path());
    for number in 0..20 {
        peer.say(&message(&id(number), &number.to_string())).await;
    }
    peer.say(ASK).await;
    let said = said_until_all_is_read(&mut peer).await;
    assert!(
        !said.contains("<a ") && !said.contains("received"),
        "{said}"
    );
    assert_eq!(client.events.try_recv().unwrap_err(), TryRecvError::Empty);
    drop(disk);
    for number in 0..20 {
        assert_eq!(client.message().await.body, number.to_string());
    }
    // The ping, which needed no note, came behind them.
    let answer = count(&mut peer).await;
    assert!(covers(&answer, 20) || covers(&answer, 21), "{answer}");
    assert_eq!(client.store.untaken().await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_call_does_not_wait_for_the_disk() {
    let (server, folder) = (Server::web_socket().await, tempfile::tempdir().unwrap());
    let (mut client, mut peer) = run(&server, folder.path()).await;
    let disk = stalled(folder.path());
    peer.say(&message(&id(1), "before the call")).await;
    peer.say("<message xmlns='jabber:client' type='headline' id='s' from='9-7@localhost/r' to='5-7@localhost'><extraParams xmlns='jabber:client'><moduleIdentifier>WebRTCVideoChat</moduleIdentifier><signalType>hangUp</signalType><sessionID>s</sessionID></extraParams></message>")
        .await;
    let event = client.event().await;
    assert!(
        matches!(event, ChatEvent::Incoming(Incoming::Call { .. })),
        "{event:?}"
    );
    drop(disk);
    assert_eq!(client.message().await.body, "before the call");
}

#[tokio::test]
async fn a_crash_between_receipt_and_commit_brings_the_message_again_and_it_is_told_once() {
    let (server, folder) = (Server::web_socket().await, tempfile::tempdir().unwrap());
    let (mut client, mut peer) = run(&server, folder.path()).await;
    peer.say(&message(&id(1), "one")).await;
    assert_eq!(client.message().await.body, "one");
    client.store.taken(&id(1)).await.unwrap();
    peer.say(ASK).await;
    let answer = count(&mut peer).await;
    assert!(covers(&answer, 1), "{answer}");
    let disk = stalled(folder.path());
    for number in 2..5 {
        peer.say(&message(&id(number), &number.to_string())).await;
    }
    peer.say(ASK).await;
    let said = said_until_all_is_read(&mut peer).await;
    assert!(!said.contains("<a "), "{said}");
    // What a power cut at this moment leaves on the disk.
    let left = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{FILE}{suffix}");
        std::fs::copy(folder.path().join(&name), left.path().join(&name)).unwrap();
    }
    client.task.abort();
    drop((peer, disk));
    let (mut client, mut peer) = run(&server, left.path()).await;
    // The server repeats what was not acknowledged, and as it is not sure, one that was.
    for number in 1..5 {
        let body = if number == 1 {
            "one".into()
        } else {
            number.to_string()
        };
        peer.say(&message(&id(number), &body)).await;
    }
    peer.say(&message(&id(5), "last")).await;
    for body in ["2", "3", "4", "last"] {
        assert_eq!(client.message().await.body, body);
    }
}

#[tokio::test]
async fn a_long_burst_is_told_in_order_and_counted_whole() {
    let (server, folder) = (Server::tls().await, tempfile::tempdir().unwrap());
    let (mut client, mut peer) = run(&server, folder.path()).await;
    let mut burst = String::new();
    for number in 0..COUNT {
        burst += &message(&id(number), &number.to_string());
        if number % 50 == 0 {
            burst += ASK;
        }
    }
    burst += ASK;
    peer.say(&burst).await;
    for number in 0..COUNT {
        assert_eq!(client.message().await.body, number.to_string());
    }
    let mut counted = 0;
    while counted < COUNT {
        let answer = count(&mut peer).await;
        let mut parts = answer
            .split(['\'', '"'])
            .skip_while(|part| !part.ends_with("h="));
        let handled: usize = parts.nth(1).unwrap().parse().unwrap();
        assert!(handled >= counted, "{answer} after {counted}");
        counted = handled;
    }
}

fn change(id: &str, what: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='chat' id='{id}' from='9-7@localhost/r' to='5-7@localhost'>\
         {what}<extraParams xmlns='jabber:client'><dialog_id>66f0aa000102030405000001</dialog_id></extraParams></message>"
    )
}

#[tokio::test]
async fn edits_removals_and_reactions_are_kept_until_taken_over_and_told_again_after_a_crash() {
    let (server, folder) = (Server::web_socket().await, tempfile::tempdir().unwrap());
    let (mut client, mut peer) = run(&server, folder.path()).await;
    let about = id(1);
    let changes = [
        (
            "e1",
            format!("<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='{about}'/>"),
        ),
        (
            "e2",
            format!(
                "<reactions message_id='{about}' user_id='9'><reaction add='true' type='x'/></reactions>"
            ),
        ),
        (
            "e3",
            format!("<remove xmlns='urn:xmpp:message-delete:0' id='{about}'/>"),
        ),
    ];
    for (id, what) in &changes {
        peer.say(&change(id, what)).await;
    }
    peer.say(ASK).await;
    let answer = count(&mut peer).await;
    assert!(covers(&answer, 3), "{answer}");
    let is_change = |event: ChatEvent| match event {
        ChatEvent::Incoming(incoming) => incoming.key(),
        _ => None,
    };
    for expected in ["change:e1", "change:e2", "change:e3"] {
        assert_eq!(client.event_of(is_change).await, expected);
    }
    client.store.taken("change:e1").await.unwrap();
    // The one who was to apply them is gone; the server has forgotten them.
    client.task.abort();
    let store = client.store.clone();
    drop(peer);
    let credentials = Credentials::with_password(5, "p");
    let mut client = start(server.settings(), credentials, store);
    for expected in ["change:e2", "change:e3"] {
        assert_eq!(client.event_of(is_change).await, expected);
    }
    // A server that repeats them is not believed.
    let mut peer = server.welcome().await;
    for (id, what) in &changes {
        peer.say(&change(id, what)).await;
    }
    peer.say(&message(&id(9), "next")).await;
    let next = client.event_of(is_change).await;
    assert_eq!(next, id(9));
}
