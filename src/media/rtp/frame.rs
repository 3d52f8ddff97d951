//! Packets gathered into frames, the unit in which a queue may drop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

/// One run of one encoder. Sequence numbers and timestamps are only comparable within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(u64);

impl RunId {
    /// A run no frame has had before.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The part of an RTP packet that is the same for every peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// RFC 3550 §5.1: set on the last packet of a picture.
    pub marker: bool,
    /// Without the RTP header.
    pub payload: Bytes,
}

/// All packets of one picture, or the one packet of 20 ms of sound.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    /// Which encoder run made it.
    pub run: RunId,
    /// In units of the payload's clock: 90 kHz for video, 48 kHz for Opus.
    pub rtp_timestamp: u32,
    /// A decoder can start here.
    pub key: bool,
    /// In sending order.
    pub packets: Vec<Packet>,
    /// When its last packet left the encoder.
    pub encoded_at: Instant,
}

impl EncodedFrame {
    /// Bytes of all its payloads.
    pub fn payload_bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.payload.len()).sum()
    }
}

/// Gathers packets with one timestamp into a frame, closed by the marker bit or by the next
/// timestamp, whichever comes first.
#[derive(Debug)]
pub struct FrameAssembler {
    run: RunId,
    timestamp: u32,
    key: bool,
    packets: Vec<Packet>,
}

/// A 4K key frame is about 500 packets; more means the marker bit is never set.
const MAX_PACKETS: usize = 4096;

impl FrameAssembler {
    /// For one run of an encoder.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            timestamp: 0,
            key: false,
            packets: Vec::new(),
        }
    }

    /// Adds a packet; returns the frame it completes, or the one it cuts off.
    pub fn push(
        &mut self,
        timestamp: u32,
        key: bool,
        packet: Packet,
        now: Instant,
    ) -> Option<EncodedFrame> {
        let mut done = None;
        if !self.packets.is_empty()
            && (timestamp != self.timestamp || self.packets.len() >= MAX_PACKETS)
        {
            done = Some(self.take(now));
        }
        self.timestamp = timestamp;
        self.key |= key;
        let last = packet.marker;
        self.packets.push(packet);
        if last && done.is_none() {
            return Some(self.take(now));
        }
        done
    }

    fn take(&mut self, now: Instant) -> EncodedFrame {
        EncodedFrame {
            run: self.run,
            rtp_timestamp: self.timestamp,
            key: std::mem::take(&mut self.key),
            packets: std::mem::take(&mut self.packets),
            encoded_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(marker: bool) -> Packet {
        Packet {
            marker,
            payload: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn the_marker_closes_a_frame() {
        let mut frames = FrameAssembler::new(RunId::fresh());
        let now = Instant::now();
        assert!(frames.push(1, true, packet(false), now).is_none());
        let frame = frames.push(1, false, packet(true), now).unwrap();
        assert_eq!((frame.packets.len(), frame.key), (2, true));
    }

    #[test]
    fn a_new_timestamp_closes_a_frame_whose_marker_never_came() {
        let mut frames = FrameAssembler::new(RunId::fresh());
        let now = Instant::now();
        assert!(frames.push(1, true, packet(false), now).is_none());
        let cut = frames.push(2, false, packet(false), now).unwrap();
        assert_eq!((cut.rtp_timestamp, cut.key), (1, true));
        let next = frames.push(2, false, packet(true), now).unwrap();
        assert_eq!((next.rtp_timestamp, next.key), (2, false));
    }
}
