//! What a connection measures of its media: sans-IO collectors that are told of packets, reports
//! and pictures, and asked for numbers.
//!
//! Invariant: nothing here allocates per packet, reads a clock or waits; time is an argument, and
//! whatever the far side writes into a packet can spoil a number but nothing else.
//! Must not enter: sockets, the WebRTC library's types, decisions (see `rate`).

mod freeze;
mod inbound;
mod level;
mod meter;
mod outbound;
mod round_trip;

use std::time::Duration;

pub use freeze::Freezes;
pub use inbound::Inbound;
pub use level::{Level, LevelMeter};
pub use meter::Meter;
pub use outbound::{Outbound, Reception};
pub use round_trip::RoundTrip;

/// One kind of media in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// RTP packets on the wire, retransmissions of our own included.
    pub packets: u64,
    /// Bytes of RTP payload.
    pub bytes: u64,
    /// Kilobits per second of payload over the last two seconds.
    pub kbps: u32,
    /// Packets the network lost, whether or not a retransmission repaired it.
    pub lost: u64,
    /// Thousandths lost lately: the last five seconds of what we receive, the last receiver
    /// report on what we send.
    pub loss_permille: u32,
    /// RFC 3550 §6.4.1.
    pub jitter: Duration,
}

impl FlowStats {
    /// Percent lost since the beginning; none before the first packet.
    pub fn lost_percent(&self) -> Option<f64> {
        percent(self.lost, self.packets)
    }
}

/// Percent of what was sent in all; none when nothing was.
pub fn percent(lost: u64, arrived_or_sent: u64) -> Option<f64> {
    let all = arrived_or_sent.max(lost);
    (all > 0).then(|| (lost as f64 * 1_000.0 / all as f64).round() / 10.0)
}
