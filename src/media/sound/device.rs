//! The thread that runs a device's microphone and loudspeaker, and brings them back.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::branches::{capture, playback, use_device};
use super::card::SoundFeed;
use super::halves::{Half, LeftOut, opens};
use super::loudspeaker::{Loudspeaker, LoudspeakerEnd, LoudspeakerStatus};
use super::processing::{Processing, ProcessingStage};
use super::samples::change_samples;
use super::shaping::Shaping;
use crate::media::fanout::{AudioFanout, AudioPublisher};
use crate::media::pipeline::{End, Pipeline};
use crate::media::rtp::{EncodedFrame, RunId};
use crate::media::sink::AudioSinkKind;
use crate::media::source::supervision::{Capture, Signal, Stage, Thread, ended, supervise};
use crate::media::source::{SourceEvent, read_packet};

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
    /// Filled by the application.
    Feed(SoundFeed),
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
    /// Send next to nothing while nobody speaks (RFC 7587 §3.1.3).
    pub dtx: bool,
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
            dtx: false,
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
    shaping: Arc<Shaping>,
    thread: Option<Thread>,
}

impl AudioDevice {
    /// Returns at once; everything that goes wrong arrives as an event. It becomes the source of
    /// `fanout` and the device behind `loudspeaker` in place of any earlier one. What is said on
    /// `outgoing` is sent along with what the microphone hears, also while that is muted.
    pub fn start(
        settings: AudioDeviceSettings,
        fanout: &AudioFanout,
        loudspeaker: &Loudspeaker,
        outgoing: &Loudspeaker,
        events: UnboundedSender<AudioEvent>,
    ) -> Self {
        let shaping = Arc::new(Shaping::default());
        let (signals, received) = channel();
        let waker = {
            let signals = signals.clone();
            Arc::new(move || {
                // A device that is gone serves no demand.
                let _ = signals.send(Signal::Demand);
            })
        };
        let has_loudspeaker = settings.loudspeaker != AudioSinkKind::Null;
        let has_microphone = settings.microphone != AudioSourceKind::None;
        let closed = |is_there: bool| match is_there {
            true => LoudspeakerStatus::Closed,
            false => LoudspeakerStatus::Absent,
        };
        let publisher = Arc::new(fanout.attach(Arc::clone(&waker) as _));
        let speaker = loudspeaker.attach(Arc::clone(&waker) as _, closed(has_loudspeaker));
        let said = outgoing.attach(waker, closed(has_microphone));
        if !has_microphone && !has_loudspeaker {
            return Self {
                shaping,
                thread: None,
            };
        }
        let mut device = Device {
            settings,
            publisher,
            speaker: Arc::new(speaker),
            said: Arc::new(said),
            shaping: Arc::clone(&shaping),
            signals: signals.clone(),
            left_out: LeftOut::default(),
            events: events.clone(),
            told: None,
        };
        let thread = Thread::spawn("sound", signals, move || {
            let (left_out, events) = (device.left_out.clone(), device.events.clone());
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
        Self { shaping, thread }
    }

    /// While muted nothing is sent of the microphone, and nobody listens to how loud it is.
    pub fn set_muted(&self, muted: bool) {
        self.shaping.set_muted(muted);
    }

    /// While silent, silence is sent in place of what the microphone hears.
    pub fn set_silent(&self, silent: bool) {
        self.shaping.set_silent(silent);
    }

    /// Whether the microphone gives way to what the loudspeaker plays: see
    /// [`super::voice_switch`].
    pub fn set_half_duplex(&self, half_duplex: bool) {
        self.shaping.set_half_duplex(half_duplex);
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
    /// What is said to those in a call.
    said: Arc<LoudspeakerEnd>,
    shaping: Arc<Shaping>,
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
        let plays = self.speaker.is_wanted() || self.said.is_wanted();
        self.settings.warm || self.publisher.demand().capture || plays
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
        if half != Some(Half::Loudspeaker) && self.settings.microphone != AudioSourceKind::None {
            self.said
                .set_status(LoudspeakerStatus::Failed(reason.to_owned()));
        }
    }

    fn closed(&mut self) {
        if self.settings.loudspeaker != AudioSinkKind::Null {
            self.show(LoudspeakerStatus::Closed);
        }
        if self.settings.microphone != AudioSourceKind::None {
            self.said.set_status(LoudspeakerStatus::Closed);
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
                self.said
                    .set_status(LoudspeakerStatus::Failed(reason.to_owned()));
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
            description.push_str(&playback(&self.settings, &stage));
        }
        if has_microphone {
            description.push_str(&capture(&self.settings, &stage));
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
        if has_loudspeaker {
            match &self.settings.loudspeaker {
                AudioSinkKind::Alsa { device } => {
                    use_device(&pipeline, Half::Loudspeaker, device)?;
                }
                AudioSinkKind::Tap(tap) => tap.attach(&pipeline.element("speaker")?),
                AudioSinkKind::Null => {}
            }
            self.mix_in(&pipeline, (!has_microphone).then(|| Arc::clone(&last_data)))?;
        }
        if has_microphone {
            match &self.settings.microphone {
                AudioSourceKind::Alsa { device } => {
                    use_device(&pipeline, Half::Microphone, device)?;
                }
                AudioSourceKind::Feed(feed) => feed.attach(pipeline.element("microphone")?),
                AudioSourceKind::Test | AudioSourceKind::TestTone | AudioSourceKind::None => {}
            }
            self.shape(&pipeline, Arc::clone(&last_data))?;
            let output: gst_app::AppSink = pipeline.element("out")?;
            output.set_callbacks(self.publishing());
        }
        pipeline.play()?;
        if let Early::Waiting(Some(reason)) = std::mem::replace(&mut *started.lock(), Early::Over) {
            return Err(reason);
        }
        if has_loudspeaker {
            self.show(LoudspeakerStatus::Playing);
        }
        if has_microphone {
            self.said.set_status(LoudspeakerStatus::Playing);
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
        let shaping = Arc::clone(&self.shaping);
        let frame = Mutex::new(Vec::new());
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                change_samples(buffer.make_mut(), &mut frame.lock(), |frame| {
                    speaker.fill(frame);
                    shaping.played(frame);
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

    /// Lets what the microphone hears through as far as it may be sent, and adds what is said to
    /// those in a call.
    fn shape(
        &self,
        pipeline: &Pipeline,
        last_data: Arc<Mutex<Option<Instant>>>,
    ) -> Result<(), String> {
        let processed: gst::Element = pipeline.element("processed")?;
        let pad = processed
            .static_pad("src")
            .ok_or("the microphone's branch has no output")?;
        let (publisher, shaping) = (Arc::clone(&self.publisher), Arc::clone(&self.shaping));
        let (said, signals) = (Arc::clone(&self.said), self.signals.clone());
        let frames = Mutex::new((Vec::new(), Vec::new()));
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            // Here and not behind the encoder, which pauses while nobody speaks.
            if last_data.lock().replace(Instant::now()).is_none() {
                let _ = signals.send(Signal::Flowing);
            }
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                let (heard, added) = &mut *frames.lock();
                change_samples(buffer.make_mut(), heard, |heard| {
                    shaping.heard(heard, &publisher);
                    if said.is_wanted() {
                        added.resize(heard.len(), 0);
                        said.fill(added);
                        for (sample, said) in heard.iter_mut().zip(added.iter()) {
                            *sample = sample.saturating_add(*said);
                        }
                    }
                });
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    fn publishing(&self) -> gst_app::AppSinkCallbacks {
        let run = RunId::fresh();
        let publisher = Arc::clone(&self.publisher);
        let (shaping, said) = (Arc::clone(&self.shaping), Arc::clone(&self.said));
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let packet = sample.buffer().and_then(read_packet);
                if let Some((rtp_timestamp, packet)) = packet
                    && (!shaping.is_muted() || said.is_wanted())
                {
                    // RFC 7587 §4.2: one packet is one frame. Its marker begins a talk spurt.
                    publisher.publish(EncodedFrame {
                        run,
                        rtp_timestamp,
                        key: true,
                        packets: vec![packet],
                        encoded_at: Instant::now(),
                    });
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build()
    }
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
                AudioSinkKind::Null | AudioSinkKind::Tap(_) => true,
            },
        })
    }
}
