//! Which encoder this machine really has.
//!
//! An element that exists proves nothing: a V4L2 encoder is listed on boards whose driver refuses
//! every format. So each candidate encodes real pictures before it is trusted, hardware first.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::VideoCodec;
use super::pipeline::Pipeline;
use super::rtp::starts_key_frame;

/// What an encoder needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderTarget {
    /// Average bitrate aimed at.
    pub bitrate_kbps: u32,
    /// Pictures per second.
    pub framerate: u32,
}

/// An encoder that was seen working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// The GStreamer element.
    pub element: &'static str,
    codec: VideoCodec,
}

/// No candidate works.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no {codec} encoder works here: {tried}")]
pub struct NoEncoder {
    /// The format asked for.
    pub codec: VideoCodec,
    /// Every candidate and why it was refused.
    pub tried: String,
}

/// Hardware first; software last, the better one before the more common one.
fn candidates(codec: VideoCodec) -> &'static [&'static str] {
    match codec {
        VideoCodec::H264 => &["v4l2h264enc", "mpph264enc", "x264enc", "openh264enc"],
        VideoCodec::Vp8 => &["vp8enc"],
    }
}

impl Encoder {
    /// Whether a driver does the work, which may hang and lets nobody wait who need not.
    pub(super) fn is_hardware(self) -> bool {
        matches!(self.element, "v4l2h264enc" | "mpph264enc")
    }

    /// The encoder (named `encoder`), its output format and the RTP payloader.
    ///
    /// Key frames come when asked for: their regular distance is ten seconds, only so that a
    /// consumer that cannot ask is not blind forever.
    pub(super) fn description(self, target: EncoderTarget) -> String {
        let kbps = target.bitrate_kbps.max(50);
        let distance = target.framerate.max(1) * 10;
        let baseline = "profile=constrained-baseline,stream-format=byte-stream,alignment=au";
        let encoder = match self.element {
            // Profile and level come from caps, and unset means level 1.0; 4 covers 1080p30.
            "v4l2h264enc" => format!(
                "v4l2h264enc name=encoder extra-controls=\"controls,video_bitrate={bps},\
                 repeat_sequence_header=1,h264_i_frame_period={distance}\" \
                 ! video/x-h264,profile=constrained-baseline,level=(string)4 ! h264parse \
                 ! video/x-h264,stream-format=byte-stream,alignment=au",
                bps = kbps * 1000,
            ),
            "mpph264enc" => format!(
                "mpph264enc name=encoder bps={bps} gop={distance} profile=baseline \
                 header-mode=each-idr ! h264parse \
                 ! video/x-h264,stream-format=byte-stream,alignment=au",
                bps = kbps * 1000,
            ),
            // One thread: on a board the other cores decode, and slices would cost bitrate. No
            // access unit delimiters: RTP has the marker bit, and see the payloader below.
            "x264enc" => format!(
                "x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 aud=false \
                 bitrate={kbps} vbv-buf-capacity=500 key-int-max={distance} \
                 ! video/x-h264,{baseline}",
            ),
            "openh264enc" => format!(
                "openh264enc name=encoder usage-type=camera complexity=low rate-control=bitrate \
                 bitrate={bps} gop-size={distance} ! video/x-h264,{baseline}",
                bps = kbps * 1000,
            ),
            _ => format!(
                "vp8enc name=encoder deadline=1 cpu-used=8 threads=1 lag-in-frames=0 \
                 end-usage=cbr buffer-size=500 buffer-initial-size=300 buffer-optimal-size=400 \
                 error-resilient=partitions keyframe-max-dist={distance} target-bitrate={bps}",
                bps = kbps * 1000,
            ),
        };
        // Chromium wants a picture id to notice lost VP8 frames, and H264 parameter sets in front
        // of every key frame, as a consumer may join at any of them. It answers every key frame
        // that brings an access unit delimiter in an aggregation packet with a request for another
        // one, for ever; so nothing is aggregated, as not every encoder can be told to leave
        // delimiters out.
        let payloader = match self.codec {
            VideoCodec::H264 => "rtph264pay mtu=1200 config-interval=-1 aggregate-mode=none pt=96",
            VideoCodec::Vp8 => "rtpvp8pay mtu=1200 picture-id-mode=15-bit pt=96",
        };
        format!("{encoder} ! {payloader}")
    }

