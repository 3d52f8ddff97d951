//! A stream that is cut and goes on (XEP-0198 §5), and what survives when it does not.

use std::time::Duration;

use cubelet::chat::{ChatEvent, ConnectionStatus, Credentials};
use cubelet::protocol::call_signal::{CallSignal, SignalKind};
use cubelet::store::Store;

use crate::client::{Running, start, text};
use crate::peer::{Peer, Server, message};

fn run(server: &Server, store: Store) -> Running {
    let credentials = Credentials::with_password(5, "p");
    start(server.settings(), credentials, store)
}

async fn online() -> (Server, Running, Peer) {
    let server = Server::web_socket().await;
    let client = run(&server, Store::in_memory().unwrap());
    let mut peer = server.accept().await;
    peer.welcome_resumable("stream-1").await;
    client.online().await;
    (server, client, peer)
}

async fn heard_body(peer: &mut Peer) -> String {
    peer.until("<body").await;
    peer.until(">").await;
    let body = peer.until("</body>").await;
    body.trim_end_matches("</body>").to_owned()
}

fn has(element: &str, attribute: &str, value: &str) -> bool {
    element.contains(&format!("{attribute}='{value}'"))
        || element.contains(&format!("{attribute}=\"{value}\""))
}

#[tokio::test]
async fn a_cut_stream_goes_on_and_sends_only_what_the_server_lacks() {
    let (server, mut client, mut peer) = online().await;
    for body in ["one", "two", "three"] {
        client.client.send(text(9, body)).await.unwrap();
        assert_eq!(heard_body(&mut peer).await, body);
    }
    drop(peer);
    let mut peer = server.accept().await;
    let asked = peer.hear_resume().await;
    assert!(has(&asked, "previd", "stream-1"), "{asked}");
    assert!(has(&asked, "h", "0"), "{asked}");
    // Carbons, presence and the first message had arrived.
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='3'/>")
        .await;
    let resumed = client
        .event_of(|event| match event {
            ChatEvent::Online { resumed, .. } if resumed => Some(resumed),
            _ => None,
        })
        .await;
    assert!(resumed);
    let status = client.client.status();
    assert!(
        matches!(status, ConnectionStatus::Online { resumed: true, .. }),
        "{status:?}"
    );
    client.client.send(text(9, "four")).await.unwrap();
    // Neither the first one nor a second presence comes before them.
    let mut all = String::new();
    for body in ["two", "three", "four"] {
        let heard = peer.until("</body>").await;
        assert!(heard.contains(body), "{heard}");
        all += &heard;
    }
    assert!(!all.contains("<presence"), "{all}");
    peer.say("<a xmlns='urn:xmpp:sm:3' h='6'/>").await;
    for _ in 0..4 {
        client.acknowledged().await;
    }
    assert_eq!(client.store.pending_count().await.unwrap(), 0);
}

#[tokio::test]
async fn the_count_a_stream_resumes_with_covers_what_was_noted() {
    let (server, mut client, mut peer) = online().await;
    peer.say(&message("66f0aa000102030405000001", "one")).await;
    peer.say(&message("66f0aa000102030405000002", "two")).await;
    assert_eq!(client.message().await.body, "one");
    assert_eq!(client.message().await.body, "two");
    drop(peer);
    let mut peer = server.accept().await;
    let asked = peer.hear_resume().await;
    assert!(has(&asked, "h", "2"), "{asked}");
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='2'/>")
        .await;
    peer.say(&message("66f0aa000102030405000003", "three"))
        .await;
    assert_eq!(client.message().await.body, "three");
    peer.say("<r xmlns='urn:xmpp:sm:3'/>").await;
    peer.until("<a ").await;
    let answer = peer.until("/>").await;
    assert!(has(&answer, "h", "3"), "{answer}");
}

