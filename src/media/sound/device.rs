//! The thread that runs a device's microphone and loudspeaker, and brings them back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::halves::{Half, LeftOut, opens};
use super::loudspeaker::{Loudspeaker, LoudspeakerEnd, LoudspeakerStatus};
use super::processing::{Processing, ProcessingStage};
use super::samples::change_samples;
use crate::media::fanout::{AudioFanout, AudioPublisher};
use crate::media::pipeline::{End, Pipeline};
use crate::media::rtp::{FrameAssembler, RunId};
use crate::media::sink::AudioSinkKind;
use crate::media::source::supervision::{Capture, Signal, Stage, Thread, ended, supervise};
use crate::media::source::{SourceEvent, read_packet};

/// What every stage in between works in.
const CAPS: &str = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";

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

/// A microphone and a loudspeaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioDeviceSettings {
    /// Where sound comes from.
    pub microphone: AudioSourceKind,
    /// What is heard.
    pub loudspeaker: AudioSinkKind,
    /// What is done to the microphone's sound.
    pub processing: Processing,
    /// Keep both open while nobody listens or speaks.
    pub warm: bool,
}

impl AudioDeviceSettings {
    /// A microphone as it is, without a loudspeaker.
    pub fn microphone(microphone: AudioSourceKind, warm: bool) -> Self {
        Self {
            microphone,
            loudspeaker: AudioSinkKind::Null,
            processing: Processing::default(),
            warm,
        }
    }
}

/// What a device tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioEvent {
    /// How the microphone fares.
    Microphone(SourceEvent),
    /// How the loudspeaker fares.
    Loudspeaker(LoudspeakerStatus),
    /// What is done to the microphone's sound, and why it is less than is wanted.
    Processing {
        /// What runs.
        active: Processing,
        /// In the way of the rest.
        lack: Option<String>,
    },
}

/// A device that keeps itself running. Dropping it closes it, on its own thread.
pub struct AudioDevice {
    muted: Arc<AtomicBool>,
    thread: Option<Thread>,
}

impl AudioDevice {
    /// Returns at once; everything that goes wrong arrives as an event. It becomes the source of
    /// `fanout` and the device behind `loudspeaker` in place of any earlier one.
    pub fn start(
        settings: AudioDeviceSettings,
        fanout: &AudioFanout,
        loudspeaker: &Loudspeaker,
        events: UnboundedSender<AudioEvent>,
    ) -> Self {
        let muted = Arc::new(AtomicBool::new(false));
        let (signals, received) = channel();
        let waker = {
            let signals = signals.clone();
            Arc::new(move || {
                // A device that is gone serves no demand.
                let _ = signals.send(Signal::Demand);
            })
        };
        let has_loudspeaker = settings.loudspeaker != AudioSinkKind::Null;
        let publisher = Arc::new(fanout.attach(Arc::clone(&waker) as _));
        let speaker = loudspeaker.attach(
            waker,
            if has_loudspeaker {
                LoudspeakerStatus::Closed
            } else {
                LoudspeakerStatus::Absent
            },
        );
        if settings.microphone == AudioSourceKind::None && !has_loudspeaker {
            return Self {
                muted,
                thread: None,
            };
        }
        let mut device = Device {
            settings,
            publisher,
            speaker: Arc::new(speaker),
            muted: Arc::clone(&muted),
            signals: signals.clone(),
            left_out: LeftOut::default(),
            events: events.clone(),
            told: None,
        };
        let thread = Thread::spawn("sound", signals, move || {
            let (left_out, events) = (device.left_out.clone(), device.events.clone());
            let has_microphone = device.settings.microphone != AudioSourceKind::None;
            supervise(&mut device, &received, |event| {
                let is_of_microphone = match &event {
                    SourceEvent::Running { .. } => left_out.half() != Some(Half::Microphone),
                    SourceEvent::Failed { reason } => Half::of(reason) != Some(Half::Loudspeaker),
                    SourceEvent::Stopped => true,
                };
                if has_microphone && is_of_microphone {
                    // An owner that no longer listens is about to drop us.
                    let _ = events.send(AudioEvent::Microphone(event));
                }
            });
        })
        .inspect_err(|reason| {
            let _ = events.send(AudioEvent::Microphone(SourceEvent::Failed {
                reason: reason.clone(),
            }));
        })
        .ok();
        Self { muted, thread }
    }

    /// While muted nothing is sent.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Closes the device; [`SourceEvent::Stopped`] tells when it is done.
    pub fn stop(self) {}

    /// Closes the device; the future is over when that is done.
    pub fn closed(self) -> impl Future<Output = ()> + use<> {
        ended(self.thread)
    }
}

struct Device {
    settings: AudioDeviceSettings,
    publisher: Arc<AudioPublisher>,
    speaker: Arc<LoudspeakerEnd>,
    muted: Arc<AtomicBool>,
    signals: Sender<Signal>,
    left_out: LeftOut,
    events: UnboundedSender<AudioEvent>,
    told: Option<(Processing, Option<String>)>,
}

