//! A recorded file, played by GStreamer's own elements.

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

/// What came out of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    /// When each decoded buffer is shown or heard, from the beginning of the file.
    pub times: Vec<Duration>,
    /// Where the last one ends.
    pub end: Duration,
}

/// Both streams of a file; an end that is missing is where it stops, not an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    pub video: Stream,
    pub audio: Stream,
}

/// Blocks until all of it is decoded: H264 and Opus.
pub fn play(file: &Path) -> Played {
    decode(file, "h264parse ! avdec_h264 max-threads=1")
}

/// As [`play`], of VP8.
#[allow(dead_code)] // Not every crate that plays has files of it.
pub fn play_vp8(file: &Path) -> Played {
    decode(file, "vp8dec")
}

fn decode(file: &Path, decoder: &str) -> Played {
    gst::init().unwrap();
    // GStreamer 1.22 reads the sample rate of Opus in the wrong byte order, and would refuse it.
    let pipeline = gst::parse::launch(&format!(
        "filesrc name=file ! qtdemux name=demux \
         demux.video_0 ! queue max-size-time=0 max-size-buffers=0 max-size-bytes=0 \
           ! {decoder} ! appsink name=video sync=false async=false \
         demux.audio_0 ! queue max-size-time=0 max-size-buffers=0 max-size-bytes=0 \
           ! capssetter join=true caps=audio/x-opus,rate=48000 ! opusdec ! appsink name=audio sync=false async=false",
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let element = |name: &str| pipeline.by_name(name).unwrap();
    element("file").set_property("location", file);
    let collect = |name: &str| {
        let sink = element(name).downcast::<gst_app::AppSink>().unwrap();
        std::thread::spawn(move || drain(&sink))
    };
    // In this order: a sink that is not started yet gives nothing and does not wait.
    pipeline.set_state(gst::State::Playing).unwrap();
    let (video, audio) = (collect("video"), collect("audio"));
    // Not until the pipeline's own end of stream: it is not told of one that comes before the
    // pipeline has reached PLAYING, as a short file's does.
    let bus = pipeline.bus().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut failed: Option<Instant> = None;
    while !(video.is_finished() && audio.is_finished()) {
        let tick = gst::ClockTime::from_mseconds(20);
        if bus
            .timed_pop_filtered(tick, &[gst::MessageType::Error])
            .is_some()
        {
            failed.get_or_insert(Instant::now());
        }
        // The demuxer ends what it has begun by itself, but a stream it never found has no end.
        if failed.is_some_and(|at| at.elapsed() > Duration::from_secs(1)) {
            for name in ["video", "audio"] {
                let pad = element(name).static_pad("sink").unwrap();
                pad.send_event(gst::event::Eos::new());
            }
        }
        assert!(Instant::now() < deadline, "{} never ends", file.display());
    }
    let played = Played {
        video: video.join().unwrap(),
        audio: audio.join().unwrap(),
    };
    pipeline.set_state(gst::State::Null).unwrap();
    played
}

fn drain(sink: &gst_app::AppSink) -> Stream {
    let mut stream = Stream::default();
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(20)) {
        let buffer = sample.buffer().unwrap();
        let segment = sample.segment().unwrap();
        let segment = segment.downcast_ref::<gst::ClockTime>().unwrap();
        let Some(time) = segment.to_running_time(buffer.pts()) else {
            continue;
        };
        let time = Duration::from_nanos(time.nseconds());
        let length = buffer.duration().map_or(0, gst::ClockTime::nseconds);
        stream.end = time + Duration::from_nanos(length);
        stream.times.push(time);
    }
    stream
}
