//! Sound that is not sent while nobody speaks (RFC 7587 §3.1.3), recorded on either side.

use std::path::Path;
use std::time::Duration;

use cubelet::media::VideoCodec;
use cubelet::media::peer::{FarSide, PeerSettings};
use cubelet::media::recording::{Pictures, RecorderSettings, Recording};
use cubelet::protocol::call_signal::CallType;

use crate::playing::play;
use crate::recording::{STEP, Under, settings as recorded};
use crate::support::{Device, End, call, hears, sees, settings, warm};

/// Sound is there without a gap from beginning to end, and as long as the pictures.
async fn is_whole(recording: Recording) {
    let file = recording.file.clone();
    let played = tokio::task::spawn_blocking(move || play(&file));
    let played = played.await.unwrap();
    for end in [played.audio.end, played.video.end] {
        assert!(end.abs_diff(recording.duration) < STEP, "{end:?}");
    }
    let apart = played.audio.times.windows(2).map(|pair| pair[1] - pair[0]);
    let widest = apart.max().unwrap();
    assert!(widest <= Duration::from_millis(25), "a gap of {widest:?}");
}

async fn record(file: &Path, far: &FarSide) -> Recording {
    let as_sent = RecorderSettings {
        pictures: Pictures::AsSent,
        ..recorded(file)
    };
    let mut under = Under::from(as_sent, &far.video, &far.audio);
    under.until(Duration::from_secs(4)).await;
    under.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_pauses_is_recorded_without_a_gap() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::that_pauses();
    let mut under = Under::start(recorded(&folder.path().join("here.mp4")), &device);
    under.until(Duration::from_secs(4)).await;
    let recording = under.finish().await;
    is_whole(recording).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_side_that_pauses_is_heard_on_and_recorded_without_a_gap() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Device::start(), Device::that_pauses());
    let far = FarSide::default();
    let video = || settings(CallType::Video, VideoCodec::H264);
    let with_far = PeerSettings {
        far_side: Some(far.clone()),
        ..video()
    };
    let mut near = End::new(with_far, &here).await;
    let mut away = End::new(video(), &there).await;
    call(&mut near, &mut away, |near, _| sees(near) && hears(near)).await;
    let before = near.peer.stats();
    let recording = record(&folder.path().join("remote.mp4"), &far).await;
    let after = near.peer.stats();
    // More than once after a pause, and not the pauses.
    let decoded = after.audio_decoded_ms - before.audio_decoded_ms;
    assert!((400..3_000).contains(&decoded), "{decoded} ms of sound");
    is_whole(recording).await;
}
