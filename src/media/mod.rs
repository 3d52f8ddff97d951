//! Pictures and sound: capture, encode once, fan out to any number of consumers, WebRTC peers,
//! decoding and playback, recordings, announcements, snapshots.
//!
//! ```text
//! source ──► encoder (one per format wanted) ──► fanout ──► peer ──► network
//!   └─────────────► last picture ──► snapshot                └──► decoder ──► sink
//! ```
//! Microphone and loudspeaker are one device: see [`sound`].
//!
//! Invariant: no caller ever waits for GStreamer. A pipeline is built, changed and torn down on a
//! thread of its own; what comes out of it crosses over through bounded queues. A slow consumer
//! loses pictures, and nobody else does.
//! Must not enter: actors, signalling, who may call whom. Nothing of GStreamer is touched before
//! [`initialise`].

pub mod announcement;
mod black;
pub mod codec;
pub mod contact_sheet;
pub mod decoder;
pub mod display;
pub mod encoder;
pub mod fanout;
mod network;
pub mod peer;
mod pipeline;
pub mod prewarm;
pub mod rate;
pub mod recording;
pub mod rtp;
pub mod sink;
pub mod snapshot;
pub mod sound;
pub mod source;
pub mod stats;
pub mod turn;
mod x_server;

use std::sync::OnceLock;

use gstreamer as gst;

pub use codec::VideoCodec;
pub use fanout::{AudioFanout, Ceiling, VideoFanout};
pub use prewarm::{PrewarmReport, prewarm};
pub use sound::{
    AudioDevice, AudioDeviceSettings, AudioEvent, AudioSourceKind, Loudspeaker, LoudspeakerStatus,
    Processing,
};
pub use source::{SourceEvent, VideoSource, VideoSourceKind, VideoSourceSettings};

/// Media cannot be used at all on this machine.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MediaError {
    /// The library would not start, usually a broken installation.
    #[error("GStreamer does not start: {0}")]
    Gstreamer(String),
    /// No thread or no memory for the media network runtime.
    #[error("cannot start the media threads: {0}")]
    Threads(String),
}

/// Starts GStreamer and the media threads; cheap when called again. Blocks for the plugin
/// registry scan on the very first start of a machine (seconds on a small board), so call it
/// off the actors' threads.
///
/// # Errors
/// [`MediaError`], and the same one again on every later call.
pub fn initialise() -> Result<(), MediaError> {
    static STARTED: OnceLock<Result<(), MediaError>> = OnceLock::new();
    STARTED
        .get_or_init(|| {
            gst::init().map_err(|error| MediaError::Gstreamer(error.to_string()))?;
            network::handle().map(|_| ())
        })
        .clone()
}
