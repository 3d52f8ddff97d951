//! Rooms of standard servers (RT-25): entered, entered again, left, closed to us.

use cubelet::chat::{ChatEvent, Credentials};
use cubelet::protocol::room_presence::RoomEvent;
use cubelet::store::Store;

use crate::client::{Running, start};
use crate::peer::{Peer, Server};

const DIALOG: &str = "66f0aa000102030405000001";
const ROOM: &str = "7_66f0aa000102030405000001@muc.localhost/5";

async fn online() -> (Server, Running, Peer) {
    let server = Server::web_socket().await;
    let credentials = Credentials::with_password(5, "p");
    let client = start(server.settings(), credentials, Store::in_memory().unwrap());
    let mut peer = server.accept().await;
    peer.welcome_resumable("stream-1").await;
    client.online().await;
    (server, client, peer)
}

async fn hear_room(peer: &mut Peer) -> String {
    peer.until("<presence").await;
    let heard = peer.until(">").await;
    assert!(heard.contains(ROOM), "{heard}");
    heard
}

fn presence(kind: &str, inside: &str) -> String {
    format!(
        "<presence xmlns='jabber:client' from='{ROOM}' {kind}>\
         <x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x></presence>"
    )
}

async fn room_event(client: &mut Running) -> RoomEvent {
    client
        .event_of(|event| match event {
            ChatEvent::Room { dialog, event } => {
                assert_eq!(dialog, DIALOG);
                Some(event)
            }
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_room_is_entered_again_on_a_new_stream_and_not_on_a_resumed_one() {
    let (server, mut client, mut peer) = online().await;
    client.client.join(DIALOG).unwrap();
    hear_room(&mut peer).await;
    peer.say(&presence("", "<status code='110'/>")).await;
    assert_eq!(room_event(&mut client).await, RoomEvent::Joined);
    drop(peer);

    let mut peer = server.accept().await;
    peer.hear_resume().await;
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='stream-1' h='3'/>")
        .await;
    let heard = peer.until("<r").await;
    assert!(!heard.contains("<presence"), "{heard}");
    drop(peer);

    let mut peer = server.accept().await;
    peer.refuse_to_resume().await;
    hear_room(&mut peer).await;
}

#[tokio::test]
async fn a_room_wanted_while_offline_is_entered_with_the_connection() {
    let server = Server::web_socket().await;
    let credentials = Credentials::with_password(5, "p");
    let client = start(server.settings(), credentials, Store::in_memory().unwrap());
    client.client.join(DIALOG).unwrap();
    let mut peer = server.welcome().await;
    hear_room(&mut peer).await;
    client.client.leave(DIALOG).unwrap();
    let heard = hear_room(&mut peer).await;
    assert!(heard.contains("unavailable"), "{heard}");
}

#[tokio::test]
async fn a_room_we_were_put_out_of_is_not_entered_again() {
    let (server, mut client, mut peer) = online().await;
    client.client.join(DIALOG).unwrap();
    hear_room(&mut peer).await;
    peer.say(&presence(
        "type='unavailable'",
        "<item affiliation='none' role='none'><actor jid='9-7@localhost'/></item>\
         <status code='301'/><status code='110'/>",
    ))
    .await;
    let by = Some(9);
    assert_eq!(
        room_event(&mut client).await,
        RoomEvent::Removed { by, code: 301 }
    );
    drop(peer);
    let mut peer = server.accept().await;
    peer.refuse_to_resume().await;
    let heard = peer.until("<r").await;
    assert!(!heard.contains("<presence"), "{heard}");
}
