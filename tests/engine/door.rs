//! Who may open the door.

use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::EventKind;

use crate::site::{Site, door_and_indoor, talk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_in_the_call_and_on_the_list_opens_the_door() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    indoor.command(Command::Unlock).await.expect("opened");
    let by = door
        .events
        .hear("the door is unlocked", |event| match event {
            EventKind::DoorUnlocked { by, .. } => Some(by.clone()),
            _ => None,
        })
        .await;
    assert_eq!(by, indoor.user.to_string());
    door.reaches("locked again", |state| {
        state.door.last_unlocked.is_some() && !state.door.unlocked
    })
    .await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_in_the_call_but_not_on_the_list_is_refused_and_reported() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n[door]\nrelay = \"log\"\n",
        )
        .await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    let refusal = indoor.command(Command::Unlock).await.expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::NotAllowed);
    let by = door
        .events
        .hear("the refusal", |event| match event {
            EventKind::DoorRefused { by, .. } => Some(by.clone()),
            _ => None,
        })
        .await;
    assert_eq!(by, indoor.user.to_string());
    assert!(door.state().door.last_unlocked.is_none());
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}
