//! The encoders of a camera, one per format wanted, and the pictures on their way to them.
//!
//! They outlive the camera's pipeline: when a camera is pulled or covered, a placeholder or black goes
//! through the same encoders, and whoever watches sees another picture and no other stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::VideoCodec;
use super::super::encoder::{self, EncoderTarget};
use super::super::fanout::VideoPublisher;
use super::super::rate::{Most, Picture};
use super::capture::picture_caps;
use super::encode::EncoderRun;
use super::encoder_input::EncoderInput;
use super::placeholder::{Placeholder, Retimer};
use super::supervision::Signal;
use super::video::{VideoSourceKind, VideoSourceSettings};

/// An encoder that dies again so soon is not simply started again.
const DIES_AGAIN: Duration = Duration::from_secs(1);

/// What the camera's streaming thread and the placeholder see.
pub(super) struct Pictures {
    publisher: Arc<VideoPublisher>,
    muted: Arc<AtomicBool>,
    inputs: Mutex<Arc<[Arc<EncoderInput>]>>,
    times: Mutex<Retimer>,
    /// The last picture of the camera, or since when one is waited for.
    last: Mutex<Instant>,
    has_failed: AtomicBool,
    /// An application that makes pictures makes them when it likes.
    has_own_pace: bool,
    /// The camera's thread decodes its pictures as well, which is work enough for one.
    is_decoded: AtomicBool,
}

impl Pictures {
    /// A picture of the camera, of its nth opening.
    pub(super) fn show(&self, sample: gst::Sample, attempt: u64) {
        let now = Instant::now();
        *self.last.lock() = now;
        self.has_failed.store(false, Ordering::Relaxed);
        if self.is_covered() {
            return;
        }
        if let Some(buffer) = sample.buffer_owned() {
            let time = buffer.pts().map(gst::ClockTime::nseconds);
            // Held until it is handed over, so that none overtakes another.
            let mut times = self.times.lock();
            // It may have been covered meanwhile, and its black is then ahead of this one.
            if self.is_covered() {
                return;
            }
            let picture = placed(buffer, times.place(attempt, time, now));
            let inputs = Arc::clone(&self.inputs.lock());
            if let Some((last, others)) = inputs.split_last() {
                for input in others {
                    input.hand_over(&picture, &self.publisher);
                }
                if self.is_decoded.load(Ordering::Relaxed) {
                    last.hand_over(&picture, &self.publisher);
                } else {
                    // While it waits for this one, the others work.
                    last.push(&picture, &self.publisher);
                }
            }
            drop(times);
            self.publisher.set_picture(sample);
        }
    }

    /// Whether somebody watches.
    pub(super) fn are_seen(&self) -> bool {
        !self.inputs.lock().is_empty()
    }

    /// Whether there are eyes and nothing to be seen.
    pub(super) fn is_silent(&self, now: Instant, patience: Duration) -> bool {
        let is_late = || {
            let since = now.saturating_duration_since(*self.last.lock());
            !self.has_own_pace && since >= patience
        };
        (self.has_failed.load(Ordering::Relaxed) || is_late())
            && !self.is_covered()
            && self.are_seen()
    }

    /// Whether nothing of the camera may be seen.
    pub(super) fn is_covered(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// Black in the place of a covered camera's picture; never waits.
    pub(super) fn show_black(&self, black: gst::Buffer) {
        // Else a picture of the camera is on its way.
        let Some(mut times) = self.times.try_lock() else {
            return;
        };
        // As long as the lock is held no picture of the camera gets past this.
        if self.is_covered() {
            self.publisher.blacken(times.last());
            self.place_in(black, &mut times);
        }
    }

    /// A picture in the place of the camera's; never waits.
    pub(super) fn stand_in(&self, picture: gst::Buffer) {
        // Else a picture of the camera is on its way.
        let Some(mut times) = self.times.try_lock() else {
            return;
        };
        self.place_in(picture, &mut times);
    }

    fn place_in(&self, picture: gst::Buffer, times: &mut Retimer) {
        let picture = placed(picture, times.place(0, None, Instant::now()));
        for input in self.inputs.lock().iter() {
            input.hand_over(&picture, &self.publisher);
        }
    }

    /// Whether what comes from now on is decoded by the thread that brings it. Encoded there as well,
    /// pictures could come faster than they are done with, and nothing would say so: they would
    /// wait in front of the decoder, ever more of them.
    pub(super) fn set_decoded(&self, is_decoded: bool) {
        self.is_decoded.store(is_decoded, Ordering::Relaxed);
    }

    /// The camera gives nothing until further notice.
    pub(super) fn set_failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }
}