    /// Encodes three pictures and returns the RTP packets, or why it could not.
    pub(super) fn try_out(self) -> Result<Vec<gst::Buffer>, String> {
        const PICTURES: u32 = 3;
        const LIMIT: Duration = Duration::from_secs(10);
        if gst::ElementFactory::find(self.element).is_none() {
            return Err("not installed".into());
        }
        let target = EncoderTarget {
            bitrate_kbps: 1000,
            framerate: 30,
        };
        let pipeline = Pipeline::parse(
            &format!(
                "videotestsrc num-buffers={PICTURES} \
                 ! video/x-raw,format=I420,width=640,height=480,framerate=30/1 ! {} \
                 ! appsink name=out sync=false",
                self.description(target)
            ),
            |_| {},
        )?;
        let output: gst_app::AppSink = pipeline.element("out")?;
        pipeline.play()?;
        let deadline = Instant::now() + LIMIT;
        let mut packets = Vec::new();
        let mut key = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = gst::ClockTime::from_mseconds(left.as_millis() as u64);
            let Some(sample) = output.try_pull_sample(wait) else {
                break;
            };
            if let Some(buffer) = sample.buffer_owned() {
                key |= buffer.map_readable().is_ok_and(|map| {
                    // Behind the fixed header of a payloader that adds no extensions.
                    starts_key_frame(self.codec, map.get(12..).unwrap_or_default())
                });
                packets.push(buffer);
            }
        }
        match (pipeline.play().err(), key) {
            (_, true) => Ok(packets),
            (Some(reason), false) => Err(reason),
            (None, false) => Err(format!("no key frame within {LIMIT:?}")),
        }
    }
}

/// How often one may die before another is chosen.
const DEATHS: usize = 2;

/// Encoders that died while they were used, once each time.
static DIED: Mutex<Vec<(VideoCodec, &'static str)>> = Mutex::new(Vec::new());

/// An encoder died while it was used. One that does so twice is passed over from then on, unless
/// there is no other.
pub(super) fn distrust(codec: VideoCodec, element: &'static str) {
    DIED.lock().push((codec, element));
    if !is_trusted(codec, element) {
        tracing::warn!(%codec, element, "an encoder that dies is passed over");
        CHOSEN.lock()[codec.index()] = None;
    }
}

fn is_trusted(codec: VideoCodec, element: &'static str) -> bool {
    let died = DIED.lock();
    died.iter().filter(|one| **one == (codec, element)).count() < DEATHS
}

/// Changes the bitrate of a running encoder, in whatever unit and place it keeps it.
pub(super) fn set_bitrate(encoder: &gst::Element, kbps: u32) {
    let kbps = kbps.max(50);
    let name = encoder
        .factory()
        .map(|factory| factory.name().to_string())
        .unwrap_or_default();
    match name.as_str() {
        "x264enc" => encoder.set_property("bitrate", kbps),
        "openh264enc" => encoder.set_property("bitrate", kbps * 1000),
        "vp8enc" => encoder.set_property("target-bitrate", (kbps * 1000) as i32),
        "mpph264enc" => encoder.set_property("bps", kbps * 1000),
        "v4l2h264enc" => encoder.set_property(
            "extra-controls",
            gst::Structure::builder("controls")
                .field("video_bitrate", (kbps * 1000) as i32)
                .build(),
        ),
        _ => {}
    }
}

/// A candidate and how it did, for people who wonder why this one was chosen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// The GStreamer element.
    pub element: &'static str,
    /// Why it cannot be used; none if it was seen working.
    pub refused: Option<String>,
}

/// Tries every encoder there is for a format, in order of preference: the first that works is the
/// one [`probe`] chooses. Blocks while trying.
pub fn survey(codec: VideoCodec) -> Vec<Verdict> {
    let ready = super::initialise().map_err(|error| error.to_string());
    candidates(codec)
        .iter()
        .map(|element| Verdict {
            element,
            refused: ready
                .clone()
                .and_then(|()| Encoder { element, codec }.try_out().map(|_| ()))
                .err(),
        })
        .collect()
}

static CHOSEN: Mutex<[Option<Encoder>; 2]> = Mutex::new([None, None]);

/// The first encoder that works; tried once per process and format. Blocks while trying.
///
/// # Errors
/// [`NoEncoder`] names every candidate and why it was refused; the next call tries again.
pub fn probe(codec: VideoCodec) -> Result<Encoder, NoEncoder> {
    if let Err(error) = super::initialise() {
        return Err(NoEncoder {
            codec,
            tried: error.to_string(),
        });
    }
    // Held while trying, so that two callers do not try at once.
    let mut chosen = CHOSEN.lock();
    if let Some(encoder) = chosen[codec.index()] {
        return Ok(encoder);
    }
    let mut tried = Vec::new();
    let (trusted, others): (Vec<&'static str>, Vec<_>) = candidates(codec)
        .iter()
        .copied()
        .partition(|element| is_trusted(codec, element));
    for element in trusted.into_iter().chain(others) {
        let encoder = Encoder { element, codec };
        match encoder.try_out() {
            Ok(_) => {
                tracing::info!(%codec, element, "video encoder chosen");
                chosen[codec.index()] = Some(encoder);
                return Ok(encoder);
            }
            Err(reason) => {
                tracing::debug!(%codec, element, reason, "video encoder refused");
                tried.push(format!("{element}: {reason}"));
            }
        }
    }
    Err(NoEncoder {
        codec,
        tried: tried.join("; "),
    })
}