impl Capture for Device {
    type Stage = Running;

    fn open(&mut self, attempt: u64) -> Result<Running, String> {
        crate::media::initialise().map_err(|error| error.to_string())?;
        let left_out = self.left_out.half();
        match self.build(attempt, left_out) {
            Ok(running) => Ok(running),
            // With one half less it may work; without that one neither does.
            Err(reason) if left_out.is_none() && self.has_both() => match Half::of(&reason) {
                Some(half) => {
                    self.leave_out(half, &reason);
                    self.build(attempt, Some(half)).inspect_err(|reason| {
                        self.left_out.clear();
                        self.tell_loudspeaker(reason);
                    })
                }
                None => Err(reason),
            },
            Err(reason) => {
                self.left_out.clear();
                self.tell_loudspeaker(&reason);
                Err(reason)
            }
        }
    }

    fn wanted(&self) -> bool {
        self.settings.warm || self.publisher.demand().capture || self.speaker.is_wanted()
    }

    fn failed(&mut self, reason: &str) {
        let half = Half::of(reason);
        match half {
            Some(half) if self.has_both() && self.left_out.half().is_none() => {
                self.leave_out(half, reason);
            }
            _ => self.left_out.clear(),
        }
        if half != Some(Half::Microphone) {
            self.tell_loudspeaker(reason);
        }
    }

    fn closed(&mut self) {
        if self.settings.loudspeaker != AudioSinkKind::Null {
            self.show(LoudspeakerStatus::Closed);
        }
    }
}

impl Device {
    fn has_both(&self) -> bool {
        self.settings.microphone != AudioSourceKind::None
            && self.settings.loudspeaker != AudioSinkKind::Null
    }

    fn leave_out(&self, half: Half, reason: &str) {
        tracing::warn!(half = half.name(), reason, "half of the sound is missing");
        self.left_out.set(half, Instant::now());
        match half {
            Half::Loudspeaker => self.show(LoudspeakerStatus::Failed(reason.to_owned())),
            Half::Microphone => {
                let _ = self
                    .events
                    .send(AudioEvent::Microphone(SourceEvent::Failed {
                        reason: reason.to_owned(),
                    }));
            }
        }
    }

    fn tell_loudspeaker(&self, reason: &str) {
        if self.settings.loudspeaker != AudioSinkKind::Null {
            self.show(LoudspeakerStatus::Failed(reason.to_owned()));
        }
    }

    fn show(&self, status: LoudspeakerStatus) {
        self.speaker.set_status(status.clone());
        let _ = self.events.send(AudioEvent::Loudspeaker(status));
    }

    fn build(&mut self, attempt: u64, left_out: Option<Half>) -> Result<Running, String> {
        let has_microphone =
            self.settings.microphone != AudioSourceKind::None && left_out != Some(Half::Microphone);
        let has_loudspeaker =
            self.settings.loudspeaker != AudioSinkKind::Null && left_out != Some(Half::Loudspeaker);
        let stage = if has_microphone {
            self.settings.processing.stage(has_loudspeaker)
        } else {
            ProcessingStage::default()
        };
        let mut description = String::new();
        if has_loudspeaker {
            description.push_str(&playback(&stage));
        }
        if has_microphone {
            description.push_str(&capture(&self.settings.microphone, &stage));
        }
        let signals = self.signals.clone();
        let started = Arc::new(Mutex::new(Early::Waiting(None)));
        let early = Arc::clone(&started);
        let pipeline = Pipeline::parse(&description, move |end| {
            let reason = match end {
                End::Failed(reason) => reason,
                End::Eos => "microphone: it ended its stream".into(),
            };
            let mut early = early.lock();
            match &mut *early {
                Early::Waiting(first) => drop(first.get_or_insert(reason)),
                Early::Over => {
                    // A device that is gone needs no more failures.
                    let _ = signals.send(Signal::Failed { attempt, reason });
                }
            }
        })?;
        let last_data = Arc::new(Mutex::new(None));
        if has_loudspeaker && let AudioSinkKind::Alsa { device } = &self.settings.loudspeaker {
            use_device(&pipeline, Half::Loudspeaker, device)?;
            self.mix_in(&pipeline, (!has_microphone).then(|| Arc::clone(&last_data)))?;
        }
        if has_microphone {
            if let AudioSourceKind::Alsa { device } = &self.settings.microphone {
                use_device(&pipeline, Half::Microphone, device)?;
            }
            self.listen_to(&pipeline)?;
            let output: gst_app::AppSink = pipeline.element("out")?;
            output.set_callbacks(self.publishing(Arc::clone(&last_data)));
        }
        pipeline.play()?;
        if let Early::Waiting(Some(reason)) = std::mem::replace(&mut *started.lock(), Early::Over) {
            return Err(reason);
        }
        if has_loudspeaker {
            self.show(LoudspeakerStatus::Playing);
        }
        if has_microphone {
            self.tell_processing(stage);
        }
        Ok(Running {
            _pipeline: pipeline,
            last_data,
            has_microphone,
            left_out: self.left_out.clone(),
            settings: self.settings.clone(),
        })
    }

