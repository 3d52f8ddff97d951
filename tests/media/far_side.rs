//! What the far side of a call sends, recorded as it was sent.

use std::time::Duration;

use cubelet::media::VideoCodec;
use cubelet::media::peer::{FarSide, PeerSettings};
use cubelet::media::recording::{EndedBy, Pictures, RecorderSettings, recover_file};
use cubelet::protocol::call_signal::CallType;

use crate::playing::play_vp8;
use crate::recording::{STEP, Under, boxes, settings as recorded};
use crate::support::{Device, End, call, sees, settings, warm};

#[tokio::test(flavor = "multi_thread")]
async fn a_far_side_that_sends_vp8_is_recorded_with_its_pictures_and_sound() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Device::start(), Device::start());
    let far = FarSide::default();
    let vp8 = || settings(CallType::Video, VideoCodec::Vp8);
    let mut near = End::new(
        PeerSettings {
            far_side: Some(far.clone()),
            ..vp8()
        },
        &here,
    )
    .await;
    let mut away = End::new(vp8(), &there).await;
    call(&mut near, &mut away, |near, _| sees(near)).await;

    let as_sent = RecorderSettings {
        pictures: Pictures::AsSent,
        ..recorded(&folder.path().join("remote.mp4"))
    };
    let mut under = Under::from(as_sent, &far.video, &far.audio);
    under.until(Duration::from_secs(3)).await;
    // As a power cut leaves it.
    let cut = folder.path().join("cut.mp4.part");
    std::fs::copy(folder.path().join("remote.mp4.part"), &cut).unwrap();
    let recording = under.finish().await;
    assert_eq!(recording.ended_by, EndedBy::Stopped);
    assert!(recording.has_video && recording.has_audio);
    assert_eq!(boxes(&recording.file), ["ftyp", "mdat", "moov"]);

    let file = recording.file.clone();
    let played = tokio::task::spawn_blocking(move || play_vp8(&file));
    let played = played.await.unwrap();
    let rate = played.video.times.len() as f64 / recording.duration.as_secs_f64();
    assert!((20.0..31.0).contains(&rate), "{rate} pictures per second");
    assert!(played.video.times.is_sorted(), "times go on");
    assert!(played.video.times[0] < STEP, "{:?}", played.video.times[0]);
    for end in [played.video.end, played.audio.end] {
        assert!(end.abs_diff(recording.duration) < STEP, "{end:?}");
    }

    let recovered = recover_file(&cut).unwrap();
    let whole = tokio::task::spawn_blocking(move || play_vp8(&recovered.file));
    let whole = whole.await.unwrap();
    assert!(
        whole.video.end.abs_diff(recovered.duration) < STEP && whole.video.times.len() > 30,
        "{} pictures until {:?}",
        whole.video.times.len(),
        whole.video.end
    );
}
