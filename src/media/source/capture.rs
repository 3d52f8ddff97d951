//! The camera's pipeline: raw pictures of exactly the configured size and rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::pipeline::{End, Pipeline};
use super::super::rate::Pace;
use super::encoders::{Encoders, Pictures};
use super::feed::PictureFeed;
use super::supervision::{SILENCE, Signal, Stage};
use super::video::{VideoSourceKind, VideoSourceSettings};
use super::{film, libcamera, rtsp, screen, v4l2};

/// A camera of the network has to be reached, and its next key frame awaited, which some send every
/// ten seconds.
const FIRST_OF_NETWORK: Duration = Duration::from_secs(20);
const SHORTEST_FILM: Duration = Duration::from_secs(1);

/// A camera that is open. Its encoders outlive it.
pub(super) struct CameraStage {
    _pipeline: Pipeline,
    encoders: Arc<Mutex<Encoders>>,
    last_data: Arc<Mutex<Option<Instant>>>,
    /// A film is over, and is to begin again.
    is_over: Arc<AtomicBool>,
    first_picture: Duration,
}

impl CameraStage {
    pub(super) fn open(
        settings: &VideoSourceSettings,
        encoders: &Arc<Mutex<Encoders>>,
        attempt: u64,
        signals: &Sender<Signal>,
    ) -> Result<Self, String> {
        let (caps, pictures) = {
            let encoders = encoders.lock();
            (encoders.caps().clone(), Arc::clone(encoders.pictures()))
        };
        let last_data = Arc::<Mutex<Option<Instant>>>::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let pipeline = camera_pipeline(settings, &caps, {
            let signals = signals.clone();
            let film = matches!(settings.source, VideoSourceKind::File { .. })
                .then(|| (Arc::clone(&is_over), Instant::now()));
            let last_data = Arc::clone(&last_data);
            move |end| {
                let ended = match (end, &film) {
                    (End::Failed(reason), _) => Err(reason),
                    (End::Eos, None) => Err("the camera ended its stream".into()),
                    (End::Eos, Some((is_over, began))) => {
                        film_ended(*last_data.lock(), began.elapsed())
                            .map(|()| is_over.store(true, Ordering::Relaxed))
                    }
                };
                let signal = match ended {
                    Ok(()) => Signal::Demand,
                    Err(reason) => Signal::Failed { attempt, reason },
                };
                // A source that is gone needs no more failures.
                let _ = signals.send(signal);
            }
        })?;
        pictures.set_decoded(is_decoding(settings, &pipeline));
        let output: gst_app::AppSink = pipeline.element("out")?;
        output.set_callbacks(distributing(
            pictures,
            attempt,
            Arc::clone(&last_data),
            signals.clone(),
        ));
        pipeline.play()?;
        Ok(Self {
            _pipeline: pipeline,
            encoders: Arc::clone(encoders),
            last_data,
            is_over,
            first_picture: match settings.source {
                VideoSourceKind::Rtsp(_) => FIRST_OF_NETWORK,
                _ => SILENCE,
            },
        })
    }
}

impl Stage for CameraStage {
    fn adjust(&mut self) -> Result<(), String> {
        self.encoders.lock().adjust()
    }

    fn last_data(&self) -> Option<Instant> {
        *self.last_data.lock()
    }

    fn encoder(&self) -> Option<String> {
        self.encoders.lock().names()
    }

    fn patience(&self) -> Duration {
        match self.last_data() {
            Some(_) => SILENCE,
            None => self.first_picture,
        }
    }

