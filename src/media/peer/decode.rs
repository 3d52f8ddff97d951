//! A receive pipeline on a thread of its own: RTP in, pictures or sound out to a sink.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::{Condvar, Mutex};

use super::RECEIVE_PAYLOAD_TYPE;
use super::places::is_place;
use crate::media::VideoCodec;
use crate::media::decoder::{self, Decoder};
use crate::media::pipeline::{End, Pipeline};
use crate::media::sink::{VideoSinkKind, sit_down};
use crate::media::snapshot;
use crate::media::sound::{Loudspeaker, Voice, read_samples};

/// How long a missing video packet is waited for: over the internet a retransmission takes a third
/// of that, and the first one may be lost as well. It delays nothing that has arrived in order.
const VIDEO_WAIT_MS: u32 = 350;
/// Sound is heard after what [`Loudspeaker`] keeps in hand, which must outlast this and the packet
/// that was lost.
const AUDIO_WAIT_MS: u32 = 40;
/// Packets kept while the pipeline starts, some seconds of video.
const BACKLOG: usize = 1024;
/// A decoder that fails is started again, not more often than this.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// A pipeline that was given nothing for so long after its start is given back, and made anew for the
/// first packet: who watches and sends nothing must not cost a decoder (4 MB of OpenH264's).
const UNUSED_FOR: Duration = Duration::from_secs(5);
/// Distance of the pictures kept.
const PICTURE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) enum Format {
    Video(VideoCodec, VideoSinkKind),
    Audio(Loudspeaker),
}

/// Sees a packet of a receive pipeline.
pub(super) type PacketHook = Box<dyn Fn(&gst::BufferRef) + Send + Sync>;

/// Hears samples as they are played.
pub(super) type SoundHook = Box<dyn Fn(&[i16]) + Send + Sync>;

/// Called on GStreamer's threads; none may wait.
pub(super) struct Hooks {
    /// One picture, or sound of this length, and how long decoding it took.
    pub(super) decoded: Box<dyn Fn(Duration, Duration) + Send + Sync>,
    /// Nothing can be shown until a key frame comes.
    pub(super) key_frame_wanted: Box<dyn Fn() + Send + Sync>,
    /// A packet in its right place, before it is decoded.
    pub(super) passing: Option<PacketHook>,
    /// Sound as it is heard.
    pub(super) heard: Option<SoundHook>,
    /// A JPEG about once a second.
    pub(super) picture: Option<Box<dyn Fn(Bytes) + Send + Sync>>,
}

enum Signal {
    Stop,
    /// A packet came while nothing was there to take it.
    Wanted,
    Failed(String),
    Picture(gst::Sample),
}

/// The end of a receive pipeline that takes packets. Dropping it ends the pipeline, on its
/// thread.
pub(super) struct Decoding {
    input: Arc<Mutex<Input>>,
    signals: Sender<Signal>,
}

enum Input {
    /// The pipeline is being built: packets wait for it.
    Starting(VecDeque<Bytes>),
    Running {
        source: gst_app::AppSrc,
        is_used: bool,
    },
    /// Nothing came: there is no pipeline until something does.
    Resting,
    Ended,
}

/// Why a pipeline is given back.
enum Left {
    Stopped,
    Failed(String),
    Unused,
}

impl Decoding {
    /// Returns at once.
    pub(super) fn start(format: Format, hooks: Hooks) -> Arc<Self> {
        Self::start_resting(format, hooks, UNUSED_FOR)
    }

    fn start_resting(format: Format, hooks: Hooks, unused_for: Duration) -> Arc<Self> {
        let (signals, received) = channel();
        let input = Arc::new(Mutex::new(Input::Starting(VecDeque::new())));
        let decoding = Arc::new(Self {
            input: Arc::clone(&input),
            signals: signals.clone(),
        });
        let name = match format {
            Format::Video(..) => "decode-video",
            Format::Audio(_) => "decode-audio",
        };
        let spawned = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let ends = Ends {
                    input: &input,
                    signals: &signals,
                    received: &received,
                };
                run(&format, &Arc::new(hooks), &ends, unused_for);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to decode on");
        }
        decoding
    }

    /// One RTP packet; never waits.
    pub(super) fn push(&self, packet: Bytes) {
        match &mut *self.input.lock() {
            Input::Starting(backlog) => {
                if backlog.len() >= BACKLOG {
                    backlog.pop_front();
                }
                backlog.push_back(packet);
            }
            Input::Running { source, is_used } => {
                *is_used = true;
                // Refused only while the pipeline fails, which is reported by itself.
                let _ = source.push_buffer(gst::Buffer::from_slice(packet));
            }
            resting @ Input::Resting => {
                *resting = Input::Starting(VecDeque::from([packet]));
                // A thread that is gone has set the end before.
                let _ = self.signals.send(Signal::Wanted);
            }
            Input::Ended => {}
        }
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        // A thread that is already gone has stopped.
        let _ = self.signals.send(Signal::Stop);
    }
}

/// What the thread has in common with those who push.
struct Ends<'a> {
    input: &'a Mutex<Input>,
    signals: &'a Sender<Signal>,
    received: &'a Receiver<Signal>,
}

