//! One running encoder: raw pictures in, RTP frames out to the fanout.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::super::VideoCodec;
use super::super::encoder::{self, EncoderTarget};
use super::super::fanout::{Encoding, VideoPublisher};
use super::super::pipeline::{End, Pipeline};
use super::super::rate::{Most, Pace, Picture, Reduction};
use super::super::rtp::{FrameAssembler, Packet, RunId, starts_key_frame};
use super::encoder_input::EncoderInput;
use super::same_thread::SameThread;

/// A pipeline of its own per format, so that an encoder can come, go and fail without the camera
/// noticing.
pub(super) struct EncoderRun {
    // Dropped, and with it stopped, on the source's thread.
    _pipeline: Pipeline,
    pub(super) input: Arc<EncoderInput>,
    pub(super) element: &'static str,
    /// What the camera gives.
    given: Picture,
    /// What is wanted of it at the most.
    picture: Picture,
    /// Whether that is more than what it begins with.
    has_size: bool,
    size: gst::Element,
    caps: gst::Caps,
    bitrate_kbps: u32,
    reduction: Reduction,
    is_dead: Arc<AtomicBool>,
}

impl EncoderRun {
    pub(super) fn start(
        codec: VideoCodec,
        caps: &gst::Caps,
        picture: Picture,
        target: EncoderTarget,
        publisher: &Arc<VideoPublisher>,
        on_failure: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let encoder = encoder::probe(codec).map_err(|error| error.to_string())?;
        // Two pictures of slack, then the oldest goes: an encoder that cannot keep up must lower
        // the frame rate and not add delay.
        let description = format!(
            "appsrc name=in is-live=true format=time max-buffers=2 leaky-type=downstream \
             ! videoscale name=scale ! capsfilter name=size ! {} \
             ! appsink name=out sync=false async=false",
            encoder.description(target)
        );
        let is_dead = Arc::new(AtomicBool::new(false));
        let died = Arc::clone(&is_dead);
        let pipeline = Pipeline::parse(&description, move |end| match end {
            End::Failed(reason) => {
                died.store(true, Ordering::Relaxed);
                on_failure(reason);
            }
            End::Eos => {}
        })?;
        let source: gst_app::AppSrc = pipeline.element("in")?;
        source.set_caps(Some(caps));
        let output: gst_app::AppSink = pipeline.element("out")?;
        output.set_callbacks(publishing(codec, Arc::clone(publisher)));
        let same_thread = (!encoder.is_hardware()).then(|| SameThread::new(picture.framerate));
        let entrance = EncoderInput::new(codec, source, pipeline.element("encoder")?, same_thread)?;
        let input = Arc::new(entrance);
        let size = pipeline.element("size")?;
        publisher.encoder_started(codec, Instant::now());
        pipeline.play()?;
        Ok(Self {
            _pipeline: pipeline,
            input,
            element: encoder.element,
            given: picture,
            picture,
            has_size: false,
            size,
            caps: caps.clone(),
            bitrate_kbps: target.bitrate_kbps,
            reduction: Reduction::None,
            is_dead,
        })
    }

    /// Fewer or smaller pictures at this bitrate, or all of them again, without a new negotiation
    /// with anybody: the stream goes on with a key frame of the new size.
    pub(super) fn reduce(&mut self, keeps_size: bool, most: Most) {
        let mut picture = most.of(self.given);
        if keeps_size && self.has_size {
            // What is being recorded stays as large as it began.
            (picture.width, picture.height) = (self.picture.width, self.picture.height);
        }
        self.has_size = true;
        let next = self.reduction.next(picture, self.bitrate_kbps, keeps_size);
        if next == self.reduction && picture == self.picture {
            return;
        }
        tracing::info!(codec = %self.input.codec(), from = ?self.reduction, to = ?next, kbps = self.bitrate_kbps, "pictures sent change");
        if next.size(picture) != self.reduction.size(self.picture) {
            let (width, height) = next.size(picture);
            let caps = gst::Caps::builder("video/x-raw")
                .field("width", width as i32)
                .field("height", height as i32)
                .build();
            self.size.set_property("caps", caps);
        }
        let rate = (picture.framerate, next.rate_divisor());
        if rate != (self.picture.framerate, self.reduction.rate_divisor()) {
            // Encoders share out their bits by the frame rate they are told.
            let fraction = gst::Fraction::new(rate.0 as i32, rate.1 as i32);
            self.caps.make_mut().set("framerate", fraction);
            self.input.set_caps(&self.caps);
            self.input
                .set_pace(Pace::new(rate.0, rate.1, self.given.framerate));
        }
        self.picture = picture;
        self.reduction = next;
    }

    /// Whether it has failed, and encodes nothing any more.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// What it does now.
    pub(super) fn encoding(&self) -> Encoding {
        let (width, height) = self.reduction.size(self.picture);
        Encoding {
            kbps: self.bitrate_kbps,
            width,
            height,
            framerate: self.picture.framerate / self.reduction.rate_divisor(),
        }
    }

    /// Changes the bitrate of the running encoder.
    pub(super) fn set_bitrate(&mut self, kbps: u32) {
        if kbps != self.bitrate_kbps {
            self.bitrate_kbps = kbps;
            encoder::set_bitrate(self.input.encoder(), kbps);
        }
    }
}

fn publishing(codec: VideoCodec, publisher: Arc<VideoPublisher>) -> gst_app::AppSinkCallbacks {
    let frames = Mutex::new((FrameAssembler::new(RunId::fresh()), None));
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some((timestamp, packet)) = sample.buffer().and_then(read_packet) {
                let key = starts_key_frame(codec, &packet.payload);
                let taken = taken(&sample);
                let (frame, before) = {
                    let (assembler, last) = &mut *frames.lock();
                    let frame = assembler.push(timestamp, key, packet, Instant::now());
                    (frame, std::mem::replace(last, taken))
                };
                if let Some(frame) = frame {
                    // One that lacks its last packet is closed by the first of the next.
                    let is_this = frame.rtp_timestamp == timestamp;
                    publisher.publish(codec, frame, if is_this { taken } else { before });
                }
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}

/// When the picture was taken that this is a part of, on the clock of what goes into the encoder:
/// encoders move both times and the segment they belong to.
fn taken(sample: &gst::Sample) -> Option<Duration> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(sample.buffer()?.pts()?)?;
    Some(running.into())
}

/// The timestamp and the peer-independent part of a payloader's packet.
pub(in crate::media) fn read_packet(buffer: &gst::BufferRef) -> Option<(u32, Packet)> {
    let map = buffer.map_readable().ok()?;
    let [first, second, _, _, t0, t1, t2, t3, ..] = *map.as_slice() else {
        return None;
    };
    // RFC 3550 §5.1: the fixed header, then four bytes per contributing source. Payloaders of
    // this module add neither header extensions nor padding.
    let header = 12 + 4 * usize::from(first & 0x0f);
    let payload = map.get(header..).filter(|payload| !payload.is_empty())?;
    Some((
        u32::from_be_bytes([t0, t1, t2, t3]),
        Packet {
            marker: second & 0x80 != 0,
            payload: Bytes::copy_from_slice(payload),
        },
    ))
}
