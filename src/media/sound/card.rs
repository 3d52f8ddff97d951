//! The two sides of a sound card, played and filled by an application in place of ALSA.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_app::gst_base::{self, prelude::*};
use parking_lot::Mutex;

use super::samples::read_samples;

/// What a card has in hand of what it is to play.
pub const BUFFER: Duration = Duration::from_millis(60);

/// Hears what a loudspeaker would play, on GStreamer's thread, when it would be played.
#[derive(Clone)]
pub struct SoundTap(Arc<Taken>);

type Taken = dyn Fn(Duration, &[i16]) + Send + Sync;

impl SoundTap {
    /// `taken` gets 10 ms at a time ([`super::RATE`], one channel) and when they are to be heard,
    /// since the device was opened: [`BUFFER`] later, as a card has so much in hand. It must not
    /// wait.
    pub fn new(taken: impl Fn(Duration, &[i16]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(taken))
    }

    pub(super) fn attach(&self, sink: &gst_app::AppSink) {
        let taken = Arc::clone(&self.0);
        let frame = Mutex::new(Vec::new());
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(buffer) = sample.buffer() {
                let mut frame = frame.lock();
                read_samples(buffer, &mut frame);
                let base = sink.dynamic_cast_ref::<gst_base::BaseSink>();
                let latency = base.map(BaseSinkExt::latency).unwrap_or_default();
                let at = buffer.pts().unwrap_or_default() + latency;
                taken(Duration::from_nanos(at.nseconds()), &frame);
            }
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
    }
}

impl std::fmt::Debug for SoundTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SoundTap").finish_non_exhaustive()
    }
}

impl PartialEq for SoundTap {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SoundTap {}

/// A microphone's place that is filled by hand. Clones are the same feed.
#[derive(Clone, Debug, Default)]
pub struct SoundFeed {
    open: Arc<Mutex<Option<gst_app::AppSrc>>>,
}

/// Nobody listens, or the device is being opened anew.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the microphone is closed")]
pub struct Closed;

impl SoundFeed {
    /// One that no device uses yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was heard from `at` on, in the time of [`SoundTap::new`]: [`super::RATE`], one channel,
    /// without a gap to what was given before.
    ///
    /// # Errors
    /// [`Closed`]; what is given later may be taken.
    pub fn push(&self, at: Duration, heard: &[i16]) -> Result<(), Closed> {
        let open = self.open.lock();
        let source = open.as_ref().ok_or(Closed)?;
        let bytes: Vec<u8> = heard.iter().flat_map(|one| one.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(fresh) = buffer.get_mut() {
            let nanoseconds = |of: Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
            let length = Duration::from_secs(1) * heard.len() as u32 / super::RATE as u32;
            fresh.set_pts(gst::ClockTime::from_nseconds(nanoseconds(at)));
            fresh.set_duration(gst::ClockTime::from_nseconds(nanoseconds(length)));
        }
        source.push_buffer(buffer).map(drop).map_err(|_| Closed)
    }

    pub(super) fn attach(&self, source: gst_app::AppSrc) {
        *self.open.lock() = Some(source);
    }
}

impl PartialEq for SoundFeed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }
}

impl Eq for SoundFeed {}
