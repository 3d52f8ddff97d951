//! Microphone and loudspeaker of a device as one: everything to be played is mixed into one
//! playback branch, and the microphone is freed of what that branch plays.
//!
//! ```text
//! participants ─┐                     ┌─► echo probe ─► loudspeaker
//! announcements ┴─► loudspeaker mix ──┘        │
//!                                              ▼
//!          listeners ◄── fanout ◄── Opus ◄── shaping ◄── echo, noise, gain ◄── microphone
//!                                               ▲
//!                                 announcements to those in a call
//! ```
//!
//! Invariant: both directions run in one pipeline on one thread, opened while anybody hears or
//! speaks. One that fails is left out and looked for, and the other goes on. Handing sound over
//! never waits for the card, except for those who ask to.
//! Must not enter: calls, configuration files, what is said to whom.

mod branches;
mod card;
mod device;
mod gain;
mod halves;
mod loudspeaker;
mod playout;
pub mod processing;
mod samples;
mod shaping;
mod tone;
pub mod voice_switch;

pub use card::{BUFFER, Closed, SoundFeed, SoundTap};
pub use device::{AudioDevice, AudioDeviceSettings, AudioEvent, AudioSourceKind};
pub use loudspeaker::{Loudspeaker, LoudspeakerStatus, NotPlayed, Voice};
pub use processing::Processing;
pub(super) use samples::read_samples;
pub use tone::Tone;
pub use voice_switch::VoiceSwitch;

/// Samples a second of all sound inside, one channel: what Opus and the echo canceller work in.
pub const RATE: usize = 48_000;
/// Samples of 10 ms, the step everything is mixed and processed in.
pub const FRAME: usize = RATE / 100;
