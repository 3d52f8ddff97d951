//! What is heard of a call that nobody has taken yet (PC-47). What the tones sound like is tried in
//! `tests/media`.

use cubelet::engine::command::Command;
use cubelet::engine::state::{HeardTone, SpeakerStatus};

use crate::making::run_to_its_end;
use crate::settings::WITH_SPEAKER;
use crate::site::{Site, Station};

/// Card and camera are open only while somebody needs them.
const COLD: &str = "[camera]\nsource = \"test:ball\"\nwidth = 320\nheight = 240\nwarm = false\n";

async fn sounds(station: &mut Station, tone: Option<HeardTone>) {
    let what = format!("{tone:?}");
    station
        .reaches(&what, |state| state.audio.tone == tone)
        .await;
}

async fn plays(station: &mut Station) {
    station
        .reaches("an open loudspeaker", |state| {
            state.audio.speaker.status == SpeakerStatus::Playing
        })
        .await;
}

/// A door that rings `indoor`, both with a loudspeaker that nobody uses.
async fn door_and_indoor(site: &Site, calls: &str, incoming: &str) -> (Station, Station) {
    let ringing = format!("ring = [\"indoor\"]\n{calls}[audio]");
    let ringing = WITH_SPEAKER.replace("[audio]", &ringing);
    let mut door = site.station_with_camera("door", COLD, &ringing).await;
    let mut indoor = site
        .station_with_camera("indoor", COLD, &format!("{WITH_SPEAKER}{incoming}"))
        .await;
    for station in [&mut door, &mut indoor] {
        station
            .reaches("a closed loudspeaker", |state| {
                state.audio.speaker.status == SpeakerStatus::Closed
            })
            .await;
    }
    (door, indoor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_heard_at_both_ends_until_it_is_answered() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site, "", "").await;
    door.command(Command::Press).await.expect("the bell rings");
    sounds(&mut door, Some(HeardTone::Ringback)).await;
    plays(&mut door).await;
    sounds(&mut indoor, Some(HeardTone::Ring)).await;
    plays(&mut indoor).await;
    indoor.command(Command::Answer).await.expect("answered");
    sounds(&mut door, None).await;
    sounds(&mut indoor, None).await;
    indoor.is_connected().await;
    door.command(Command::Hangup).await.expect("ended");
    // Who hung up needs no tone for it.
    door.reaches("no call and a closed loudspeaker", |state| {
        state.call.call.is_none()
            && state.audio.tone.is_none()
            && state.audio.speaker.status == SpeakerStatus::Closed
    })
    .await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_rings_in_vain_hears_it_and_then_nothing() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bell = folder.path().join("bell.wav");
    run_to_its_end(&format!(
        "audiotestsrc num-buffers=20 ! audio/x-raw,rate=48000 ! wavenc ! filesink location={}",
        bell.display()
    ));
    let calls = format!("ringback = \"file:{}\"\n", bell.display());
    let (mut door, mut indoor) = door_and_indoor(&site, &calls, "").await;
    door.command(Command::Press).await.expect("the bell rings");
    sounds(&mut door, Some(HeardTone::Ringback)).await;
    plays(&mut door).await;
    indoor.rings().await;
    indoor
        .command(Command::Reject { reason: None })
        .await
        .expect("declined");
    sounds(&mut door, Some(HeardTone::Unanswered)).await;
    // Over by itself.
    sounds(&mut door, None).await;
    sounds(&mut indoor, None).await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_to_be_silent_opens_no_loudspeaker_for_a_call() {
    let site = Site::start().await;
    let silent = "[calls.incoming]\nring_tone = \"none\"\n";
    let (mut door, mut indoor) = door_and_indoor(&site, "ringback = \"none\"\n", silent).await;
    door.command(Command::Press).await.expect("the bell rings");
    indoor.rings().await;
    indoor
        .command(Command::Reject { reason: None })
        .await
        .expect("declined");
    door.ended().await;
    for station in [door, indoor] {
        let heard = station.state().audio;
        assert_eq!(heard.tone, None);
        assert_eq!(heard.speaker.status, SpeakerStatus::Closed);
        station.stop().await;
    }
    site.hub.stop().await;
}