fn run(format: &Format, hooks: &Arc<Hooks>, ends: &Ends<'_>, unused_for: Duration) {
    loop {
        let left = match start(format, hooks, ends.signals) {
            Ok((pipeline, source)) => {
                ends.open(source);
                let left = ends.serve(hooks, unused_for);
                drop(pipeline);
                left
            }
            Err(reason) => Left::Failed(reason),
        };
        let goes_on = match left {
            Left::Stopped => false,
            Left::Unused => ends.wait_for_packet(),
            Left::Failed(reason) => {
                tracing::warn!(reason, "receive pipeline failed");
                ends.rest(Instant::now() + RESTART_DELAY)
            }
        };
        if !goes_on {
            break;
        }
    }
    *ends.input.lock() = Input::Ended;
}

impl Ends<'_> {
    /// Hands over what came in while the pipeline was built, then lets packets through directly.
    fn open(&self, source: gst_app::AppSrc) {
        let mut input = self.input.lock();
        let mut is_used = false;
        if let Input::Starting(backlog) = &mut *input {
            for packet in backlog.drain(..) {
                is_used = true;
                let _ = source.push_buffer(gst::Buffer::from_slice(packet));
            }
        }
        *input = Input::Running { source, is_used };
    }

    /// Until told to stop, failed or found to be unused.
    fn serve(&self, hooks: &Hooks, unused_for: Duration) -> Left {
        let mut looked_at = Some(Instant::now() + unused_for);
        loop {
            let signal = match looked_at {
                Some(at) => self
                    .received
                    .recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self
                    .received
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match signal {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Left::Stopped,
                Ok(Signal::Failed(reason)) => {
                    *self.input.lock() = Input::Starting(VecDeque::new());
                    return Left::Failed(reason);
                }
                Ok(Signal::Picture(sample)) => keep_picture(hooks, &sample),
                Ok(Signal::Wanted) => {}
                Err(RecvTimeoutError::Timeout) => {
                    looked_at = None;
                    let mut input = self.input.lock();
                    if matches!(*input, Input::Running { is_used: false, .. }) {
                        *input = Input::Resting;
                        return Left::Unused;
                    }
                }
            }
        }
    }

    /// False when told to stop.
    fn wait_for_packet(&self) -> bool {
        loop {
            match self.received.recv() {
                Ok(Signal::Wanted) => return true,
                Ok(Signal::Stop) | Err(_) => return false,
                Ok(Signal::Failed(_) | Signal::Picture(_)) => {}
            }
        }
    }

    /// False when told to stop.
    fn rest(&self, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return true,
            }
        }
    }
}

fn keep_picture(hooks: &Hooks, sample: &gst::Sample) {
    if let Some(keep) = &hooks.picture {
        match snapshot::encode_jpeg(sample, snapshot::Size::Full) {
            Ok(jpeg) => keep(jpeg),
            Err(reason) => tracing::debug!(reason, "a picture was not kept"),
        }
    }
}

fn start(
    format: &Format,
    hooks: &Arc<Hooks>,
    signals: &Sender<Signal>,
) -> Result<(Pipeline, gst_app::AppSrc), String> {
    crate::media::initialise().map_err(|error| error.to_string())?;
    // faststart: without it the jitter buffer holds back the first packet for its whole latency,
    // as an earlier one might still come.
    let jitter_buffer = "rtpjitterbuffer name=jitter do-lost=true faststart-min-packets=1";
    let head = "appsrc name=in is-live=true format=time do-timestamp=true";
    let (description, caps) = match format {
        Format::Video(codec, sink) => {
            let decoder = decoder::probe(*codec).ok_or("no decoder works here")?;
            (
                format!(
                    "{head} ! {jitter_buffer} latency={VIDEO_WAIT_MS} ! {} ! {}",
                    decoder.description(),
                    sink.description()
                ),
                Decoder::rtp_caps(*codec),
            )
        }
        Format::Audio(_) => (
            format!(
                "{head} ! {jitter_buffer} latency={AUDIO_WAIT_MS} ! rtpopusdepay \
                 ! opusdec name=decoder plc=true use-inband-fec=true ! audioconvert \
                 ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1 \
                 ! appsink name=sink sync=false"
            ),
            gst::Caps::builder("application/x-rtp")
                .field("media", "audio")
                .field("encoding-name", "OPUS")
                .field("clock-rate", 48_000)
                .field("payload", i32::from(RECEIVE_PAYLOAD_TYPE))
                .build(),
        ),
    };
    let pipeline = Pipeline::parse(&description, {
        let signals = signals.clone();
        move |end| {
            if let End::Failed(reason) = end {
                // A peer that is gone needs no more failures.
                let _ = signals.send(Signal::Failed(reason));
            }
        }
    })?;
    let source: gst_app::AppSrc = pipeline.element("in")?;
    source.set_caps(Some(&caps));
    if let Format::Audio(loudspeaker) = format {
        be_heard(
            &pipeline.element("sink")?,
            loudspeaker.live(),
            Arc::clone(hooks),
        );
    }
    match format {
        Format::Video(_, VideoSinkKind::Tap(tap)) => tap.attach(&pipeline.element("sink")?),
        Format::Video(_, VideoSinkKind::Display(display, far_side)) => {
            sit_down(&pipeline.element("sink")?, display.take_seat(*far_side));
        }
        Format::Video(_, VideoSinkKind::Null) | Format::Audio(_) => {}
    }
    watch(format, &pipeline, &source, hooks, signals)?;
    pipeline.play()?;
    Ok((pipeline, source))
}

