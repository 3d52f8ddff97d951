//! Where decoded pictures go, and the name of what plays sound.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::display::{Display, Seat};
use super::sound::SoundTap;

/// What shows the far side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VideoSinkKind {
    /// Decoded, counted, not shown.
    #[default]
    Null,
    /// On a screen that others share, with a number for whoever says who speaks.
    Display(Display, u64),
    /// Given to the application.
    Tap(PictureTap),
}

/// Takes decoded pictures, on GStreamer's thread: while it works on one, later ones are dropped
/// but the newest.
#[derive(Clone)]
pub struct PictureTap(Arc<dyn Fn(&Picture<'_>) + Send + Sync>);

/// A decoded picture.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Y, U and V, each with the bytes of a row; the latter two have half the width and height.
    pub planes: [(&'a [u8], usize); 3],
}

impl PictureTap {
    /// `taken` must not wait.
    pub fn new(taken: impl Fn(&Picture<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(taken))
    }

    /// Connects it with the element at the end of a pipeline.
    pub(super) fn attach(&self, sink: &gst_app::AppSink) {
        let taken = Arc::clone(&self.0);
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
                return Ok(gst::FlowSuccess::Ok);
            };
            if let Ok(format) = gst_video::VideoInfo::from_caps(caps)
                && let Ok(frame) =
                    gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &format)
            {
                let plane = |n: u32| {
                    let stride = usize::try_from(format.stride()[n as usize]).unwrap_or(0);
                    (frame.plane_data(n).unwrap_or_default(), stride)
                };
                taken(&Picture {
                    width: format.width(),
                    height: format.height(),
                    planes: [plane(0), plane(1), plane(2)],
                });
            }
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
    }
}

impl std::fmt::Debug for PictureTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PictureTap").finish_non_exhaustive()
    }
}

impl PartialEq for PictureTap {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for PictureTap {}

/// Leads what is decoded to its place on the screen, for as long as the element lives.
pub(super) fn sit_down(sink: &gst_app::AppSink, seat: Seat) {
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        seat.show(sink.pull_sample().map_err(|_| gst::FlowError::Eos)?);
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

/// What plays sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AudioSinkKind {
    /// Decoded, counted, not played.
    #[default]
    Null,
    /// An ALSA PCM by its name.
    Alsa {
        /// As of `aplay -L`.
        device: String,
    },
    /// Given to the application.
    Tap(SoundTap),
}

impl VideoSinkKind {
    /// Pictures are shown when they are decoded and not at a planned time: a planned time adds
    /// the jitter buffer's whole latency to every picture, and nobody at a door needs lip sync.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Null => "fakesink name=sink sync=false async=false",
            Self::Display(..) => {
                "videoconvert ! video/x-raw ! appsink name=sink sync=false max-buffers=1 drop=true"
            }
            Self::Tap(_) => {
                "videoconvert ! video/x-raw,format=I420 \
                 ! appsink name=sink sync=false max-buffers=1 drop=true"
            }
        }
    }
}
