//! What a recording has from before it was ordered.

use std::fs;
use std::time::{Duration, Instant};

use cubelet::media::VideoCodec;
use cubelet::media::recording::{EndedBy, PreRoll, PreRollSettings, Recorder, RecorderSettings};
use tokio::sync::mpsc::unbounded_channel;

use crate::recording::{STEP, Under, playing, settings};
use crate::support::{Device, warm, within};

fn started(device: &Device, length: Duration) -> PreRoll {
    let settings = PreRollSettings {
        length,
        max_bytes: 64 << 20,
        picture: true,
        sound: true,
    };
    PreRoll::start(settings, &device.video, &device.audio).unwrap()
}

async fn until_held(pre_roll: &PreRoll, wanted: Duration) {
    within("so much to be kept", async {
        while pre_roll.held().length < wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_before_a_recording_was_ordered_is_in_it() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let wanted = Duration::from_secs(2);
    let pre_roll = started(&device, wanted);
    until_held(&pre_roll, wanted).await;
    let (tell, events) = unbounded_channel();
    let ordered = Instant::now();
    let recorder = Recorder::go_on(
        RecorderSettings {
            max_duration: Duration::from_secs(1),
            ..settings(&folder.path().join("a.mp4"))
        },
        pre_roll,
        tell,
    );
    let mut under = Under {
        recorder: Some(recorder),
        events,
    };
    let recording = under.outcome().await.unwrap();
    let after = ordered.elapsed();
    assert_eq!(recording.ended_by, EndedBy::MaxDuration);
    assert!(
        recording.duration >= wanted + Duration::from_millis(800),
        "{:?}, {after:?} of it after the order",
        recording.duration
    );
    let played = playing(&recording.file).await;
    assert!(played.video.times[0] < STEP, "{:?}", played.video.times[0]);
    for end in [played.video.end, played.audio.end] {
        assert!(end.abs_diff(recording.duration) < 2 * STEP, "{end:?}");
    }
    // The pictures before and after the order follow each other.
    let gaps = played.video.times.windows(2).map(|two| two[1] - two[0]);
    let longest = gaps.max().unwrap();
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pre_roll_that_was_cleared_shows_nothing_from_before() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let pre_roll = started(&device, Duration::from_secs(30));
    until_held(&pre_roll, Duration::from_secs(2)).await;
    let cleared = Instant::now();
    pre_roll.clear();
    let (tell, events) = unbounded_channel();
    let recorder = Recorder::go_on(settings(&folder.path().join("a.mp4")), pre_roll, tell);
    let mut under = Under {
        recorder: Some(recorder),
        events,
    };
    under.until(Duration::from_millis(500)).await;
    let recording = under.finish().await;
    assert!(
        recording.duration <= cleared.elapsed(),
        "{:?} recorded within {:?}",
        recording.duration,
        cleared.elapsed()
    );
}

/// The figures of docs/design/recording.md; nobody's assertion.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints what is kept in memory"]
async fn what_a_pre_roll_keeps() {
    warm().await;
    let device = Device::start();
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.unwrap().to_owned()
    };
    // Encoders run in both cases.
    let _video = device.video.subscribe(VideoCodec::H264);
    let _audio = device.audio.subscribe();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("without: {}", resident());
    let length = Duration::from_secs(10);
    let pre_roll = started(&device, length);
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("with {length:?}: {:?}, {}", pre_roll.held(), resident());
}
