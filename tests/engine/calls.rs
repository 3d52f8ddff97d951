//! Calls between two devices.

use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::state::{CallStatus, SourceStatus};
use cubelet::protocol::call_signal::CallType;

use crate::site::{Site, door_and_indoor, talk, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_is_answered_seen_and_heard_and_hung_up_with_reasons() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    indoor.command(Command::Hangup).await.expect("hung up");
    assert_eq!(indoor.ended().await, "hung_up");
    assert_eq!(door.ended().await, "remote_hung_up");
    door.reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    assert_eq!(
        door.state().call.last_end.as_deref(),
        Some("remote_hung_up")
    );
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_call_ends_on_both_sides_with_its_reason() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    door.command(Command::Press).await.expect("the bell rings");
    indoor.rings().await;
    indoor
        .command(Command::Reject {
            reason: Some("busy cooking".into()),
        })
        .await
        .expect("told");
    assert_eq!(indoor.ended().await, "rejected");
    assert_eq!(door.ended().await, "remote_rejected");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_during_a_call_hears_busy_and_the_call_goes_on() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let mut third = site
        .station("third", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    let call = Command::Call {
        user: user("indoor"),
        call_type: CallType::Audio,
    };
    third.command(call).await.expect("dialled");
    assert_eq!(third.ended().await, "busy");
    let before = indoor.state().call.media.unwrap_or_default().frames_decoded;
    indoor
        .reaches("more pictures", |state| {
            state.call.media.unwrap_or_default().frames_decoded > before + 10
        })
        .await;
    for station in [door, indoor, third] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audio_call_has_sound_and_no_pictures() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let call = Command::Call {
        user: user("door"),
        call_type: CallType::Audio,
    };
    indoor.command(call).await.expect("dialled");
    door.rings().await;
    door.command(Command::Answer).await.expect("answered");
    for station in [&mut door, &mut indoor] {
        station
            .reaches("sound", |state| {
                state.call.media.unwrap_or_default().audio_decoded_ms > 500
            })
            .await;
        assert_eq!(
            station
                .state()
                .call
                .media
                .unwrap_or_default()
                .frames_decoded,
            0
        );
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_out_of_place_are_refused_with_their_code() {
    let site = Site::start().await;
    let (door, indoor) = door_and_indoor(&site).await;
    let code = |result: Result<_, cubelet::engine::command::CommandError>| {
        result
            .map(|_: serde_json::Value| ())
            .expect_err("refused")
            .code
    };
    assert_eq!(
        code(door.command(Command::Answer).await),
        ErrorCode::WrongState
    );
    assert_eq!(
        code(door.command(Command::Hangup).await),
        ErrorCode::WrongState
    );
    assert_eq!(
        code(door.command(Command::Reject { reason: None }).await),
        ErrorCode::WrongState
    );
    assert_eq!(
        code(indoor.command(Command::Unlock).await),
        ErrorCode::WrongState
    );
    let nobody = Command::Ring {
        targets: vec![user("nobody")],
    };
    assert_eq!(code(door.command(nobody).await), ErrorCode::NotFound);
    let myself = Command::Ring {
        targets: vec![user("door")],
    };
    assert_eq!(code(door.command(myself).await), ErrorCode::InvalidPayload);
    let none = Command::Ring {
        targets: Vec::new(),
    };
    assert_eq!(code(indoor.command(none).await), ErrorCode::InvalidPayload);
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_a_device_in_a_call_hangs_up_first() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    door.stop().await;
    assert_eq!(indoor.ended().await, "remote_hung_up");
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_a_picture() {
    let site = Site::start().await;
    let (door, indoor) = door_and_indoor(&site).await;
    let reply = door.command(Command::Snapshot).await.expect("a picture");
    assert!(reply["bytes"].as_u64().unwrap_or(0) > 500, "{reply}");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_camera_that_is_missing_shows_a_picture_in_its_place_and_the_state_says_so() {
    let site = Site::start().await;
    let rules = "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n";
    let camera = "v4l2:/dev/video-that-is-not-there";
    let mut door = site.station_seeing("door", camera, rules).await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    indoor
        .reaches("pictures that go on", |state| {
            let media = state.call.media.unwrap_or_default();
            media.frames_decoded > 10 && media.audio_decoded_ms > 1_000
        })
        .await;
    let camera = door.state().camera.clone();
    assert_eq!(camera.status, SourceStatus::Failed);
    let reason = camera.reason.expect("a reason");
    assert!(reason.contains("video-that-is-not-there"), "{reason}");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}
