//! Calls of several devices, and what is done in a call.

use std::collections::BTreeMap;

use cubelet::engine::call_command::{CallCommand, Conference, MediaDirection, Mute};
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::EventKind;
use cubelet::engine::state::{CallMedia, CallStatus};

use crate::site::{Site, Station, door_and_indoor, talk, user};

const LOOPBACK: &str = "[calls]\nbind = [\"127.0.0.1\"]\n";

fn confer(users: &[&str]) -> Command {
    Command::InCall(CallCommand::Confer(Conference {
        users: users.iter().map(|login| user(login)).collect(),
        call_type: None,
        info: BTreeMap::from([("door".to_owned(), "back".to_owned())]),
    }))
}

/// Waits until so many others are connected and send pictures.
async fn sees(station: &mut Station, others: usize) {
    station
        .reaches("everybody connected", |state| {
            let connected = state
                .call
                .participants
                .iter()
                .filter(|participant| participant.status == "connected");
            connected.count() == others
                && state.call.media.unwrap_or_default().frames_decoded > 5 * others as u64
        })
        .await;
}

async fn told(station: &mut Station, key: &str) -> String {
    station
        .events
        .hear("something told", |event| match event {
            EventKind::CallTold { info, .. } => info.get(key).cloned(),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_devices_in_one_call_see_each_other_and_the_caller_ends_it_for_all() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let mut third = site.station("third", LOOPBACK).await;
    let reply = door
        .command(confer(&["indoor", "third"]))
        .await
        .expect("dialled");
    for station in [&mut indoor, &mut third] {
        station.rings().await;
        let call = station.state().call;
        assert_eq!(call.call.as_deref(), reply["call"].as_str());
        assert_eq!(call.info.get("door").map(String::as_str), Some("back"));
        station.command(Command::Answer).await.expect("answered");
    }
    for station in [&mut door, &mut indoor, &mut third] {
        sees(station, 2).await;
    }
    third.command(Command::Hangup).await.expect("leaves");
    assert_eq!(third.ended().await, "hung_up");
    door.reaches("two people", |state| {
        let left = state.call.participants.iter();
        left.filter(|one| one.status == "ended").count() == 1
    })
    .await;
    assert_eq!(door.state().call.status, CallStatus::Connected);
    door.command(Command::Hangup).await.expect("ends");
    assert_eq!(door.ended().await, "hung_up");
    assert_eq!(indoor.ended().await, "remote_hung_up");
    for station in [door, indoor, third] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_is_named_with_everybodys_level() {
    const SPEAKING: &str = "[calls]\nbind = [\"127.0.0.1\"]\n[audio]\nsource = \"test:tone\"\n";
    let site = Site::start().await;
    let mut door = site.station("door", LOOPBACK).await;
    let mut one = site.station("indoor", SPEAKING).await;
    let mut other = site.station("third", SPEAKING).await;
    let call = door.command(confer(&["indoor", "third"])).await;
    call.expect("dialled");
    let mute = |audio| {
        Command::InCall(CallCommand::Mute(Mute {
            audio: Some(audio),
            video: None,
            direction: MediaDirection::Send,
            user: None,
        }))
    };
    for station in [&mut one, &mut other] {
        station.rings().await;
        station.command(Command::Answer).await.expect("answered");
        station.command(mute(true)).await.expect("muted");
    }
    for station in [&mut door, &mut one, &mut other] {
        sees(station, 2).await;
    }
    for speaks_first in [true, false] {
        let (speaker, silent) = if speaks_first {
            (&one, &other)
        } else {
            (&other, &one)
        };
        silent.command(mute(true)).await.expect("muted");
        speaker.command(mute(false)).await.expect("speaks");
        let (speaker, silent) = (speaker.user, silent.user);
        door.reaches("who speaks", |state| {
            let level = |user| {
                let mut all = state.call.participants.iter();
                let one = all.find(|one| one.user == user);
                one.and_then(|one| one.level).map(|level| level.rms_dbfs)
            };
            state.call.speaker == Some(speaker)
                && level(speaker).is_some_and(|level| (-16..-10).contains(&level))
                && level(silent).is_none_or(|level| level < -100)
        })
        .await;
    }
    let levels = door.command(Command::Levels).await.expect("levels");
    // The test microphone ticks.
    assert!(
        levels["microphone"]["peak_dbfs"].as_i64() > Some(-20),
        "{levels}"
    );
    assert_eq!(levels["participants"].as_array().map(Vec::len), Some(2));
    for station in [door, one, other] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_is_invited_into_a_call_and_sees_everybody() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let mut third = site.station("third", LOOPBACK).await;
    talk(&mut door, &mut indoor).await;
    let invite = |login| Command::InCall(CallCommand::Invite(user(login)));
    let refused = indoor.command(invite("third")).await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::WrongState, "only the caller may");
    door.command(invite("third")).await.expect("invited");
    third.rings().await;
    third.command(Command::Answer).await.expect("answered");
    for station in [&mut door, &mut indoor, &mut third] {
        sees(station, 2).await;
    }
    let again = door.command(invite("third")).await.expect_err("refused");
    assert_eq!(again.code, ErrorCode::WrongState);
    for station in [door, indoor, third] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_call_stands_still_on_both_sides_and_goes_on() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let hold = |held| Command::InCall(CallCommand::Hold(held));
    door.command(hold(true)).await.expect("held");
    assert_eq!(told(&mut indoor, "hold").await, "1");
    assert!(door.state().call.held);
    indoor
        .reaches("held by the other side", |state| {
            state.call.participants.iter().any(|one| one.holds)
        })
        .await;
    let counters = |station: &Station| station.state().call.media.unwrap_or_default();
    // The counters are shown once a second: what was on its way is in them after two.
    let pause = std::time::Duration::from_millis(2_200);
    tokio::time::sleep(pause).await;
    let still = (counters(&door), counters(&indoor));
    tokio::time::sleep(pause).await;
    let now = (counters(&door), counters(&indoor));
    // Packets move: black pictures, and what keeps the path open.
    let shown = |media: &CallMedia| {
        (
            media.frames_decoded,
            media.frames_sent,
            media.audio_decoded_ms,
        )
    };
    assert_eq!(shown(&now.0), shown(&still.0), "nothing moves");
    // Who is held is shown black, once a second.
    let black = now.1.frames_decoded - still.1.frames_decoded;
    assert!((1..=4).contains(&black), "{black} pictures");
    assert_eq!(
        (now.1.frames_sent, now.1.audio_decoded_ms),
        (still.1.frames_sent, still.1.audio_decoded_ms)
    );
    door.command(hold(false)).await.expect("resumed");
    assert_eq!(told(&mut indoor, "hold").await, "0");
    for (station, before) in [(&mut door, still.0), (&mut indoor, still.1)] {
        station
            .reaches("pictures again", |state| {
                let now = state.call.media.unwrap_or_default();
                now.frames_decoded > before.frames_decoded + 10
                    && now.audio_decoded_ms > before.audio_decoded_ms
            })
            .await;
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn muted_pictures_are_black_while_the_sound_goes_on() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let mute = |video: bool| {
        Command::InCall(CallCommand::Mute(Mute {
            audio: None,
            video: Some(video),
            direction: MediaDirection::Send,
            user: None,
        }))
    };
    let reply = door.command(mute(true)).await.expect("muted");
    assert_eq!(reply["muted"]["video"], true);
    assert_eq!(told(&mut indoor, "mute_video").await, "1");
    let muted = indoor.state().call.media.unwrap_or_default();
    indoor
        .reaches("two seconds of sound", |state| {
            state.call.media.unwrap_or_default().audio_decoded_ms > muted.audio_decoded_ms + 2_000
        })
        .await;
    let later = indoor.state().call.media.unwrap_or_default();
    // The counters may be a second old when the pictures stop.
    assert!(
        later.frames_decoded < muted.frames_decoded + 45,
        "{muted:?} {later:?}"
    );
    door.command(mute(false)).await.expect("unmuted");
    indoor
        .reaches("pictures again", |state| {
            state.call.media.unwrap_or_default().frames_decoded > later.frames_decoded + 20
        })
        .await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_that_call_each_other_at_once_end_up_in_one_call() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let call = Command::Call {
        user: user("door"),
        call_type: cubelet::protocol::call_signal::CallType::Video,
    };
    let (one, other) = tokio::join!(door.command(Command::Press), indoor.command(call));
    // One that was so much later that the other's call rang already is refused.
    assert!(one.is_ok() || other.is_ok());
    for station in [&mut door, &mut indoor] {
        if station.state().call.status == CallStatus::Ringing {
            station.command(Command::Answer).await.expect("answered");
        }
    }
    door.is_connected().await;
    indoor.is_connected().await;
    assert_eq!(door.state().call.call, indoor.state().call.call);
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_path_carries_the_call_on_whichever_side_asks() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    for asks_door in [true, false] {
        let before = indoor.state().call.media.unwrap_or_default();
        let asking = if asks_door { &door } else { &indoor };
        let reconnect = Command::InCall(CallCommand::Reconnect);
        asking.command(reconnect).await.expect("renewed");
        indoor
            .reaches("pictures over the new path", |state| {
                state.call.status == CallStatus::Connected
                    && state.call.media.unwrap_or_default().frames_decoded
                        > before.frames_decoded + 60
            })
            .await;
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_is_lost_in_mid_call_takes_nothing_with_it_and_the_hang_up_follows() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let kill = |actor: &str| Command::Kill {
        actor: actor.to_owned(),
    };
    let before = indoor.state().call.media.unwrap_or_default();
    indoor.command(kill("chat")).await.expect("killed");
    indoor.command(Command::Hangup).await.expect("hung up");
    assert_eq!(indoor.ended().await, "hung_up");
    assert!(door.state().call.media.unwrap_or_default().frames_sent > 0);
    assert!(before.frames_decoded > 0);
    assert_eq!(door.ended().await, "remote_hung_up");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_without_camera_and_display_declines_a_video_call_as_not_supported() {
    let site = Site::start().await;
    let mut door = site.station("door", LOOPBACK).await;
    let call = Command::Call {
        user: user("blind"),
        call_type: cubelet::protocol::call_signal::CallType::Video,
    };
    let blind = site.blind_station("blind").await;
    door.command(call).await.expect("dialled");
    assert_eq!(door.ended().await, "not_supported");
    door.stop().await;
    blind.stop().await;
    site.hub.stop().await;
}
