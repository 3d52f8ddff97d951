//! A camera that is covered, in a call or without one, is black to everybody (PC-35).

use std::sync::Arc;
use std::time::Duration;

use cubelet::media::VideoCodec;
use cubelet::media::fanout::Subscription;
use cubelet::media::rtp::EncodedFrame;
use cubelet::media::{VideoSourceKind, VideoSourceSettings};
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::colours::{Colour, middle};
use crate::playing::play;
use crate::recording::{Under, settings as recording_settings};
use crate::support::{Device, camera_settings, until, warm, within};

fn green() -> VideoSourceSettings {
    VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "green".into(),
        },
        ..camera_settings()
    }
}

/// What is brightest in each picture, of 255.
fn brightest(codec: VideoCodec, frames: &[Arc<EncodedFrame>]) -> Vec<u8> {
    let decoder = match codec {
        VideoCodec::H264 => "rtph264depay ! h264parse ! avdec_h264 max-threads=1",
        VideoCodec::Vp8 => "rtpvp8depay ! vp8dec",
    };
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time \
         caps=application/x-rtp,media=video,clock-rate=90000,encoding-name={codec},payload=96 \
         ! {decoder} ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let element = |name: &str| pipeline.by_name(name).unwrap();
    let source: gst_app::AppSrc = element("in").downcast().unwrap();
    let out: gst_app::AppSink = element("out").downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut sequence = 0u16;
    for frame in frames {
        for packet in &frame.packets {
            let mut bytes = vec![0x80, 96 | u8::from(packet.marker) << 7];
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(frame.rtp_timestamp.to_be_bytes());
            bytes.extend([0, 0, 0, 1]);
            bytes.extend_from_slice(&packet.payload);
            source.push_buffer(gst::Buffer::from_slice(bytes)).unwrap();
            sequence = sequence.wrapping_add(1);
        }
    }
    source.end_of_stream().unwrap();
    let mut all = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let map = sample.buffer().unwrap().map_readable().unwrap();
        all.push(map.iter().copied().max().unwrap());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    all
}

async fn next(watching: &Subscription, count: usize) -> Vec<Arc<EncodedFrame>> {
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.push(within("a picture", watching.next()).await);
    }
    frames
}

fn is_black(brightest: &u8) -> bool {
    *brightest < 24
}

/// In the middle of pictures that follow each other closely, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn from_the_moment_a_camera_is_covered_all_that_leaves_it_is_black() {
    warm().await;
    let device = Device::with(green());
    let camera = device.camera.as_ref().unwrap();
    for codec in VideoCodec::ALL {
        let watching = device.video.subscribe(codec);
        for round in 0..5 {
            next(&watching, 5 + round).await;
            camera.set_muted(true);
            let covered = next(&watching, 3).await;
            assert!(covered[0].key, "a decoder can begin with it");
            let covered = brightest(codec, &covered);
            assert_eq!(covered.len(), 3);
            assert!(covered.iter().all(is_black), "{codec} {round}: {covered:?}");
            // Who comes now sees the same.
            let late = next(&device.video.subscribe(codec), 2).await;
            assert!(brightest(codec, &late).iter().all(is_black));
            camera.set_muted(false);
            // Black that was on its way may still come.
            let shown = brightest(codec, &next(&watching, 8).await);
            assert!(!is_black(shown.last().unwrap()), "{codec}: {shown:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_call_sees_a_covered_camera_black_and_then_its_pictures_again() {
    warm().await;
    let (door, room) = (Device::with(green()), Device::start());
    let (_caller, callee) = crate::calls::established(&door, &room).await;
    let camera = door.camera.as_ref().unwrap();
    let last_is = |wanted: fn(Colour) -> bool| {
        let frames = callee.peer.last_frames();
        frames.last().is_some_and(|last| wanted(middle(&last.jpeg)))
    };
    let sees = |what: &'static str, wanted: fn(Colour) -> bool| {
        until(&callee.peer, what, move |_| last_is(wanted))
    };
    sees("green", |colour| colour == Colour::Green).await;
    for _ in 0..2 {
        camera.set_muted(true);
        sees(
            "black",
            |colour| matches!(colour, Colour::Other(rgb) if rgb.iter().all(is_black)),
        )
        .await;
        camera.set_muted(false);
        sees("green again", |colour| colour == Colour::Green).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_on_while_the_camera_is_covered() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::with(green());
    let camera = device.camera.as_ref().unwrap();
    let mut under = Under::start(
        recording_settings(&folder.path().join("visit.mp4")),
        &device,
    );
    under.until(Duration::from_millis(800)).await;
    camera.set_muted(true);
    under.until(Duration::from_secs(3)).await;
    camera.set_muted(false);
    under.until(Duration::from_secs(4)).await;
    let recording = under.finish().await;
    let file = recording.file.clone();
    let played = tokio::task::spawn_blocking(move || play(&file));
    let played = within("it plays", played).await.unwrap();
    let times = &played.video.times;
    let gap = times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap();
    assert!(gap < Duration::from_secs(1), "{gap:?} without a picture");
    let ends = (played.video.end, recording.duration);
    assert!(
        ends.0.abs_diff(ends.1) < Duration::from_millis(300),
        "{ends:?}"
    );
}