    fn is_outdated(&mut self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Whether a film that ended can begin again: one too short would do nothing else.
fn film_ended(last_picture: Option<Instant>, lasted: Duration) -> Result<(), String> {
    if last_picture.is_none() {
        Err("the file has no pictures".into())
    } else if lasted < SHORTEST_FILM {
        Err(format!("the film is shorter than {SHORTEST_FILM:?}"))
    } else {
        Ok(())
    }
}

/// Raw pictures of the configured size and rate.
pub(super) fn sized(
    settings: &VideoSourceSettings,
    format: &str,
) -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", settings.width as i32)
        .field("height", settings.height as i32)
        .field(
            "framerate",
            gst::Fraction::new(settings.framerate as i32, 1),
        )
}

/// What every source gives: I420 of the configured size and rate.
pub(super) fn picture_caps(settings: &VideoSourceSettings) -> gst::Caps {
    sized(settings, "I420")
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build()
}

/// Where pictures enter that are made in this process, at the time they come; named `camera`.
pub(super) const PICTURES_AS_THEY_COME: &str = "appsrc name=camera is-live=true do-timestamp=true \
     format=time max-buffers=2 leaky-type=downstream";

/// Where every source ends.
const SINK: &str = "appsink name=out sync=false max-buffers=2 drop=true";

/// What decodes pictures of a camera that encodes them.
const DECODER: &str = "decoder";

/// Whether pictures come from a decoder on the thread that brings them.
fn is_decoding(settings: &VideoSourceSettings, pipeline: &Pipeline) -> bool {
    match settings.source {
        VideoSourceKind::Rtsp(_) | VideoSourceKind::File { .. } => true,
        VideoSourceKind::V4l2 { .. } => pipeline.element::<gst::Element>(DECODER).is_ok(),
        VideoSourceKind::Test { .. }
        | VideoSourceKind::Feed(_)
        | VideoSourceKind::Screen { .. }
        | VideoSourceKind::Libcamera { .. } => false,
    }
}

/// The element pictures of any kind enter by.
const SHAPING: &str = "shaping";

fn camera_pipeline(
    settings: &VideoSourceSettings,
    caps: &gst::Caps,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    let pipeline = pipeline_of_kind(settings, caps, on_end)?;
    match settings.source {
        // As wanted from the beginning.
        VideoSourceKind::Test { .. } | VideoSourceKind::Feed(_) => {}
        _ => thin_out(&pipeline, settings.framerate)?,
    }
    Ok(pipeline)
}

fn pipeline_of_kind(
    settings: &VideoSourceSettings,
    caps: &gst::Caps,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    match &settings.source {
        VideoSourceKind::Test { pattern } => test_picture(pattern, caps, on_end),
        VideoSourceKind::Feed(feed) => fed(feed, caps, on_end),
        VideoSourceKind::V4l2 { device } => {
            let format = v4l2::choose(device, settings.width, settings.height, settings.framerate)?;
            let decode = if format.jpeg {
                format!("! jpegdec name={DECODER}")
            } else {
                String::new()
            };
            let tail = shaped(caps, SINK);
            let pipeline = Pipeline::parse(
                &format!(
                    "v4l2src name=camera do-timestamp=true ! {} {decode} ! {tail}",
                    format.caps
                ),
                on_end,
            )?;
            let camera: gst::Element = pipeline.element("camera")?;
            camera.set_property("device", device);
            Ok(pipeline)
        }
        VideoSourceKind::Rtsp(camera) => rtsp::pipeline(camera, &shaped(caps, SINK), on_end),
        VideoSourceKind::File { path } => {
            // Nothing but the clock keeps a file from being played in a second.
            let sink = "appsink name=out sync=true max-buffers=2 drop=true";
            film::pipeline(path, &shaped(caps, sink), on_end)
        }
        VideoSourceKind::Screen { display } => screen::pipeline(
            display.as_deref(),
            settings.framerate,
            &shaped(caps, SINK),
            on_end,
        ),
        VideoSourceKind::Libcamera { name } => {
            libcamera::pipeline(name.as_deref(), settings, &shaped(caps, SINK), on_end)
        }
    }
}

/// From pictures of any kind to those wanted, black at the edges where they have another shape.
fn shaped(caps: &gst::Caps, sink: &str) -> String {
    // Caps without a frame rate let the camera run below the wanted one.
    let mut wanted = caps.clone();
    if let Some(fields) = wanted.make_mut().structure_mut(0) {
        fields.remove_field("framerate");
    }
    format!("videoconvert name={SHAPING} ! videoscale ! {wanted} ! {sink}")
}

/// Lets through no more pictures a second than wanted, before any work is done on them; never
/// repeats one, which would hide a camera that stalls. Not by `videorate`, which ends the process
/// when it meets a picture without duration, as of a network camera that does not tell its rate.
fn thin_out(pipeline: &Pipeline, framerate: u32) -> Result<(), String> {
    let shaping: gst::Element = pipeline.element(SHAPING)?;
    let entrance = shaping.static_pad("sink").ok_or("no way in")?;
    // A camera at the wanted rate jitters: up to half of its distance.
    let pace = Mutex::new(Pace::new(framerate, 1, framerate + 1));
    entrance.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let time = info.buffer().and_then(|buffer| buffer.pts());
        match time {
            Some(time) if !pace.lock().takes(time.into()) => gst::PadProbeReturn::Drop,
            _ => gst::PadProbeReturn::Ok,
        }
    });
    Ok(())
}

fn test_picture(
    pattern: &str,
    caps: &gst::Caps,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    let pipeline = Pipeline::parse(
        &format!("videotestsrc name=camera is-live=true ! {caps} ! {SINK}"),
        on_end,
    )?;
    let camera: gst::Element = pipeline.element("camera")?;
    // A pattern GStreamer does not know would panic in the property setter.
    let known = camera
        .find_property("pattern")
        .and_then(|spec| gst::glib::EnumClass::with_type(spec.value_type()))
        .is_some_and(|patterns| patterns.value_by_nick(pattern).is_some());
    if !known {
        return Err(format!("videotestsrc has no pattern {pattern:?}"));
    }
    camera.set_property_from_str("pattern", pattern);
    Ok(pipeline)
}

fn fed(
    feed: &PictureFeed,
    caps: &gst::Caps,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    let format = gst_video::VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
    let pipeline = Pipeline::parse(&format!("{PICTURES_AS_THEY_COME} ! {SINK}"), on_end)?;
    let camera: gst_app::AppSrc = pipeline.element("camera")?;
    camera.set_caps(Some(caps));
    feed.attach(camera, format.size());
    Ok(pipeline)
}

fn distributing(
    pictures: Arc<Pictures>,
    attempt: u64,
    last_data: Arc<Mutex<Option<Instant>>>,
    signals: Sender<Signal>,
) -> gst_app::AppSinkCallbacks {
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            // There before it is told: who hears that the camera runs may ask for a picture.
            pictures.show(sample, attempt);
            let first = last_data.lock().replace(Instant::now()).is_none();
            if first {
                let _ = signals.send(Signal::Flowing);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}
