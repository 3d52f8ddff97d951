//! Telephone keys as packets in the stream of sound (RFC 4733 §2.5): a key held is an event whose
//! packets share a timestamp, take part in the sound's numbering, and tell how long it is held so
//! far; the last one is sent three times.

mod receiver;
mod sender;

pub use receiver::DigitReceiver;
pub use sender::{DIGITS_MAX, DigitSender, EventPacket, TooMany};

/// Hertz of the timestamps: of the sound they are part of (RFC 4733 §2.1).
pub const CLOCK_RATE: u32 = 48_000;