#[tokio::test]
async fn a_server_that_forgot_the_stream_gets_a_new_one_and_what_it_lacks() {
    let (server, client, mut peer) = online().await;
    for body in ["one", "two"] {
        client.client.send(text(9, body)).await.unwrap();
        assert_eq!(heard_body(&mut peer).await, body);
    }
    drop(peer);
    let mut peer = server.accept().await;
    peer.hear_resume().await;
    // It still knows its count, so the first message does not come again.
    peer.say(
        "<failed xmlns='urn:xmpp:sm:3' h='3'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    )
    .await;
    peer.bind().await;
    peer.until("<enable").await;
    peer.say("<enabled xmlns='urn:xmpp:sm:3' id='stream-2' resume='true'/>")
        .await;
    peer.until("<presence").await;
    peer.acknowledge(2).await;
    assert_eq!(heard_body(&mut peer).await, "two");
}

#[tokio::test]
async fn a_stream_that_breaks_with_every_resumption_is_given_up() {
    let (server, _client, peer) = online().await;
    drop(peer);
    for _ in 0..3 {
        let mut peer = server.accept().await;
        peer.hear_resume().await;
        peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='2'/>")
            .await;
        peer.until("<r").await;
        drop(peer);
    }
    let mut peer = server.accept().await;
    // Bound anew, without being asked for the old stream: `bind` would hear `<resume/>` first.
    peer.accept_login().await;
    let heard = peer.until("</iq>").await;
    assert!(!heard.contains("<resume"), "{heard}");
}

#[tokio::test]
async fn a_server_that_resumes_with_an_impossible_count_is_left_and_asked_no_more() {
    let (server, client, peer) = online().await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.hear_resume().await;
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='77'/>")
        .await;
    let reason = client
        .status(|status| {
            matches!(status, ConnectionStatus::Offline { reason, .. }
                if reason.contains("acknowledged"))
        })
        .await;
    assert!(matches!(reason, ConnectionStatus::Offline { .. }));
    let _peer = server.welcome().await;
    client.online().await;
}

#[tokio::test]
async fn a_call_signal_in_flight_at_a_cut_is_sent_again_while_it_is_young() {
    let (server, client, mut peer) = online().await;
    let signal = CallSignal::new(SignalKind::HangUp, "s");
    let id = client.client.signal(9, &signal).await.unwrap();
    peer.until(&id).await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.hear_resume().await;
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='2'/>")
        .await;
    peer.until(&id).await;
}

#[tokio::test]
async fn a_message_nobody_took_over_is_told_again_by_the_next_run() {
    let store = Store::in_memory().unwrap();
    let server = Server::web_socket().await;
    let mut client = run(&server, store.clone());
    let mut peer = server.welcome().await;
    for (id, body) in [
        ("66f0aa000102030405000001", "taken"),
        ("66f0aa000102030405000002", "not"),
    ] {
        peer.say(&message(id, body)).await;
        assert_eq!(client.message().await.body, body);
    }
    store.taken("66f0aa000102030405000001").await.unwrap();
    client.task.abort();
    let mut client = run(&server, store.clone());
    assert_eq!(client.message().await.body, "not");
    // The server sends it again as well; it is still told once.
    let mut peer = server.welcome().await;
    peer.say(&message("66f0aa000102030405000002", "not")).await;
    peer.say(&message("66f0aa000102030405000003", "next")).await;
    assert_eq!(client.message().await.body, "next");
}

#[tokio::test]
async fn a_message_the_server_wants_later_is_sent_again_before_those_behind_it() {
    let (_server, client, mut peer) = online().await;
    let early = text(9, "early");
    client.client.send(early.clone()).await.unwrap();
    assert_eq!(heard_body(&mut peer).await, "early");
    let id = &early.id;
    peer.say(&format!("<message xmlns='jabber:client' type='error' id='{id}' from='9-7@localhost'><error code='500' type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")).await;
    peer.acknowledge(3).await;
    // Everything said so far is dealt with once this is answered.
    peer.say("<r xmlns='urn:xmpp:sm:3'/>").await;
    peer.until("<a ").await;
    client.client.send(text(9, "behind it")).await.unwrap();
    client
        .client
        .send(text(8, "of another dialog"))
        .await
        .unwrap();
    assert_eq!(heard_body(&mut peer).await, "of another dialog");
    peer.acknowledge(4).await;
    assert_eq!(heard_body(&mut peer).await, "early");
    assert_eq!(heard_body(&mut peer).await, "behind it");
    assert!(client.store.refused_messages(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn asking_for_a_new_connection_resumes_at_once() {
    let (server, client, _peer) = online().await;
    client.client.reconnect();
    let mut peer = server.accept().await;
    let resumed = tokio::time::timeout(Duration::from_secs(5), peer.hear_resume()).await;
    assert!(has(&resumed.unwrap(), "previd", "stream-1"));
}
