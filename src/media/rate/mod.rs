//! How fast to send, and what to send again: from what the network does with our packets to a
//! bitrate, a frame rate and a size, to the moment a packet leaves, and to its repetition.
//!
//! ```text
//! packets sent + far side's reports ──► Path ──► Feedback ──► RateController ──► kbit/s ──► Ladder
//!                                        └─ what is missing ──► Repair ──► Pacer ──► departure
//! ```
//!
//! Invariant: sans-IO, time is an argument, and no report, however wrong, makes a target leave its
//! bounds. Must not enter: sockets, the WebRTC library's types, GStreamer.

mod controller;
mod ladder;
mod pace;
mod pacer;
mod path;
mod repair;
#[cfg(test)]
mod simulated_link;

pub use controller::{Bounds, Feedback, RateController};
pub use ladder::{Most, Picture, Reduction};
pub use pace::Pace;
pub use pacer::{Knowledge, Lane, Pacer};
pub use path::{Fate, Path, SentPacket};
pub use repair::{Conditions, Repair};

/// Kbit/s left for sound beside the pictures, headers included.
const SOUND_KBPS: u32 = 50;

/// The share of the pictures in what the path takes, less sound and the headers of packets.
pub fn video_share(path_kbps: u32) -> u32 {
    let rest = u64::from(path_kbps.saturating_sub(SOUND_KBPS));
    u32::try_from(rest * 19 / 20).unwrap_or(u32::MAX)
}

/// What the path must take for pictures of this rate.
pub fn path_needed(video_kbps: u32) -> u32 {
    let rest = (u64::from(video_kbps) * 20).div_ceil(19);
    u32::try_from(rest + u64::from(SOUND_KBPS)).unwrap_or(u32::MAX)
}
