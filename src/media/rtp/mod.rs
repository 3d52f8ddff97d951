//! RTP without sockets: what an encoded frame is, where pictures can be joined, and how the
//! packets of changing sources become one unbroken stream per peer.
//!
//! Invariant: sans-IO and free of GStreamer; everything here is a pure function of its inputs.
//! Must not enter: sockets, clocks read by themselves, pipelines.

pub mod digits;
mod frame;
mod key_frame;
mod missing;
mod rewriter;
mod vp8;

pub use frame::{EncodedFrame, FrameAssembler, Packet, RunId};
pub use key_frame::starts_key_frame;
pub use missing::Missing;
pub use rewriter::{Rewritten, RtpRewriter};
pub use vp8::Vp8Payload;
