//! A microphone, or a test sound in its place: Opus, 48 kHz, 20 ms a packet, in-band FEC.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::super::fanout::{AudioFanout, AudioPublisher};
use super::super::pipeline::{End, Pipeline};
use super::super::rtp::{FrameAssembler, RunId};
use super::SourceEvent;
use super::encode::read_packet;
use super::supervision::{Capture, Signal, Stage, Thread, supervise};

/// Where sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioSourceKind {
    /// A tick every second.
    Test,
    /// A tone without a pause, for whoever measures when sound begins.
    TestTone,
    /// An ALSA PCM by its name.
    Alsa {
        /// As of `arecord -L`.
        device: String,
    },
    /// No microphone: nothing is ever sent.
    None,
}

/// How to capture sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSourceSettings {
    /// Where sound comes from.
    pub source: AudioSourceKind,
    /// Keep the device open while nobody listens.
    pub warm: bool,
}

/// A microphone that keeps itself running. Dropping it closes the device, on its own thread.
pub struct AudioSource {
    muted: Arc<AtomicBool>,
    _thread: Option<Thread>,
}

impl AudioSource {
    /// Returns at once; everything that goes wrong arrives as an event. It becomes the source of
    /// `fanout` in place of any earlier one.
    pub fn start(
        settings: AudioSourceSettings,
        fanout: AudioFanout,
        events: UnboundedSender<SourceEvent>,
    ) -> Self {
        let muted = Arc::new(AtomicBool::new(false));
        let (signals, received) = channel();
        let publisher = Arc::new(fanout.attach(Arc::new({
            let signals = signals.clone();
            move || {
                // A source that is gone serves no demand.
                let _ = signals.send(Signal::Demand);
            }
        })));
        if settings.source == AudioSourceKind::None {
            return Self {
                muted,
                _thread: None,
            };
        }
        let mut microphone = Microphone {
            settings,
            publisher,
            muted: Arc::clone(&muted),
            signals: signals.clone(),
        };
        let tell = events.clone();
        let thread = Thread::spawn("microphone", signals, move || {
            supervise(&mut microphone, &received, |event| {
                // An owner that no longer listens is about to drop us.
                let _ = tell.send(event);
            });
        })
        .inspect_err(|reason| {
            let _ = events.send(SourceEvent::Failed {
                reason: reason.clone(),
            });
        })
        .ok();
        Self {
            muted,
            _thread: thread,
        }
    }

    /// While muted nothing is sent.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Closes the device; [`SourceEvent::Stopped`] tells when it is done.
    pub fn stop(self) {}
}

struct Microphone {
    settings: AudioSourceSettings,
    publisher: Arc<AudioPublisher>,
    muted: Arc<AtomicBool>,
    signals: Sender<Signal>,
}

impl Capture for Microphone {
    type Stage = MicrophoneStage;

    fn open(&mut self, attempt: u64) -> Result<MicrophoneStage, String> {
        super::super::initialise().map_err(|error| error.to_string())?;
        let source = match &self.settings.source {
            AudioSourceKind::Alsa { .. } => {
                // The default buffer of 200 ms is 200 ms of delay in every conversation.
                "alsasrc name=microphone buffer-time=60000 latency-time=10000"
            }
            AudioSourceKind::TestTone => {
                "audiotestsrc name=microphone is-live=true wave=sine volume=0.3 samplesperbuffer=960"
            }
            AudioSourceKind::Test | AudioSourceKind::None => {
                "audiotestsrc name=microphone is-live=true wave=ticks samplesperbuffer=960"
            }
        };
        let signals = self.signals.clone();
        // FEC is only written when the encoder is told to expect loss.
        let pipeline = Pipeline::parse(
            &format!(
                "{source} ! audioconvert ! audioresample \
                 ! audio/x-raw,format=S16LE,rate=48000,channels=1 \
                 ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=200000000 \
                   leaky=downstream \
                 ! opusenc name=encoder bitrate=32000 frame-size=20 inband-fec=true \
                   packet-loss-percentage=5 audio-type=voice \
                 ! rtpopuspay mtu=1200 pt=96 ! appsink name=out sync=false"
            ),
            move |end| {
                let reason = match end {
                    End::Failed(reason) => reason,
                    End::Eos => "the microphone ended its stream".into(),
                };
                // A source that is gone needs no more failures.
                let _ = signals.send(Signal::Failed { attempt, reason });
            },
        )?;
        if let AudioSourceKind::Alsa { device } = &self.settings.source {
            let microphone: gst::Element = pipeline.element("microphone")?;
            microphone.set_property("device", device);
        }
        let last_data = Arc::new(Mutex::new(None));
        let output: gst_app::AppSink = pipeline.element("out")?;
        output.set_callbacks(self.publishing(Arc::clone(&last_data)));
        pipeline.play()?;
        Ok(MicrophoneStage {
            _pipeline: pipeline,
            last_data,
        })
    }

    fn wanted(&self) -> bool {
        self.settings.warm || self.publisher.demand().capture
    }

    fn failed(&mut self, _reason: &str) {}

    fn closed(&mut self) {}
}

impl Microphone {
    fn publishing(&self, last_data: Arc<Mutex<Option<Instant>>>) -> gst_app::AppSinkCallbacks {
        let frames = Mutex::new(FrameAssembler::new(RunId::fresh()));
        let publisher = Arc::clone(&self.publisher);
        let muted = Arc::clone(&self.muted);
        let signals = self.signals.clone();
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let now = Instant::now();
                if last_data.lock().replace(now).is_none() {
                    let _ = signals.send(Signal::Flowing);
                }
                let packet = sample.buffer().and_then(read_packet);
                if let Some((timestamp, mut packet)) = packet
                    && !muted.load(Ordering::Relaxed)
                {
                    // RFC 7587 §4.1: one packet is one frame. The marker only starts a talk
                    // spurt there, so here it is what closes the frame, and is not sent.
                    packet.marker = true;
                    let frame = frames.lock().push(timestamp, true, packet, now);
                    if let Some(frame) = frame {
                        publisher.publish(frame);
                    }
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build()
    }
}

struct MicrophoneStage {
    _pipeline: Pipeline,
    last_data: Arc<Mutex<Option<Instant>>>,
}

impl Stage for MicrophoneStage {
    fn adjust(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn last_data(&self) -> Option<Instant> {
        *self.last_data.lock()
    }

    fn encoder(&self) -> Option<String> {
        Some("opusenc".to_owned())
    }
}
