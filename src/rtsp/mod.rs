//! The camera for recorders and players: an RTSP server (RFC 2326) whose RTP goes through the same
//! connection, as every recorder, ffmpeg and GStreamer can take it.
//!
//! What is asked and answered is decided without IO in `requests` and `session`, who may ask in `digest`;
//! `description` and `packets` write what is sent; `connection` moves bytes and `actor` listens.
//!
//! Invariant: a viewer is one more consumer of the frames that are encoded anyway: one that is slow
//! loses pictures up to the next key frame, and nobody else notices.
//! Must not enter: encoding, commands, UDP (whose ports a firewall between camera and recorder would
//! have to know).

mod actor;
mod connection;
mod conversation;
mod description;
mod digest;
mod packets;
mod requests;
mod session;

pub use actor::{Bound, actors};
pub use conversation::{Conversation, converse};
