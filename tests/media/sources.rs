//! Cameras and microphones: what they report and how they come back.

use std::time::{Duration, Instant};

use cubelet::media::fanout::SnapshotError;
use cubelet::media::peer::PeerSettings;
use cubelet::media::sink::{PictureTap, VideoSinkKind};
use cubelet::media::source::{FeedError, PictureFeed};
use cubelet::media::{
    SourceEvent, VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use cubelet::protocol::call_signal::CallType;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{Device, End, LIMIT, call, camera_settings, sees, settings, warm, within};

async fn next(events: &mut UnboundedReceiver<SourceEvent>) -> SourceEvent {
    within("a source event", events.recv()).await.unwrap()
}

fn missing_camera() -> VideoSourceSettings {
    VideoSourceSettings {
        source: VideoSourceKind::V4l2 {
            device: "/dev/video-that-is-not-there".into(),
        },
        ..camera_settings()
    }
}

/// Width and height of a baseline JPEG, from its frame header (ITU-T T.81 B.2.2).
pub fn jpeg_size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let mut at = 2;
    loop {
        let [0xff, marker, high, low, rest @ ..] = jpeg.get(at..)? else {
            return None;
        };
        if (0xc0..=0xc2).contains(marker) {
            let height = u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]);
            let width = u16::from_be_bytes([*rest.get(3)?, *rest.get(4)?]);
            return Some((width, height));
        }
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_a_jpeg_of_the_configured_size() {
    warm().await;
    let device = Device::start();
    let jpeg = device.video.snapshot(LIMIT).await.unwrap();
    assert_eq!(jpeg_size(&jpeg), Some((320, 240)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_camera_is_reported_and_tried_again() {
    warm().await;
    let fanout = VideoFanout::new();
    let (tell, mut events) = unbounded_channel();
    let _camera = VideoSource::start(missing_camera(), fanout.clone(), tell);
    for _ in 0..2 {
        match next(&mut events).await {
            SourceEvent::Failed { reason } => {
                assert!(reason.contains("/dev/video-that-is-not-there"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_missing_camera_says_why() {
    warm().await;
    let fanout = VideoFanout::new();
    let (tell, mut events) = unbounded_channel();
    let _camera = VideoSource::start(missing_camera(), fanout.clone(), tell);
    next(&mut events).await;
    match fanout.snapshot(LIMIT).await {
        Err(SnapshotError::Source(reason)) => {
            assert!(reason.contains("/dev/video-that-is-not-there"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_camera_there_is_no_snapshot() {
    let nothing = VideoFanout::new().snapshot(Duration::from_millis(50)).await;
    assert_eq!(nothing, Err(SnapshotError::NoSource));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_camera_gives_no_snapshot_and_says_so_at_once() {
    warm().await;
    let device = Device::start();
    device.video.snapshot(LIMIT).await.unwrap();
    device.camera.as_ref().unwrap().set_muted(true);
    let refused = device.video.snapshot(LIMIT).await;
    assert_eq!(refused, Err(SnapshotError::Covered));
    device.camera.as_ref().unwrap().set_muted(false);
    assert!(device.video.snapshot(LIMIT).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_runs_only_while_somebody_looks() {
    warm().await;
    let mut device = Device::start();
    let running = |encoder: Option<&str>| SourceEvent::Running {
        encoder: encoder.map(str::to_owned),
    };
    assert_eq!(next(&mut device.camera_events).await, running(None));
    let consumer = device.video.subscribe(VideoCodec::Vp8);
    assert_eq!(
        next(&mut device.camera_events).await,
        running(Some("vp8enc"))
    );
    drop(consumer);
    assert_eq!(next(&mut device.camera_events).await, running(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_no_camera_can_have_are_reported() {
    warm().await;
    for (settings, reason) in [
        (
            VideoSourceSettings {
                width: 321,
                ..camera_settings()
            },
            "width 321",
        ),
        (
            VideoSourceSettings {
                framerate: 0,
                ..camera_settings()
            },
            "framerate 0",
        ),
        (
            VideoSourceSettings {
                source: VideoSourceKind::Test {
                    pattern: "no-such".into(),
                },
                ..camera_settings()
            },
            "no-such",
        ),
    ] {
        let (tell, mut events) = unbounded_channel();
        let _camera = VideoSource::start(settings, VideoFanout::new(), tell);
        match next(&mut events).await {
            SourceEvent::Failed { reason: told } => assert!(told.contains(reason), "{told}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_source_says_that_it_stopped() {
    warm().await;
    let mut device = Device::start();
    next(&mut device.camera_events).await;
    drop(device.camera.take());
    assert_eq!(next(&mut device.camera_events).await, SourceEvent::Stopped);
}

/// What an application draws is what the far side's application sees.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_an_application_reach_the_application_of_the_far_side() {
    warm().await;
    let feed = PictureFeed::new();
    assert_eq!(feed.push(Vec::new()), Err(FeedError::Closed));
    let door = Device::with(VideoSourceSettings {
        source: VideoSourceKind::Feed(feed.clone()),
        ..camera_settings()
    });
    let room = Device::start();
    let (brightness, mut seen) = tokio::sync::watch::channel((0, 0, 0));
    let tap = PictureTap::new(move |picture| {
        let (luma, stride) = picture.planes[0];
        let middle = luma[stride * (picture.height as usize / 2) + picture.width as usize / 2];
        brightness.send_replace((picture.width, picture.height, middle));
    });
    let mut caller = End::new(settings(CallType::Video, VideoCodec::H264), &door).await;
    let mut callee = End::new(
        PeerSettings {
            video_sink: VideoSinkKind::Tap(tap),
            ..settings(CallType::Video, VideoCodec::H264)
        },
        &room,
    )
    .await;
    let drawing = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(33));
        loop {
            tick.tick().await;
            // Closed until the camera's thread has opened it.
            let _ = feed.push(vec![200; 320 * 240 * 3 / 2]);
            assert!(!matches!(feed.push(vec![0; 7]), Ok(())));
        }
    });
    call(&mut caller, &mut callee, |_, callee| sees(callee)).await;
    within(
        "the picture drawn",
        seen.wait_for(|(width, height, middle)| {
            (*width, *height) == (320, 240) && middle.abs_diff(200) < 8
        }),
    )
    .await
    .unwrap();
    drawing.abort();
}

/// Frames of H264 until `enough`; the runs they are of.
pub async fn watch_until(
    watching: &cubelet::media::fanout::Subscription,
    mut enough: impl FnMut(u32) -> bool,
) -> std::collections::HashSet<cubelet::media::rtp::RunId> {
    let mut runs = std::collections::HashSet::new();
    let mut frames = 0;
    while !enough(frames) {
        let frame = within("a frame", watching.next()).await;
        frames += 1;
        runs.insert(frame.run);
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_pulled_shows_a_placeholder_in_the_same_stream_and_comes_back() {
    warm().await;
    let fanout = VideoFanout::new();
    let feed = PictureFeed::new();
    let (tell, mut events) = unbounded_channel();
    let settings = VideoSourceSettings {
        source: VideoSourceKind::Feed(feed.clone()),
        ..camera_settings()
    };
    let _camera = VideoSource::start(settings, fanout.clone(), tell);
    let watching = fanout.subscribe(VideoCodec::H264);
    let picture = vec![0x50; 320 * 240 * 3 / 2];
    let filming = {
        let feed = feed.clone();
        tokio::spawn(async move {
            loop {
                // Closed while the source is being opened.
                let _ = feed.push(picture.clone());
                tokio::time::sleep(Duration::from_millis(33)).await;
            }
        })
    };
    let before = watch_until(&watching, |frames| frames == 10).await;
    assert_eq!(before.len(), 1);
    filming.abort();
    let pulled = Instant::now();
    feed.close();
    // What was on its way comes first; the placeholder has five pictures a second.
    let during = watch_until(&watching, |frames| frames == 20).await;
    println!("20 frames within {:?} of the pull", pulled.elapsed());
    assert_eq!(during, before, "the same encoder goes on");
    loop {
        if let SourceEvent::Failed { reason } = next(&mut events).await {
            assert_eq!(reason, "the camera ended its stream");
            break;
        }
    }
    assert!(matches!(
        fanout.snapshot(LIMIT).await,
        Err(SnapshotError::Source(_))
    ));
    // Plugged in again.
    let filming = tokio::spawn(async move {
        loop {
            let _ = feed.push(vec![0x50; 320 * 240 * 3 / 2]);
            tokio::time::sleep(Duration::from_millis(33)).await;
        }
    });
    loop {
        if let SourceEvent::Running { .. } = next(&mut events).await {
            break;
        }
    }
    let after = watch_until(&watching, |frames| frames == 10).await;
    assert_eq!(after, before, "and still");
    assert!(fanout.snapshot(LIMIT).await.is_ok());
    filming.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_was_never_there_shows_the_placeholder() {
    warm().await;
    let fanout = VideoFanout::new();
    let (tell, mut events) = unbounded_channel();
    let _camera = VideoSource::start(missing_camera(), fanout.clone(), tell);
    assert!(matches!(
        next(&mut events).await,
        SourceEvent::Failed { .. }
    ));
    let watching = fanout.subscribe(VideoCodec::H264);
    let runs = watch_until(&watching, |frames| frames == 5).await;
    assert_eq!(runs.len(), 1);
    drop(watching);
    let mut demand = fanout.demand();
    let unwanted = demand.wait_for(|demand| !demand.wants(VideoCodec::H264));
    within("the end of the demand", unwanted).await.unwrap();
}

/// The figure of docs/design/media.md; nobody's assertion.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints how long a pulled camera shows nothing; for a quiet machine"]
async fn how_long_a_pulled_camera_shows_nothing() {
    warm().await;
    let fanout = VideoFanout::new();
    let feed = PictureFeed::new();
    let (tell, _events) = unbounded_channel();
    let settings = VideoSourceSettings {
        source: VideoSourceKind::Feed(feed.clone()),
        ..camera_settings()
    };
    let _camera = VideoSource::start(settings, fanout.clone(), tell);
    let watching = fanout.subscribe(VideoCodec::H264);
    for _ in 0..5 {
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let _ = feed.push(vec![0x50; 320 * 240 * 3 / 2]);
            tokio::time::sleep(Duration::from_millis(33)).await;
        }
        let pulled = Instant::now();
        feed.close();
        loop {
            let frame = watching.next().await;
            // Later than a picture that was on its way.
            if frame.encoded_at > pulled + Duration::from_millis(50) {
                println!(
                    "the first placeholder after {:?}",
                    frame.encoded_at - pulled
                );
                break;
            }
        }
    }
}
