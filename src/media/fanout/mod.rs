//! Where a source and its consumers meet.
//!
//! Invariant: a fanout outlives both sides. Sources come and go under living consumers, consumers
//! come and go under a living source, and publishing never waits.
//! Must not enter: pipelines, encoders, sockets; who the consumers are.

mod audio;
mod cover;
mod demand;
mod key_frame_gate;
mod queue;
mod video;

pub use audio::{AudioFanout, AudioPublisher};
pub use demand::{Ceiling, Demand};
pub(super) use key_frame_gate::Urgency;
pub use queue::Subscription;
pub(in crate::media) use video::Onlooker;
pub use video::{CaptureHold, Encoding, SnapshotError, VideoFanout, VideoPublisher};

use std::sync::Arc;

/// Wakes the source when the demand changed. Called with no lock held; must not block.
pub(super) type Waker = Arc<dyn Fn() + Send + Sync>;