/// Sound goes into the mix from GStreamer's thread, which waits for nobody there.
fn be_heard(sink: &gst_app::AppSink, voice: Voice, hooks: Arc<Hooks>) {
    let mut samples = Vec::new();
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(buffer) = sample.buffer() {
            read_samples(buffer, &mut samples);
            voice.push(&samples);
            if let Some(heard) = &hooks.heard {
                heard(&samples);
            }
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

fn watch(
    format: &Format,
    pipeline: &Pipeline,
    source: &gst_app::AppSrc,
    hooks: &Arc<Hooks>,
    signals: &Sender<Signal>,
) -> Result<(), String> {
    let decoder: gst::Element = pipeline.element("decoder")?;
    let decoded = decoder
        .static_pad("src")
        .ok_or("the decoder has no output")?;
    let keeps = hooks.picture.is_some();
    let last_picture = Mutex::new(None::<Instant>);
    let counting = Arc::clone(hooks);
    // Decoders told to be quick give each picture out before they take the next one.
    let taken = Arc::new(Mutex::new(None::<Instant>));
    let took = Arc::clone(&taken);
    decoder
        .static_pad("sink")
        .ok_or("the decoder has no input")?
        .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            *taken.lock() = Some(Instant::now());
            gst::PadProbeReturn::Ok
        });
    let signals = signals.clone();
    decoded.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let duration = buffer.duration().unwrap_or_default();
            let now = Instant::now();
            let taken = took.lock().take();
            let took = taken.map_or(Duration::ZERO, |taken| now - taken);
            (counting.decoded)(Duration::from_nanos(duration.nseconds()), took);
            let mut last = last_picture.lock();
            if keeps && last.is_none_or(|last| now - last >= PICTURE_INTERVAL) {
                *last = Some(now);
                // A copy: a hardware decoder has few buffers and stalls when one is kept.
                if let Ok(copy) = buffer.copy_deep() {
                    let sample = gst::Sample::builder()
                        .buffer(&copy)
                        .caps_if_some(pad.current_caps().as_ref())
                        .build();
                    let _ = signals.send(Signal::Picture(sample));
                }
            }
        }
        gst::PadProbeReturn::Ok
    });
    if matches!(format, Format::Audio(_)) {
        let jitter_buffer: gst::Element = pipeline.element("jitter")?;
        jitter_buffer
            .static_pad("src")
            .ok_or("the jitter buffer has no output")?
            .add_probe(gst::PadProbeType::BUFFER, |_, info| {
                match info.buffer().is_some_and(|packet| is_place(packet)) {
                    true => gst::PadProbeReturn::Drop,
                    false => gst::PadProbeReturn::Ok,
                }
            });
    }
    if hooks.passing.is_some() {
        let jitter_buffer: gst::Element = pipeline.element("jitter")?;
        let passing = Arc::clone(hooks);
        jitter_buffer
            .static_pad("src")
            .ok_or("the jitter buffer has no output")?
            .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let (Some(pass), Some(buffer)) = (&passing.passing, info.buffer()) {
                    pass(buffer);
                }
                gst::PadProbeReturn::Ok
            });
    }
    release_first_packet(pipeline)?;
    let asking = Arc::clone(hooks);
    source
        .static_pad("src")
        .ok_or("the packet source has no output")?
        .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()
            {
                (asking.key_frame_wanted)();
            }
            gst::PadProbeReturn::Ok
        });
    Ok(())
}

/// Holds the first packet in front of the jitter buffer until the buffer has passed on the
/// events that precede it.
///
/// The buffer (1.22) wakes its output only for a packet at the head of its queue. The first packet
/// regularly arrives while those events are still ahead of it, and then lies there until the next
/// one comes: a whole picture later.
fn release_first_packet(pipeline: &Pipeline) -> Result<(), String> {
    /// The wait is a fraction of a millisecond; this is for a buffer that never starts.
    const LIMIT: Duration = Duration::from_millis(50);
    let jitter_buffer: gst::Element = pipeline.element("jitter")?;
    let pad = |name| {
        jitter_buffer
            .static_pad(name)
            .ok_or("the jitter buffer has no pads")
    };
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let opened = Arc::clone(&gate);
    pad("src")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info
            .event()
            .is_some_and(|event| event.type_() == gst::EventType::Segment)
        {
            *opened.0.lock() = true;
            opened.1.notify_all();
            return gst::PadProbeReturn::Remove;
        }
        gst::PadProbeReturn::Ok
    });
    pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let mut open = gate.0.lock();
        if !*open {
            gate.1.wait_for(&mut open, LIMIT);
        }
        gst::PadProbeReturn::Remove
    });
    Ok(())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
