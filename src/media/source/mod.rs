//! Cameras, kept running; and how any source is kept running (microphones are in `media::sound`).
//!
//! Invariant: a source never blocks or fails its owner. It captures while somebody wants it,
//! comes back by itself after a failure, and reports both as events.
//! Must not enter: who consumes, calls, configuration files.

mod arrival;
mod capture;
mod encode;
mod encoders;
mod feed;
mod placeholder;
pub(super) mod supervision;
mod v4l2;
mod video;

pub(super) use encode::read_packet;

pub use feed::{FeedError, PictureFeed};
pub use video::{VideoSource, VideoSourceKind, VideoSourceSettings};

/// What a source tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// Data flows. Said again, with its name, when an encoder begins.
    Running {
        /// The GStreamer element that encodes; none while nobody subscribes.
        encoder: Option<String>,
    },
    /// The device failed, and is tried again by itself.
    Failed {
        /// For a human: which element, what it said.
        reason: String,
    },
    /// The source has ended for good, as asked.
    Stopped,
}
