//! The camera's pipeline: raw pictures of exactly the configured size and rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::VideoCodec;
use super::super::encoder::EncoderTarget;
use super::super::fanout::VideoPublisher;
use super::super::pipeline::{End, Pipeline};
use super::super::rate::Picture;
use super::encode::{EncoderInput, EncoderRun};
use super::supervision::{Signal, Stage};
use super::v4l2;
use super::video::{VideoSourceKind, VideoSourceSettings};

/// A camera that is open, with an encoder for each format wanted.
pub(super) struct CameraStage {
    // Before the encoders, so that nothing is pushed into an encoder that is gone.
    _pipeline: Pipeline,
    shared: Arc<Shared>,
    encoders: [Option<EncoderRun>; 2],
    caps: gst::Caps,
    picture: Picture,
    target: EncoderTarget,
    attempt: u64,
    signals: Sender<Signal>,
}

/// What the camera's streaming thread sees.
struct Shared {
    publisher: Arc<VideoPublisher>,
    muted: Arc<AtomicBool>,
    inputs: Mutex<Vec<Arc<EncoderInput>>>,
    last_data: Mutex<Option<Instant>>,
    signals: Sender<Signal>,
}

impl CameraStage {
    pub(super) fn open(
        settings: &VideoSourceSettings,
        publisher: &Arc<VideoPublisher>,
        muted: &Arc<AtomicBool>,
        attempt: u64,
        signals: &Sender<Signal>,
    ) -> Result<Self, String> {
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", settings.width as i32)
            .field("height", settings.height as i32)
            .field(
                "framerate",
                gst::Fraction::new(settings.framerate as i32, 1),
            )
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
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
        let shared = Arc::new(Shared {
            publisher: Arc::clone(publisher),
            muted: Arc::clone(muted),
            inputs: Mutex::default(),
            last_data: Mutex::default(),
            signals: signals.clone(),
        });
        let output: gst_app::AppSink = pipeline.element("out")?;
        output.set_callbacks(distributing(Arc::clone(&shared)));
        pipeline.play()?;
        Ok(Self {
            _pipeline: pipeline,
            shared,
            encoders: [None, None],
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
            attempt,
            signals: signals.clone(),
        })
    }

    fn start_encoder(
        &self,
        codec: VideoCodec,
        target: EncoderTarget,
    ) -> Result<EncoderRun, String> {
        let signals = self.signals.clone();
        let attempt = self.attempt;
        EncoderRun::start(
            codec,
            &self.caps,
            self.picture,
            target,
            &self.shared.publisher,
            move |reason| {
                let reason = format!("{codec} encoder: {reason}");
                let _ = signals.send(Signal::Failed { attempt, reason });
            },
        )
    }
}

impl Stage for CameraStage {
    fn adjust(&mut self) -> Result<(), String> {
        let demand = self.shared.publisher.demand();
        let mut changed = Vec::new();
        for codec in VideoCodec::ALL {
            let running = self.encoders[codec.index()].is_some();
            let limit = demand.limit_kbps(codec).unwrap_or(u32::MAX);
            let target = EncoderTarget {
                bitrate_kbps: self.target.bitrate_kbps.min(limit),
                ..self.target
            };
            if demand.wants(codec) && !running {
                self.encoders[codec.index()] = Some(self.start_encoder(codec, target)?);
                changed.push(None);
            } else if demand.wants(codec)
                && let Some(run) = &mut self.encoders[codec.index()]
            {
                run.set_bitrate(target.bitrate_kbps);
            } else if !demand.wants(codec) && running {
                changed.push(self.encoders[codec.index()].take());
            }
            let encoding = self.encoders[codec.index()].as_mut().map(|run| {
                run.reduce(demand.keeps_size(codec), demand.max_framerate());
                run.encoding()
            });
            self.shared.publisher.set_encoding(codec, encoding);
        }
        if !changed.is_empty() {
            *self.shared.inputs.lock() = self
                .encoders
                .iter()
                .flatten()
                .map(|run| Arc::clone(&run.input))
                .collect();
        }
        // Encoders no longer fed are torn down here, at the end of `changed`.
        Ok(())
    }

    fn last_data(&self) -> Option<Instant> {
        *self.shared.last_data.lock()
    }

    fn encoder(&self) -> Option<String> {
        let names: Vec<_> = self
            .encoders
            .iter()
            .flatten()
            .map(|run| run.element)
            .collect();
        (!names.is_empty()).then(|| names.join("+"))
    }
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

fn distributing(shared: Arc<Shared>) -> gst_app::AppSinkCallbacks {
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let first = shared.last_data.lock().replace(Instant::now()).is_none();
            if first {
                let _ = shared.signals.send(Signal::Flowing);
            }
            if !shared.muted.load(Ordering::Relaxed)
                && let Some(buffer) = sample.buffer_owned()
            {
                for input in shared.inputs.lock().iter() {
                    input.push(&buffer, &shared.publisher);
                }
                shared.publisher.set_picture(sample);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}
