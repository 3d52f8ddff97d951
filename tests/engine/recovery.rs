//! What is left standing when a part dies in a call.

use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::{EventKind, RingPhase};
use cubelet::engine::ringing_command::{RingingCommand, Stop};
use cubelet::engine::state::{CallStatus, ChatStatus};

use crate::site::{Site, Station, door_and_indoor, talk, user};

async fn kill(station: &mut Station, actor: &str) {
    station
        .command(Command::Kill {
            actor: actor.into(),
        })
        .await
        .expect("killed");
    station
        .reaches("the actor back from the dead", |state| {
            let health = &state.health[actor];
            health.alive && health.restarts == 1 && health.last_end.as_deref() == Some("panicked")
        })
        .await;
}

/// Waits until pictures and sound of the other side have grown from where they are now.
async fn goes_on(station: &mut Station) {
    let before = station.state().call.media.unwrap_or_default();
    station
        .reaches("more pictures and sound", |state| {
            let media = state.call.media.unwrap_or_default();
            state.call.status == CallStatus::Connected
                && media.frames_decoded > before.frames_decoded + 15
                && media.audio_decoded_ms > before.audio_decoded_ms + 500
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_the_death_of_every_actor_but_its_own() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    for actor in ["store", "session", "chat", "camera", "audio", "door"] {
        kill(&mut door, actor).await;
        goes_on(&mut indoor).await;
        goes_on(&mut door).await;
        assert_eq!(
            indoor.state().call.status,
            CallStatus::Connected,
            "after {actor}"
        );
    }
    // The store that came back keeps messages again, the chat that came back carries signals.
    let send = Command::Send(Box::new(Draft {
        to: Some(user("indoor")),
        text: "still here".into(),
        ..Draft::default()
    }));
    door.command(send).await.expect("stored");
    door.reaches("online", |state| state.chat.status == ChatStatus::Online)
        .await;
    door.command(Command::Hangup).await.expect("hung up");
    assert_eq!(indoor.ended().await, "remote_hung_up");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_own_actor_dies_is_ended_on_both_sides_and_the_next_one_works() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    kill(&mut door, "calls").await;
    assert_eq!(door.ended().await, "internal");
    let reason = door
        .events
        .hear("the record of the call", |event| match event {
            EventKind::CallRecord(record) => Some(record.reason.clone()),
            _ => None,
        })
        .await;
    assert_eq!(reason, "internal");
    assert_eq!(indoor.ended().await, "remote_hung_up");
    door.reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    indoor
        .reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    talk(&mut door, &mut indoor).await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_hub_gone_the_bell_is_refused_at_once_and_the_state_says_why() {
    let site = Site::start().await;
    let (mut door, indoor) = door_and_indoor(&site).await;
    // Known from before, so that only the connection is missing.
    door.command(Command::Ring {
        targets: Vec::new(),
    })
    .await
    .expect("rung");
    door.command(Command::Hangup).await.expect("hung up");
    site.hub.stop().await;
    door.reaches("offline with a reason", |state| {
        state.chat.status != ChatStatus::Online && state.chat.reason.is_some()
    })
    .await;
    let refusal = door.command(Command::Press).await.expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::Unavailable, "{refusal}");
    door.events
        .hear("the press all the same", |event| match event {
            EventKind::ButtonPressed { .. } => Some(()),
            _ => None,
        })
        .await;
    door.stop().await;
    indoor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_while_the_connection_is_being_made_again_rings_when_it_is() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let lost = Command::Kill {
        actor: "chat".into(),
    };
    door.command(lost).await.expect("killed");
    door.reaches("no connection", |state| {
        state.chat.status != ChatStatus::Online
    })
    .await;
    door.command(Command::Press).await.expect("the bell rings");
    indoor.rings().await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_that_waits_for_the_connection_can_be_stopped() {
    let site = Site::start().await;
    let (mut door, indoor) = door_and_indoor(&site).await;
    site.hub.stop().await;
    door.reaches("no connection", |state| {
        state.chat.status != ChatStatus::Online
    })
    .await;
    let stop = Command::Ringing(RingingCommand::StopRinging(Stop::default()));
    for stop in [stop, Command::Hangup] {
        // Carried out in this order.
        let (pressed, stopped) = tokio::join!(door.command(Command::Press), door.command(stop));
        let refusal = pressed.expect_err("nobody is rung");
        assert_eq!(refusal.code, ErrorCode::WrongState, "{refusal}");
        let ring = stopped.expect("stopped")["ring"].clone();
        let (phase, told) = door
            .events
            .hear("the end of the ring", |event| match event {
                EventKind::Ring { phase, told } => Some((*phase, told.ring.clone())),
                _ => None,
            })
            .await;
        assert_eq!((phase, ring), (RingPhase::Stopped, told.into()));
    }
    door.stop().await;
    indoor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_an_actor_is_a_test_command_that_must_be_permitted() {
    let site = Site::start().await;
    let station = site.station("plain", "").await;
    let kill = Command::Kill {
        actor: "chat".into(),
    };
    assert_eq!(
        station.command(kill).await.expect_err("refused").code,
        ErrorCode::NotAllowed
    );
    station.stop().await;
    site.hub.stop().await;
}
