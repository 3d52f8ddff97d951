//! What consumers of one camera can rely on.

use cubelet::media::fanout::Subscription;
use cubelet::media::{
    Ceiling, VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Device, camera_settings, warm, within};

async fn frames(subscription: &Subscription, count: usize) -> Vec<bool> {
    within("frames", async {
        let mut keys = Vec::new();
        while keys.len() < count {
            keys.push(subscription.next().await.key);
        }
        keys
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_consumer_starts_at_a_key_frame() {
    warm().await;
    let device = Device::start();
    for codec in VideoCodec::ALL {
        let first = device.video.subscribe(codec);
        assert!(frames(&first, 10).await[0], "the first consumer of {codec}");
        let second = device.video.subscribe(codec);
        assert!(frames(&second, 1).await[0], "a later consumer of {codec}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_consumer_loses_frames_and_nobody_else_does() {
    warm().await;
    let device = Device::start();
    let slow = device.video.subscribe(VideoCodec::H264);
    let quick = device.video.subscribe(VideoCodec::H264);
    frames(&quick, 60).await;
    assert_eq!(quick.dropped(), 0);
    assert!(slow.dropped() > 0, "it never read a single one");
    assert!(frames(&slow, 1).await[0], "it goes on with a key frame");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_frame_requests_are_answered_about_once_a_second() {
    warm().await;
    let device = Device::start();
    let consumer = device.video.subscribe(VideoCodec::H264);
    frames(&consumer, 1).await;
    let mut keys = 0;
    // Three seconds of pictures, each followed by a request.
    for _ in 0..90 {
        device.video.request_key_frame(VideoCodec::H264);
        keys += usize::from(frames(&consumer, 1).await[0]);
    }
    assert!(
        (2..=4).contains(&keys),
        "{keys} key frames in three seconds"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unasked_encoder_makes_no_key_frames() {
    warm().await;
    let device = Device::start();
    let consumer = device.video.subscribe(VideoCodec::H264);
    let keys = frames(&consumer, 60).await;
    assert_eq!(keys.iter().filter(|key| **key).count(), 1);
}

/// Chromium asks for a key frame without end when a delimiter comes in an aggregation packet.
#[tokio::test(flavor = "multi_thread")]
async fn h264_is_sent_without_delimiters_and_without_aggregation() {
    // RFC 6184 §5.2 and ISO/IEC 14496-10 table 7-1.
    const DELIMITER: u8 = 9;
    const AGGREGATION: std::ops::RangeInclusive<u8> = 24..=27;
    warm().await;
    let device = Device::start();
    let consumer = device.video.subscribe(VideoCodec::H264);
    let mut units = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let frame = within("a frame", consumer.next()).await;
        units.extend(frame.packets.iter().map(|packet| packet.payload[0] & 0x1f));
    }
    assert!(
        units.contains(&7),
        "parameter sets are in the stream: {units:?}"
    );
    assert!(!units.contains(&DELIMITER), "{units:?}");
    assert!(
        !units.iter().any(|unit| AGGREGATION.contains(unit)),
        "{units:?}"
    );
}

/// Bytes of some seconds of noise, which takes all the bitrate it is given.
async fn bytes_of_noise(limit_kbps: Option<u32>) -> usize {
    let fanout = VideoFanout::new();
    let (events, _received) = unbounded_channel();
    let settings = VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "snow".into(),
        },
        bitrate_kbps: 2000,
        ..camera_settings()
    };
    let _camera = VideoSource::start(settings, fanout.clone(), events);
    let free = fanout.subscribe(VideoCodec::H264);
    frames(&free, 1).await;
    // The limit arrives at an encoder that is already running.
    let limited = fanout.subscribe_limited(VideoCodec::H264, limit_kbps);
    frames(&limited, 30).await;
    within("frames", async {
        let mut bytes = 0;
        for _ in 0..60 {
            let frame = limited.next().await;
            bytes += frame
                .packets
                .iter()
                .map(|packet| packet.payload.len())
                .sum::<usize>();
        }
        bytes
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_limit_of_all_consumers_holds() {
    warm().await;
    let (free, limited) = tokio::join!(bytes_of_noise(None), bytes_of_noise(Some(300)));
    assert!(limited * 2 < free, "{limited} of {free} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ceiling_holds_for_those_who_joined_before_it_and_until_it_is_lifted() {
    warm().await;
    let device = Device::start();
    let free = device.video.subscribe(VideoCodec::H264);
    frames(&free, 1).await;
    let full = device.video.encoding(VideoCodec::H264).expect("it runs");
    let low = Ceiling {
        kbps: Some(200),
        framerate: Some(7),
        height: None,
    };
    for (ceiling, kbps, framerate) in [
        (low, 200, 7),
        (Ceiling::default(), full.kbps, full.framerate),
    ] {
        device.video.set_ceiling(ceiling);
        // The distance of 90 kHz stamps says how many a second there are, however busy we are.
        within("pictures at their new distance", async {
            let mut last = None;
            let mut apart = Vec::new();
            while !settled(&apart, framerate) {
                let stamp = free.next().await.rtp_timestamp;
                apart.extend(last.map(|last: u32| stamp.wrapping_sub(last)));
                last = Some(stamp);
            }
        })
        .await;
        let now = device.video.encoding(VideoCodec::H264).expect("it runs");
        assert_eq!((now.kbps, now.framerate), (kbps, framerate));
    }
}

/// Whether the last ten pictures took the time they take at this rate, give or take one of the
/// camera's.
fn settled(apart: &[u32], framerate: u32) -> bool {
    let Some(last) = apart.last_chunk::<10>() else {
        return false;
    };
    let expected = 10 * 90_000 / framerate;
    last.iter().sum::<u32>().abs_diff(expected) <= 3_100
}
