//! A camera, or a test picture in its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::super::fanout::{VideoFanout, VideoPublisher};
use super::SourceEvent;
use super::arrival::ArrivalWatch;
use super::capture::CameraStage;
use super::encoders::Encoders;
use super::feed::PictureFeed;
use super::rtsp::RtspCamera;
use super::supervision::{Capture, Signal, Thread, ended, supervise};

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
    /// A camera of the network.
    Rtsp(RtspCamera),
    /// A film, over and over.
    File {
        /// Anything GStreamer can play.
        path: PathBuf,
    },
    /// What an X server shows.
    Screen {
        /// As in `DISPLAY`, which is taken without.
        display: Option<String>,
    },
    /// A camera that takes libcamera to drive, as those on a Raspberry Pi's ribbon cable.
    Libcamera {
        /// As libcamera calls it; its first without.
        name: Option<String>,
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
    thread: Option<Thread>,
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
            _arrival: watch(&settings, &signals),
            encoders: None,
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
            thread,
        }
    }

    /// While muted nothing of the camera is seen: streams are black, and there is no snapshot.
    pub fn set_muted(&self, muted: bool) {
        self.publisher.set_covered(muted);
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Closes the camera; [`SourceEvent::Stopped`] tells when it is done.
    pub fn stop(self) {}

    /// Closes the camera; the future is over when that is done.
    pub fn closed(self) -> impl Future<Output = ()> + use<> {
        ended(self.thread)
    }
}

struct Camera {
    settings: VideoSourceSettings,
    publisher: Arc<VideoPublisher>,
    muted: Arc<AtomicBool>,
    signals: Sender<Signal>,
    /// From the first opening on.
    encoders: Option<Arc<Mutex<Encoders>>>,
    _arrival: Option<ArrivalWatch>,
}

impl Camera {
    fn encoders(&mut self) -> Result<Arc<Mutex<Encoders>>, String> {
        if let Some(encoders) = &self.encoders {
            return Ok(Arc::clone(encoders));
        }
        let encoders = Encoders::new(&self.settings, &self.publisher, &self.muted, &self.signals)?;
        let encoders = Arc::new(Mutex::new(encoders));
        self.encoders = Some(Arc::clone(&encoders));
        Ok(encoders)
    }
}

/// Tells when the camera is plugged in; only of those the kernel knows.
fn watch(settings: &VideoSourceSettings, signals: &Sender<Signal>) -> Option<ArrivalWatch> {
    let VideoSourceKind::V4l2 { device } = &settings.source else {
        return None;
    };
    let signals = signals.clone();
    let watch = ArrivalWatch::start(Path::new(device), move || {
        // A source that is gone needs no camera.
        let _ = signals.send(Signal::Arrived);
    });
    watch
        .inspect_err(|error| tracing::warn!(error, "a camera is not noticed when it comes"))
        .ok()
}

impl Capture for Camera {
    type Stage = CameraStage;

    fn open(&mut self, attempt: u64) -> Result<CameraStage, String> {
        super::super::initialise().map_err(|error| error.to_string())?;
        self.settings.check()?;
        let encoders = self.encoders()?;
        CameraStage::open(&self.settings, &encoders, attempt, &self.signals)
    }

    fn wanted(&self) -> bool {
        self.settings.warm || self.publisher.demand().capture
    }

    fn failed(&mut self, reason: &str) {
        self.publisher.set_trouble(reason);
        if let Some(encoders) = &self.encoders {
            encoders.lock().pictures().set_failed();
        }
    }

    /// The placeholder needs encoders as the camera did.
    fn stand_by(&mut self) {
        let Some(encoders) = &self.encoders else {
            return;
        };
        if let Err(error) = encoders.lock().adjust() {
            tracing::error!(error, "nothing is shown in the place of the camera");
        }
    }

    fn closed(&mut self) {
        self.publisher.clear_picture();
        if let Some(encoders) = &self.encoders {
            encoders.lock().clear();
        }
    }
}
