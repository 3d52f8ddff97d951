//! What is sent follows what the network carries, and what is asked for.

use std::time::{Duration, Instant};

use cubelet::media::peer::PeerSettings;
use cubelet::media::{Ceiling, VideoCodec, VideoSourceKind, VideoSourceSettings};
use cubelet::protocol::call_signal::CallType;

use crate::recording::{Under, settings as recording_settings};
use crate::relay::{Link, RelayedCall, call_from_a_camera};
use crate::sources::jpeg_size;
use crate::support::{Device, End, camera_settings, settings, until, within};

const MS: Duration = Duration::from_millis(1);

/// Pictures with enough in them to need their bits.
async fn a_call(codec: VideoCodec) -> RelayedCall {
    let camera = VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "smpte".into(),
        },
        width: 640,
        height: 480,
        bitrate_kbps: 1_000,
        ..camera_settings()
    };
    let settings = PeerSettings {
        full_bitrate_kbps: 1_000,
        min_bitrate_kbps: 64,
        ..settings(CallType::Video, codec)
    };
    call_from_a_camera(camera, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_path_gets_less_and_a_wide_one_more_again() {
    let call = a_call(VideoCodec::H264).await;
    let sender = &call.caller.peer;
    call.relay.link.send_replace(Link {
        kbps: Some(300),
        queue: 400 * MS,
        ..Link::default()
    });
    until(sender, "less to be sent", |stats| {
        stats.target_kbps < 280 && stats.encoder.is_some_and(|encoder| encoder.kbps < 280)
    })
    .await;
    let received = call.callee.peer.stats().frames_decoded;
    until(&call.callee.peer, "pictures go on", |stats| {
        stats.frames_decoded > received + 60
    })
    .await;
    call.relay.link.send_replace(Link::default());
    let narrow = sender.stats().target_kbps;
    until(sender, "more to be sent", |stats| {
        stats.target_kbps > narrow * 2 && stats.encoder.is_some_and(|one| one.kbps > narrow * 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_camera_is_limited_to_the_network_is_not_tried_beyond() {
    let call = a_call(VideoCodec::H264).await;
    let sender = &call.caller.peer;
    until(sender, "a good rate", |stats| stats.target_kbps > 400).await;
    call.devices[0].video.set_ceiling(Ceiling {
        kbps: Some(200),
        ..Ceiling::default()
    });
    until(sender, "a low rate", |stats| {
        stats.target_kbps <= 200 && stats.encoder.is_some_and(|encoder| encoder.kbps <= 200)
    })
    .await;
    call.devices[0].video.set_ceiling(Ceiling::default());
    until(sender, "a good rate again", |stats| stats.target_kbps > 400).await;
}

/// What pictures that need every bit take in their first second on a path that takes all, kbit/s.
async fn first_second(start_bitrate_kbps: u32) -> usize {
    let camera = VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "snow".into(),
        },
        width: 640,
        height: 480,
        bitrate_kbps: 2_000,
        ..camera_settings()
    };
    let settings = PeerSettings {
        full_bitrate_kbps: 2_000,
        start_bitrate_kbps,
        ..settings(CallType::Video, VideoCodec::H264)
    };
    let call = call_from_a_camera(camera, settings).await;
    let mut pictures = call.relay.first_second.subscribe();
    let pictures = within("a second", pictures.wait_for(|pictures| pictures.is_over)).await;
    pictures.unwrap().bytes * 8 / 1_000
}

/// From either start it goes up by some half in that second, and down by half at the most.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_begin_with_the_start_that_is_configured() {
    let (low, high) = (first_second(300).await, first_second(1_600).await);
    assert!((150..=600).contains(&low), "{low} kbit/s");
    assert!((800..=3_000).contains(&high), "{high} kbit/s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_outside_of_the_bounds_is_the_nearest_within() {
    let device = Device::start();
    for (start_bitrate_kbps, max_bitrate_kbps, begins) in [
        (400, None, 400),
        (30, None, 64),
        (1_000, None, 900),
        (1_000, Some(700), 700),
    ] {
        let settings = PeerSettings {
            start_bitrate_kbps,
            max_bitrate_kbps,
            full_bitrate_kbps: 900,
            min_bitrate_kbps: 64,
            ..settings(CallType::Video, VideoCodec::H264)
        };
        let peer = End::new(settings, &device).await.peer;
        assert_eq!(peer.stats().target_kbps, begins);
    }
}

async fn pictures_shrink_and_grow(codec: VideoCodec) {
    let call = a_call(codec).await;
    let (sender, receiver) = (&call.caller.peer, &call.callee.peer);
    let newest = || {
        receiver
            .last_frames()
            .last()
            .and_then(|frame| jpeg_size(&frame.jpeg))
    };
    until(receiver, "a full picture", |_| newest() == Some((640, 480))).await;
    sender.set_max_bitrate(Some(100));
    until(receiver, "a small picture", |_| {
        newest() == Some((320, 240))
    })
    .await;
    until(receiver, "fewer pictures", |stats| {
        (10..=18).contains(&stats.fps_decoded)
    })
    .await;
    let encoder = sender.stats().encoder.unwrap();
    let shape = (encoder.width, encoder.height, encoder.framerate);
    assert_eq!((encoder.kbps, shape), (100, (320, 240, 15)));
    sender.set_max_bitrate(None);
    until(receiver, "a full picture again", |_| {
        newest() == Some((640, 480))
    })
    .await;
    until(receiver, "all pictures again", |stats| {
        stats.fps_decoded >= 25
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_pictures_get_fewer_and_smaller_in_a_running_call() {
    pictures_shrink_and_grow(VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_pictures_get_fewer_and_smaller_in_a_running_call() {
    pictures_shrink_and_grow(VideoCodec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_height_holds_in_a_running_call_and_what_is_being_recorded_keeps_its_size() {
    let call = a_call(VideoCodec::H264).await;
    let (camera, receiver) = (&call.devices[0], &call.callee.peer);
    let newest = || {
        let frames = receiver.last_frames();
        frames.last().and_then(|frame| jpeg_size(&frame.jpeg))
    };
    until(receiver, "a full picture", |_| newest() == Some((640, 480))).await;
    camera.video.set_ceiling(Ceiling {
        height: Some(241),
        ..Ceiling::default()
    });
    let small = Some((320, 240));
    until(receiver, "a small picture", |_| newest() == small).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = recording_settings(&folder.path().join("small.mp4"));
    let mut under = Under::start(settings, camera);
    under.until(Duration::from_secs(1)).await;
    camera.video.set_ceiling(Ceiling::default());
    let seen = receiver.stats().frames_decoded;
    until(receiver, "pictures while it is recorded", |stats| {
        stats.frames_decoded > seen + 60
    })
    .await;
    assert_eq!(newest(), small);
    under.finish().await;
    until(receiver, "a full picture again", |_| {
        newest() == Some((640, 480))
    })
    .await;
}

/// Share of the time of so many pictures that they stood still at the far side.
async fn frozen(call: &RelayedCall, pictures: u64) -> f64 {
    let (began, before) = (Instant::now(), call.callee.peer.stats().frozen);
    let sent = call.caller.peer.stats().frames_sent;
    until(&call.caller.peer, "pictures", |stats| {
        stats.frames_sent > sent + pictures
    })
    .await;
    let frozen = call.callee.peer.stats().frozen - before;
    frozen.as_secs_f64() / began.elapsed().as_secs_f64()
}

/// Exact figures are those of `bench/media/impaired.mjs`; a machine that is busy freezes pictures
/// as well.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_keep_moving_while_packets_are_lost() {
    let call = a_call(VideoCodec::H264).await;
    call.relay.link.send_modify(|link| link.loss = 0.02);
    let frozen = frozen(&call, 240).await;
    assert!(frozen <= 0.05, "{frozen}: {:?}", call.callee.peer.stats());
    assert!(call.callee.peer.stats().video_received.lost > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_keep_moving_on_a_slow_link() {
    let call = a_call(VideoCodec::H264).await;
    call.relay.link.send_replace(Link {
        kbps: Some(500),
        delay: 20 * MS,
        queue: 400 * MS,
        ..Link::default()
    });
    until(&call.caller.peer, "less to be sent", |stats| {
        stats.target_kbps < 480
    })
    .await;
    // The queue that was filled until then is emptied.
    frozen(&call, 90).await;
    let frozen = frozen(&call, 240).await;
    assert!(frozen <= 0.1, "{frozen}: {:?}", call.callee.peer.stats());
}