/// With its time on the encoders' clock; the pixels stay shared.
fn placed(mut picture: gst::Buffer, time: u64) -> gst::Buffer {
    let timed = picture.make_mut();
    timed.set_pts(gst::ClockTime::from_nseconds(time));
    timed.set_dts(gst::ClockTime::NONE);
    picture
}

/// The encoders that run.
pub(super) struct Encoders {
    // Before the encoders, so that nothing is pushed into an encoder that is gone.
    _placeholder: Option<Placeholder>,
    pictures: Arc<Pictures>,
    runs: [Option<EncoderRun>; 2],
    /// When one of the format last died.
    died: [Option<Instant>; 2],
    caps: gst::Caps,
    picture: Picture,
    target: EncoderTarget,
    signals: Sender<Signal>,
}

impl Encoders {
    /// None yet.
    pub(super) fn new(
        settings: &VideoSourceSettings,
        publisher: &Arc<VideoPublisher>,
        muted: &Arc<AtomicBool>,
        signals: &Sender<Signal>,
    ) -> Result<Self, String> {
        let caps = picture_caps(settings);
        let pictures = Arc::new(Pictures {
            publisher: Arc::clone(publisher),
            muted: Arc::clone(muted),
            inputs: Mutex::new(Arc::new([])),
            times: Mutex::default(),
            last: Mutex::new(Instant::now()),
            has_failed: AtomicBool::new(false),
            has_own_pace: matches!(settings.source, VideoSourceKind::Feed(_)),
            is_decoded: AtomicBool::new(false),
        });
        let info = gst_video::VideoInfo::from_caps(&caps).map_err(|error| error.to_string())?;
        let placeholder = Placeholder::watch(&pictures, info).map_err(|error| error.to_string())?;
        Ok(Self {
            _placeholder: Some(placeholder),
            pictures,
            runs: [None, None],
            died: [None, None],
            caps,
            picture: Picture {
                width: settings.width,
                height: settings.height,
                framerate: settings.framerate,
            },
            target: EncoderTarget {
                bitrate_kbps: settings.bitrate_kbps,
                framerate: settings.framerate,
            },
            signals: signals.clone(),
        })
    }

    pub(super) fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    pub(super) fn pictures(&self) -> &Arc<Pictures> {
        &self.pictures
    }

    /// The elements that encode; none while nobody subscribes.
    pub(super) fn names(&self) -> Option<String> {
        let names: Vec<_> = self.runs.iter().flatten().map(|run| run.element).collect();
        (!names.is_empty()).then(|| names.join("+"))
    }

    /// Brings them in line with the demand, and replaces one that died.
    pub(super) fn adjust(&mut self) -> Result<(), String> {
        let demand = self.pictures.publisher.demand();
        let mut changed = Vec::new();
        for codec in VideoCodec::ALL {
            let index = codec.index();
            if self.runs[index].as_ref().is_some_and(EncoderRun::is_dead) {
                changed.push(self.bury(codec)?);
            }
            let running = self.runs[index].is_some();
            let limit = demand.limit_kbps(codec).unwrap_or(u32::MAX);
            let target = EncoderTarget {
                bitrate_kbps: self.target.bitrate_kbps.min(limit),
                ..self.target
            };
            if demand.wants(codec) && !running {
                self.runs[index] = Some(self.start(codec, target)?);
                changed.push(None);
            } else if demand.wants(codec)
                && let Some(run) = &mut self.runs[index]
            {
                run.set_bitrate(target.bitrate_kbps);
            } else if !demand.wants(codec) && running {
                changed.push(self.runs[index].take());
            }
            let encoding = self.runs[index].as_mut().map(|run| {
                let most = Most {
                    framerate: demand.max_framerate(),
                    height: demand.max_height(),
                };
                run.reduce(demand.keeps_size(codec), most);
                run.encoding()
            });
            self.pictures.publisher.set_encoding(codec, encoding);
        }
        if !changed.is_empty() {
            self.hand_over();
        }
        // Encoders no longer fed are torn down here, at the end of `changed`.
        Ok(())
    }

