//! Chat between two devices.

use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::EventKind;

use crate::site::{Site, door_and_indoor, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_and_is_reported_sent_delivered_and_read() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let send = Command::Send(Box::new(Draft {
        to: Some(user("indoor")),
        text: "Hello".into(),
        ..Draft::default()
    }));
    let reply = door.command(send).await.expect("stored");
    let id = reply["message"].as_str().expect("an id").to_owned();
    let (from, text) = indoor
        .events
        .hear("the message", |event| match event {
            EventKind::ChatMessage {
                message,
                from,
                text,
                ..
            } if *message == id => Some((*from, text.clone())),
            _ => None,
        })
        .await;
    assert_eq!((from, text.as_str()), (door.user, "Hello"));
    for wanted in ["delivered", "read"] {
        door.events
            .hear(wanted, |event| match event {
                EventKind::ChatMarker {
                    message, marker, ..
                } if *message == id => (*marker == wanted).then_some(()),
                _ => None,
            })
            .await;
    }
    door.reaches("an empty outbox", |state| state.chat.outbox == 0)
        .await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_empty_or_too_long_or_goes_nowhere_is_refused() {
    let site = Site::start().await;
    let (door, indoor) = door_and_indoor(&site).await;
    for (to, dialog, text) in [
        (Some(user("indoor")), None, String::new()),
        (Some(user("indoor")), None, "x".repeat(5001)),
        (None, None, "x".into()),
        (Some(user("indoor")), Some("66f0".into()), "x".into()),
    ] {
        let refusal = door
            .command(Command::Send(Box::new(Draft {
                to,
                dialog,
                text,
                ..Draft::default()
            })))
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, ErrorCode::InvalidPayload, "{refusal}");
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}
