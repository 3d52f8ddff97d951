//! The camera's pipeline: raw pictures of exactly the configured size and rate.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::pipeline::{End, Pipeline};
use super::encoders::{Encoders, Pictures};
use super::supervision::{Signal, Stage};
use super::v4l2;
use super::video::{VideoSourceKind, VideoSourceSettings};

/// A camera that is open. Its encoders outlive it.
pub(super) struct CameraStage {
    _pipeline: Pipeline,
    encoders: Arc<Mutex<Encoders>>,
    last_data: Arc<Mutex<Option<Instant>>>,
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
        let pipeline = camera_pipeline(settings, &caps, {
            let signals = signals.clone();
            move |end| {
                let reason = match end {
                    End::Failed(reason) => reason,
                    End::Eos => "the camera ended its stream".into(),
                };
                // A source that is gone needs no more failures.
                let _ = signals.send(Signal::Failed { attempt, reason });
            }
        })?;
        let last_data = Arc::new(Mutex::default());
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
}

/// What every source gives: I420 of the configured size and rate.
pub(super) fn picture_caps(settings: &VideoSourceSettings) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", settings.width as i32)
        .field("height", settings.height as i32)
        .field(
            "framerate",
            gst::Fraction::new(settings.framerate as i32, 1),
        )
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build()
}

fn camera_pipeline(
    settings: &VideoSourceSettings,
    caps: &gst::Caps,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    let sink = "appsink name=out sync=false max-buffers=2 drop=true";
    // videorate only drops: repeating pictures would hide a camera that stalls.
    let shape = "videoconvert ! videoscale ! videorate drop-only=true";
    match &settings.source {
        VideoSourceKind::Test { pattern } => {
            let pipeline = Pipeline::parse(
                &format!("videotestsrc name=camera is-live=true ! {caps} ! {sink}"),
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
        VideoSourceKind::Feed(feed) => {
            let format =
                gst_video::VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
            let pipeline = Pipeline::parse(
                &format!(
                    "appsrc name=camera is-live=true do-timestamp=true format=time max-buffers=2 \
                     leaky-type=downstream ! {sink}"
                ),
                on_end,
            )?;
            let camera: gst_app::AppSrc = pipeline.element("camera")?;
            camera.set_caps(Some(caps));
            feed.attach(camera, format.size());
            Ok(pipeline)
        }
        VideoSourceKind::V4l2 { device } => {
            let format = v4l2::choose(device, settings.width, settings.height, settings.framerate)?;
            let decode = if format.jpeg { "! jpegdec" } else { "" };
            // Caps without a frame rate let the camera run below the wanted one.
            let mut wanted = caps.clone();
            if let Some(fields) = wanted.make_mut().structure_mut(0) {
                fields.remove_field("framerate");
            }
            let pipeline = Pipeline::parse(
                &format!(
                    "v4l2src name=camera do-timestamp=true ! {} {decode} ! {shape} \
                     max-rate={} ! {wanted} ! {sink}",
                    format.caps, settings.framerate
                ),
                on_end,
            )?;
            let camera: gst::Element = pipeline.element("camera")?;
            camera.set_property("device", device);
            Ok(pipeline)
        }
    }
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
            let first = last_data.lock().replace(Instant::now()).is_none();
            if first {
                let _ = signals.send(Signal::Flowing);
            }
            pictures.show(sample, attempt);
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}