    /// Ends them all.
    pub(super) fn clear(&mut self) {
        let ended = std::mem::take(&mut self.runs);
        self.hand_over();
        for codec in VideoCodec::ALL {
            self.pictures.publisher.set_encoding(codec, None);
        }
        drop(ended);
        // The next opening begins to wait anew.
        *self.pictures.last.lock() = Instant::now();
        self.pictures.has_failed.store(false, Ordering::Relaxed);
    }

    fn hand_over(&self) {
        *self.pictures.inputs.lock() = self
            .runs
            .iter()
            .flatten()
            .map(|run| Arc::clone(&run.input))
            .collect();
    }

    /// Takes a dead one out; the next is another one if this kind dies often.
    fn bury(&mut self, codec: VideoCodec) -> Result<Option<EncoderRun>, String> {
        let dead = self.runs[codec.index()].take();
        let now = Instant::now();
        let died = self.died[codec.index()].replace(now);
        if let Some(run) = &dead {
            encoder::distrust(codec, run.element);
        }
        if died.is_some_and(|before| now.saturating_duration_since(before) < DIES_AGAIN) {
            self.hand_over();
            return Err(format!("the {codec} encoder dies again and again"));
        }
        Ok(dead)
    }

    fn start(&self, codec: VideoCodec, target: EncoderTarget) -> Result<EncoderRun, String> {
        let signals = self.signals.clone();
        EncoderRun::start(
            codec,
            &self.caps,
            self.picture,
            target,
            &self.pictures.publisher,
            move |reason| {
                tracing::error!(%codec, reason, "an encoder died");
                // Whoever runs the encoders looks at them.
                let _ = signals.send(Signal::Demand);
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use gst::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngCore, SeedableRng};

    use super::*;
    use crate::media::fanout::VideoFanout;
    use crate::media::rtp::EncodedFrame;

    const LIMIT: Duration = Duration::from_secs(20);

    fn settings() -> VideoSourceSettings {
        VideoSourceSettings {
            source: VideoSourceKind::Test {
                pattern: "ball".into(),
            },
            width: 320,
            height: 240,
            framerate: 30,
            bitrate_kbps: 500,
            warm: false,
        }
    }

    /// Noise, which takes many bytes however it is encoded.
    fn noise(caps: &gst::Caps, ms: u64) -> gst::Sample {
        let info = gst_video::VideoInfo::from_caps(caps).unwrap();
        let mut bytes = vec![0; info.size()];
        StdRng::seed_from_u64(ms).fill_bytes(&mut bytes);
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer.make_mut().set_pts(gst::ClockTime::from_mseconds(ms));
        gst::Sample::builder().buffer(&buffer).caps(caps).build()
    }

    /// Covering is told to the fanout first, and that has a key frame made.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_picture_on_its_way_while_the_camera_is_covered_is_not_seen_as_a_key_frame_either() {
        crate::media::initialise().unwrap();
        for codec in VideoCodec::ALL {
            let fanout = VideoFanout::new();
            let publisher = Arc::new(fanout.attach(Arc::new(|| {})));
            let muted = Arc::<AtomicBool>::default();
            let (signals, _received) = channel();
            let mut encoders = Encoders::new(&settings(), &publisher, &muted, &signals).unwrap();
            let watching = fanout.subscribe(codec);
            encoders.adjust().unwrap();
            let pictures = Arc::clone(encoders.pictures());
            let next = || tokio::time::timeout(LIMIT, watching.next());
            let is_noise = |frame: &EncodedFrame| frame.payload_bytes() > 2_000;
            pictures.show(noise(encoders.caps(), 0), 1);
            // On a busy machine the placeholder is ahead of it.
            let mut frames = 0;
            while !is_noise(&next().await.unwrap()) {
                frames += 1;
                assert!(frames < 10, "{codec}: the camera is not seen");
            }
            publisher.set_covered(true);
            pictures.show(noise(encoders.caps(), 33), 1);
            muted.store(true, Ordering::Relaxed);
            let covered = next().await.unwrap();
            assert!(covered.key && !is_noise(&covered), "{codec}");
        }
    }

    /// Whether any of some pictures was encoded on the thread that brought it.
    fn is_encoded_here(is_decoded: bool) -> bool {
        let (signals, _received) = channel();
        // So slow that no encoder of a busy machine takes too long.
        let settings = VideoSourceSettings {
            framerate: 1,
            ..settings()
        };
        let fanout = VideoFanout::new();
        let publisher = Arc::new(fanout.attach(Arc::new(|| {})));
        let _watching = fanout.subscribe(VideoCodec::H264);
        let mut encoders = Encoders::new(&settings, &publisher, &Arc::default(), &signals).unwrap();
        encoders.adjust().unwrap();
        let pictures = Arc::clone(encoders.pictures());
        pictures.set_decoded(is_decoded);
        let (told, threads) = channel();
        let run = encoders.runs[VideoCodec::H264.index()].as_ref().unwrap();
        let entrance = run.input.encoder().static_pad("sink").unwrap();
        entrance.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = told.send(std::thread::current().id());
            gst::PadProbeReturn::Ok
        });
        let mut threads = threads.into_iter();
        (0..4).any(|n| {
            pictures.show(noise(encoders.caps(), n * 1_000), 1);
            threads.next().unwrap() == std::thread::current().id()
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pictures_that_were_decoded_on_the_way_are_encoded_by_another_thread() {
        crate::media::initialise().unwrap();
        let told = tokio::task::spawn_blocking(|| [false, true].map(is_encoded_here));
        assert_eq!(told.await.unwrap(), [true, false]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_encoder_that_dies_is_replaced_and_the_stream_goes_on() {
        crate::media::initialise().unwrap();
        let fanout = VideoFanout::new();
        let publisher = Arc::new(fanout.attach(Arc::new(|| {})));
        let (signals, received) = channel();
        let mut encoders =
            Encoders::new(&settings(), &publisher, &Arc::default(), &signals).unwrap();
        let watching = fanout.subscribe(VideoCodec::H264);
        encoders.adjust().unwrap();
        // No camera: the placeholder is what is encoded.
        let frame = tokio::time::timeout(LIMIT, watching.next()).await.unwrap();
        assert!(frame.key);
        let run = encoders.runs[VideoCodec::H264.index()].as_ref().unwrap();
        run.input.encoder().post_error_message(gst::error_msg!(
            gst::LibraryError::Encode,
            ["as if it had died"]
        ));
        let told = tokio::task::spawn_blocking(move || received.recv_timeout(LIMIT));
        assert!(matches!(told.await.unwrap(), Ok(Signal::Demand)));
        encoders.adjust().unwrap();
        let next = async {
            loop {
                let next = watching.next().await;
                if next.run != frame.run {
                    return next;
                }
            }
        };
        let next = tokio::time::timeout(LIMIT, next).await.unwrap();
        assert!(next.key, "a decoder can go on with it");
        // Dead again at once: that is left to a pause.
        let run = encoders.runs[VideoCodec::H264.index()].as_ref().unwrap();
        run.input
            .encoder()
            .post_error_message(gst::error_msg!(gst::LibraryError::Encode, ["again"]));
        while !encoders.runs[VideoCodec::H264.index()]
            .as_ref()
            .unwrap()
            .is_dead()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        encoders.died[VideoCodec::H264.index()] = Some(Instant::now());
        assert!(encoders.adjust().is_err());
        encoders.adjust().unwrap();
        assert!(encoders.names().is_some());
    }
}
