//! Pictures an application makes, in the place of a camera.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

/// A camera's place that is filled by hand. Clones are the same feed.
#[derive(Clone, Debug, Default)]
pub struct PictureFeed {
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
struct Open {
    source: gst_app::AppSrc,
    bytes: usize,
}

/// Why a picture was not taken.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FeedError {
    /// Nobody looks, or the source is being restarted.
    #[error("the source is closed")]
    Closed,
    /// It is not I420 of the configured size.
    #[error("a picture has {expected} bytes and not {given}")]
    Size {
        /// Of I420 in the configured size.
        expected: usize,
        /// Of the picture given.
        given: usize,
    },
}

impl PictureFeed {
    /// One that no source uses yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A picture that was taken now: I420 of the configured size, its rows padded as GStreamer
    /// does (to multiples of 4 bytes).
    ///
    /// # Errors
    /// [`FeedError`]; the next picture may be taken.
    pub fn push(&self, picture: Vec<u8>) -> Result<(), FeedError> {
        let open = self.open.lock();
        let Some(open) = open.as_ref() else {
            return Err(FeedError::Closed);
        };
        if picture.len() != open.bytes {
            return Err(FeedError::Size {
                expected: open.bytes,
                given: picture.len(),
            });
        }
        open.source
            .push_buffer(gst::Buffer::from_mut_slice(picture))
            .map(|_| ())
            .map_err(|_| FeedError::Closed)
    }

    /// Ends the stream, as a camera does that is pulled out. The source is opened again by
    /// itself, and then takes pictures again.
    pub fn close(&self) {
        if let Some(open) = self.open.lock().take() {
            // Refused only by a pipeline that is going already.
            let _ = open.source.end_of_stream();
        }
    }

    pub(super) fn attach(&self, source: gst_app::AppSrc, bytes: usize) {
        *self.open.lock() = Some(Open { source, bytes });
    }
}

impl PartialEq for PictureFeed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }
}

impl Eq for PictureFeed {}
