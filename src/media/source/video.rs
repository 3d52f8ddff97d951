//! A camera, or a test picture in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::mpsc::UnboundedSender;

use super::super::fanout::{VideoFanout, VideoPublisher};
use super::SourceEvent;
use super::capture::CameraStage;
use super::feed::PictureFeed;
use super::supervision::{Capture, Signal, Thread, supervise};

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoSourceKind {
    /// A moving test picture.
    Test {
        /// A `videotestsrc` pattern: `smpte`, `ball`, …
        pattern: String,
    },
    /// A camera known to the kernel.
    V4l2 {
        /// Its path, for example `/dev/video0`.
        device: String,
    },
    /// Pictures an application makes.
    Feed(PictureFeed),
}

/// How to capture and encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSourceSettings {
    /// Where pictures come from.
    pub source: VideoSourceKind,
    /// Pixels; even, 16 to 4096.
    pub width: u32,
    /// Pixels; even, 16 to 4096.
    pub height: u32,
    /// Pictures per second, 1 to 60.
    pub framerate: u32,
    /// Per encoder; at least 50.
    pub bitrate_kbps: u32,
    /// Keep the camera open while nobody looks: calls start some 300 ms sooner on a USB camera.
    pub warm: bool,
}

impl VideoSourceSettings {
    fn check(&self) -> Result<(), String> {
        let size = |name: &str, value: u32| {
            if (16..=4096).contains(&value) && value.is_multiple_of(2) {
                Ok(())
            } else {
                Err(format!(
                    "{name} {value} is not an even number from 16 to 4096"
                ))
            }
        };
        size("width", self.width)?;
        size("height", self.height)?;
        if !(1..=60).contains(&self.framerate) {
            return Err(format!("framerate {} is not 1 to 60", self.framerate));
        }
        Ok(())
    }
}

/// A camera that keeps itself running. Dropping it closes the camera, on the camera's thread.
pub struct VideoSource {
    muted: Arc<AtomicBool>,
    publisher: Arc<VideoPublisher>,
    _thread: Option<Thread>,
}

impl VideoSource {
    /// Returns at once; everything that goes wrong arrives as an event. It becomes the source of
    /// `fanout` in place of any earlier one.
    pub fn start(
        settings: VideoSourceSettings,
        fanout: VideoFanout,
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
        let mut camera = Camera {
            settings,
            publisher: Arc::clone(&publisher),
            muted: Arc::clone(&muted),
            signals: signals.clone(),
        };
        let tell = events.clone();
        let thread = Thread::spawn("camera", signals, move || {
            supervise(&mut camera, &received, |event| {
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
            publisher,
            _thread: thread,
        }
    }

    /// While muted nothing leaves the camera: no stream, no snapshot.
    pub fn set_muted(&self, muted: bool) {
        self.publisher.set_covered(muted);
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Closes the camera; [`SourceEvent::Stopped`] tells when it is done.
    pub fn stop(self) {}
}

struct Camera {
    settings: VideoSourceSettings,
    publisher: Arc<VideoPublisher>,
    muted: Arc<AtomicBool>,
    signals: Sender<Signal>,
}

impl Capture for Camera {
    type Stage = CameraStage;

    fn open(&mut self, attempt: u64) -> Result<CameraStage, String> {
        super::super::initialise().map_err(|error| error.to_string())?;
        self.settings.check()?;
        CameraStage::open(
            &self.settings,
            &self.publisher,
            &self.muted,
            attempt,
            &self.signals,
        )
    }

    fn wanted(&self) -> bool {
        self.settings.warm || self.publisher.demand().capture
    }

    fn failed(&mut self, reason: &str) {
        self.publisher.set_trouble(reason);
    }

    fn closed(&mut self) {
        self.publisher.clear_picture();
    }
}
