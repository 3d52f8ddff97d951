//! Messages in both directions, with a server whose every acknowledgement the test decides.

use cubelet::chat::{ChatEvent, Credentials, SendError};
use cubelet::protocol::call_signal::{CallSignal, SignalKind};
use cubelet::protocol::chat_message::{Incoming, OutgoingMessage};
use cubelet::store::Store;

use crate::client::{Running, start, text};
use crate::peer::{Peer, Server, message};

/// Carbons and presence, which every connection begins with.
const OPENING: u32 = 2;

fn run(server: &Server, store: Store) -> Running {
    let credentials = Credentials::with_password(5, "p");
    start(server.settings(), credentials, store)
}

async fn online() -> (Server, Running, Peer) {
    let server = Server::web_socket().await;
    let client = run(&server, Store::in_memory().unwrap());
    let peer = server.welcome().await;
    client.online().await;
    (server, client, peer)
}

/// The next message stanza of the client.
async fn heard_message(peer: &mut Peer) -> String {
    peer.until("<message").await;
    format!("<message{}", peer.until("</message>").await)
}

#[tokio::test]
async fn a_message_written_while_offline_goes_out_once_there_is_a_connection() {
    let server = Server::web_socket().await;
    let mut client = run(&server, Store::in_memory().unwrap());
    let message = text(9, "written in the dark");
    client.client.send(message.clone()).await.unwrap();
    let mut peer = server.accept().await;
    // `welcome` fails if anything but the presence is first.
    peer.welcome().await;
    let heard = heard_message(&mut peer).await;
    assert!(heard.contains(&message.id) && heard.contains("written in the dark"));
    peer.acknowledge(OPENING + 1).await;
    assert_eq!(client.acknowledged().await, message.id);
    assert_eq!(client.store.pending_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_message_not_acknowledged_goes_out_again_under_the_same_id() {
    let (server, mut client, mut peer) = online().await;
    let message = text(9, "twice on the wire");
    client.client.send(message.clone()).await.unwrap();
    assert!(heard_message(&mut peer).await.contains(&message.id));
    drop(peer);
    let mut peer = server.welcome().await;
    assert!(heard_message(&mut peer).await.contains(&message.id));
    peer.acknowledge(OPENING + 1).await;
    assert_eq!(client.acknowledged().await, message.id);
}

#[tokio::test]
async fn a_message_of_an_earlier_process_goes_out_before_new_ones() {
    let store = Store::in_memory().unwrap();
    let (old, new) = (text(9, "old"), text(9, "new"));
    store.enqueue(old.clone()).await.unwrap();
    let server = Server::web_socket().await;
    let client = run(&server, store);
    client.client.send(new.clone()).await.unwrap();
    let mut peer = server.welcome().await;
    assert!(heard_message(&mut peer).await.contains(&old.id));
    assert!(heard_message(&mut peer).await.contains(&new.id));
}

#[tokio::test]
async fn a_long_queue_goes_out_whole_and_in_order_across_a_cut() {
    let store = Store::in_memory().unwrap();
    let messages: Vec<OutgoingMessage> = (0..200).map(|n| text(9, &n.to_string())).collect();
    for message in &messages {
        store.enqueue(message.clone()).await.unwrap();
    }
    let server = Server::web_socket().await;
    let mut client = run(&server, store);
    let mut peer = server.welcome().await;
    let mut received: Vec<String> = Vec::new();
    let mut count = OPENING;
    for _ in 0..100 {
        received.push(id_of(&heard_message(&mut peer).await));
        count += 1;
        if count.is_multiple_of(10) {
            peer.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>"))
                .await;
        }
    }
    drop(peer);
    let mut peer = server.welcome().await;
    let mut count = OPENING;
    loop {
        let id = id_of(&heard_message(&mut peer).await);
        count += 1;
        peer.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>"))
            .await;
        let is_last = id == messages[199].id;
        // What a server does with an id it has: it knows it already.
        if !received.contains(&id) {
            received.push(id);
        }
        if is_last {
            break;
        }
    }
    let expected: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(received, expected);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 200 {
        acknowledged.push(client.acknowledged().await);
    }
    assert_eq!(acknowledged, expected);
    assert_eq!(client.store.pending_count().await.unwrap(), 0);
}

fn id_of(stanza: &str) -> String {
    let stanza: minidom::Element = stanza
        .replacen(
            "<message",
            "<message xmlns='jabber:client'",
            usize::from(!stanza.contains("xmlns='jabber:client'")),
        )
        .parse()
        .unwrap();
    stanza.attr("id").unwrap().to_owned()
}

#[tokio::test]
async fn a_message_the_server_bounces_is_set_aside_with_the_reason() {
    let (_server, mut client, mut peer) = online().await;
    let message = text(9, "unwelcome");
    client.client.send(message.clone()).await.unwrap();
    heard_message(&mut peer).await;
    peer.acknowledge(OPENING + 1).await;
    let id = &message.id;
    peer.say(&format!("<message xmlns='jabber:client' type='error' id='{id}' from='9-7@localhost'><error code='503' type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Service not available.</text></error></message>")).await;
    let (message_id, reason) = client
        .event_of(|event| match event {
            ChatEvent::Refused { message_id, reason } => Some((message_id, reason)),
            _ => None,
        })
        .await;
    assert_eq!(message_id, message.id);
    assert_eq!(reason, "503 Service not available.");
    let refused = client.store.refused_messages(10).await.unwrap();
    assert_eq!(refused[0].message, message);
}

#[tokio::test]
async fn an_error_for_a_call_signal_reaches_the_caller() {
    let (_server, mut client, mut peer) = online().await;
    let signal = CallSignal::new(SignalKind::HangUp, "s");
    let id = client.client.signal(9, &signal).await.unwrap();
    assert!(heard_message(&mut peer).await.contains(&id));
    peer.say(&format!("<message xmlns='jabber:client' type='error' id='{id}' from='9-7@localhost'><error code='503' type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")).await;
    let failed = client
        .event_of(|event| match event {
            ChatEvent::Incoming(Incoming::Error { id, code, .. }) => Some((id, code)),
            _ => None,
        })
        .await;
    assert_eq!(failed, (id, 503));
}

const ID: &str = "66f0aa000102030405000042";

#[tokio::test]
async fn a_repeated_message_is_shown_once_and_confirmed_each_time() {
    let (server, mut client, mut peer) = online().await;
    peer.say(&message(ID, "hello")).await;
    assert_eq!(client.message().await.id, ID);
    let marker = heard_message(&mut peer).await;
    assert!(
        marker.contains("received") && marker.contains(ID),
        "{marker}"
    );
    drop(peer);
    let mut peer = server.welcome().await;
    peer.say(&message(ID, "hello")).await;
    let marker = heard_message(&mut peer).await;
    assert!(
        marker.contains("received") && marker.contains(ID),
        "{marker}"
    );
    peer.say(&message("66f0aa000102030405000043", "next")).await;
    assert_eq!(client.message().await.body, "next");
}

#[tokio::test]
async fn our_own_messages_of_other_devices_and_groups_are_not_confirmed() {
    let (_server, mut client, mut peer) = online().await;
    let inner = message(ID, "copy").replace("9-7@localhost/other", "5-7@localhost/other");
    peer.say(&format!("<message xmlns='jabber:client' type='chat' from='5-7@localhost' to='5-7@localhost/x'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></sent></message>")).await;
    assert!(client.message().await.is_own_copy);
    peer.say("<message xmlns='jabber:client' type='groupchat' id='66f0aa000102030405000044' from='7_66f0aa000102030405000001@muc.localhost/5' to='5-7@localhost'><body>echo</body></message>").await;
    assert_eq!(client.message().await.body, "echo");
    peer.say(&message("66f0aa000102030405000045", "of another"))
        .await;
    // The first marker on the wire is for the third message.
    let marker = heard_message(&mut peer).await;
    assert!(marker.contains("66f0aa000102030405000045"), "{marker}");
}

#[tokio::test]
async fn the_server_is_told_of_a_message_only_once_it_is_noted() {
    let (_server, mut client, mut peer) = online().await;
    peer.say(&message(ID, "hello")).await;
    client.message().await;
    assert!(!client.store.first_sighting(ID).await.unwrap());
    peer.say("<r xmlns='urn:xmpp:sm:3'/>").await;
    peer.until("<a ").await;
    let answer = peer.until("/>").await;
    assert!(
        answer.contains("h='1'") || answer.contains("h=\"1\""),
        "{answer}"
    );
}

#[tokio::test]
async fn what_xml_cannot_carry_is_refused_before_it_is_stored() {
    let server = Server::web_socket().await;
    let client = run(&server, Store::in_memory().unwrap());
    let message = OutgoingMessage {
        custom: vec![("not a name".into(), "x".into())],
        ..text(9, "x")
    };
    let outcome = client.client.send(message).await;
    assert!(
        matches!(outcome, Err(SendError::Unsendable(_))),
        "{outcome:?}"
    );
    let outcome = client.client.send(text(9, &"x".repeat(70_000))).await;
    assert!(
        matches!(outcome, Err(SendError::TooLong { .. })),
        "{outcome:?}"
    );
    assert_eq!(client.store.pending_count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_unsendable_message_in_the_store_does_not_hold_up_a_web_socket() {
    poison_is_set_aside(Server::web_socket().await).await;
}

#[tokio::test]
async fn an_unsendable_message_in_the_store_does_not_hold_up_a_stream() {
    poison_is_set_aside(Server::tls().await).await;
}

async fn poison_is_set_aside(server: Server) {
    let store = Store::in_memory().unwrap();
    let poison = OutgoingMessage {
        custom: vec![("not a name".into(), "x".into())],
        ..text(9, "poison")
    };
    store.enqueue(poison.clone()).await.unwrap();
    store.enqueue(text(9, "fine")).await.unwrap();
    let mut client = run(&server, store.clone());
    let mut peer = server.welcome().await;
    let heard = heard_message(&mut peer).await;
    assert!(heard.contains("fine"), "{heard}");
    let refused = client
        .event_of(|event| match event {
            ChatEvent::Refused { message_id, .. } => Some(message_id),
            _ => None,
        })
        .await;
    assert_eq!(refused, poison.id);
    assert_eq!(store.refused_messages(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_ping_measures_the_way_to_the_server() {
    let (_server, client, mut peer) = online().await;
    let handle = client.client.clone();
    let ping = tokio::spawn(async move { handle.ping().await });
    peer.until("<iq").await;
    let request = peer.until("ping'").await;
    let at = request.find(":ping").unwrap();
    let id = &request[at - 24..at + 5];
    peer.say(&format!(
        "<iq xmlns='jabber:client' type='result' id='{id}' from='localhost'/>"
    ))
    .await;
    ping.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_waits_for_what_is_under_way_and_says_goodbye() {
    let (_server, client, mut peer) = online().await;
    let message = text(9, "last words");
    client.client.send(message).await.unwrap();
    heard_message(&mut peer).await;
    let store = client.store.clone();
    let stopping = tokio::spawn(client.stop());
    peer.acknowledge(OPENING + 1).await;
    peer.until("<close").await;
    peer.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
        .await;
    stopping.await.unwrap();
    assert_eq!(store.pending_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_gets_the_answer_under_its_id_or_the_error_that_came_instead() {
    let (_server, client, mut peer) = online().await;
    for (answer, expected) in [
        (
            "type='result'><query xmlns='jabber:iq:last' seconds='42'/>",
            Ok(42),
        ),
        (
            "type='error'><error code='404' type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            Err("404 item-not-found".to_owned()),
        ),
    ] {
        let handle = client.client.clone();
        let asked = tokio::spawn(async move { handle.last_activity(9).await });
        peer.until("<iq").await;
        let request = peer.until("</iq>").await;
        assert!(request.contains("9-7@localhost"), "{request}");
        let at = request.find(":lastActivity").unwrap();
        let id = &request[at - 24..at + 13];
        peer.say(&format!(
            "<iq xmlns='jabber:client' id='{id}' from='9-7@localhost' {answer}</iq>"
        ))
        .await;
        let answered = asked.await.unwrap().map_err(|error| error.to_string());
        assert_eq!(answered, expected);
    }
}