    fn tell_processing(&mut self, stage: ProcessingStage) {
        let now = (stage.active, stage.lack);
        if self.told.as_ref() == Some(&now) {
            return;
        }
        if let Some(lack) = &now.1 {
            tracing::warn!(lack, "sound is sent as it is");
        }
        let _ = self.events.send(AudioEvent::Processing {
            active: now.0,
            lack: now.1.clone(),
        });
        self.told = Some(now);
    }

    /// Puts what is to be heard into the frames of silence that run to the loudspeaker.
    fn mix_in(
        &self,
        pipeline: &Pipeline,
        last_data: Option<Arc<Mutex<Option<Instant>>>>,
    ) -> Result<(), String> {
        let mix: gst::Element = pipeline.element("mix")?;
        let pad = mix.static_pad("src").ok_or("the mix has no output")?;
        let (speaker, signals) = (Arc::clone(&self.speaker), self.signals.clone());
        let frame = Mutex::new(Vec::new());
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                change_samples(buffer.make_mut(), &mut frame.lock(), |frame| {
                    speaker.fill(frame);
                });
            }
            if let Some(last_data) = &last_data
                && last_data.lock().replace(Instant::now()).is_none()
            {
                let _ = signals.send(Signal::Flowing);
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    /// Sees the microphone's sound as it goes to the encoder.
    fn listen_to(&self, pipeline: &Pipeline) -> Result<(), String> {
        let processed: gst::Element = pipeline.element("processed")?;
        let pad = processed
            .static_pad("src")
            .ok_or("the microphone's branch has no output")?;
        let (publisher, muted) = (Arc::clone(&self.publisher), Arc::clone(&self.muted));
        let frame = Mutex::new(Vec::new());
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
                // Who is muted is not listened to at all.
                && !muted.load(Ordering::Relaxed)
            {
                change_samples(buffer.make_mut(), &mut frame.lock(), |frame| {
                    publisher.measure(Instant::now(), frame);
                });
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

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

fn playback(stage: &ProcessingStage) -> String {
    // The silence paces the branch; the default buffer of 200 ms is 200 ms of delay.
    format!(
        "audiotestsrc is-live=true wave=silence samplesperbuffer=480 ! {CAPS} \
         ! identity name=mix silent=true ! {} audioconvert ! audioresample \
         ! alsasink name=speaker buffer-time=60000 latency-time=10000 ",
        stage.playback
    )
}

fn capture(microphone: &AudioSourceKind, stage: &ProcessingStage) -> String {
    let source = match microphone {
        AudioSourceKind::Alsa { .. } => {
            "alsasrc name=microphone buffer-time=60000 latency-time=10000"
        }
        AudioSourceKind::TestTone => {
            "audiotestsrc name=microphone is-live=true wave=sine volume=0.3 samplesperbuffer=960"
        }
        AudioSourceKind::Test | AudioSourceKind::None => {
            "audiotestsrc name=microphone is-live=true wave=ticks samplesperbuffer=960"
        }
    };
    // FEC is only written when the encoder is told to expect loss.
    format!(
        "{source} ! audioconvert ! audioresample ! {CAPS} \
         ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=200000000 leaky=downstream \
         ! {} identity name=processed silent=true ! opusenc name=encoder bitrate=32000 frame-size=20 inband-fec=true \
           packet-loss-percentage=5 audio-type=voice \
         ! rtpopuspay mtu=1200 pt=96 ! appsink name=out sync=false ",
        stage.capture
    )
}

/// As a property, so that no configured name is read as pipeline syntax.
fn use_device(pipeline: &Pipeline, half: Half, device: &str) -> Result<(), String> {
    let element: gst::Element = pipeline.element(half.name())?;
    element.set_property("device", device);
    if device == "null" {
        // ALSA's `null` takes and gives as much as one likes, and would be a clock without a pace.
        element.set_property("provide-clock", false);
    }
    Ok(())
}

/// What fails while a pipeline starts is for whoever starts it, who may try without a half.
enum Early {
    Waiting(Option<String>),
    Over,
}

struct Running {
    _pipeline: Pipeline,
    last_data: Arc<Mutex<Option<Instant>>>,
    has_microphone: bool,
    left_out: LeftOut,
    settings: AudioDeviceSettings,
}

impl Stage for Running {
    fn adjust(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn last_data(&self) -> Option<Instant> {
        *self.last_data.lock()
    }

    fn encoder(&self) -> Option<String> {
        self.has_microphone.then(|| "opusenc".to_owned())
    }

    fn is_outdated(&mut self) -> bool {
        let settings = &self.settings;
        self.left_out.returns(Instant::now(), |half| match half {
            Half::Microphone => match &settings.microphone {
                AudioSourceKind::Alsa { device } => opens(half, device),
                _ => true,
            },
            Half::Loudspeaker => match &settings.loudspeaker {
                AudioSinkKind::Alsa { device } => opens(half, device),
                AudioSinkKind::Null => true,
            },
        })
    }
}
