//! What the far side sends, as it was encoded there, for whoever records it: nothing is decoded
//! for it.
//!
//! The packets are taken behind the jitter buffer, which has put them in order and waited for what
//! was sent again.

use std::sync::Arc;
use std::time::Instant;

use gstreamer as gst;
use parking_lot::Mutex;

use crate::media::VideoCodec;
use crate::media::fanout::{AudioFanout, AudioPublisher, VideoFanout, VideoPublisher};
use crate::media::rtp::{EncodedFrame, FrameAssembler, Packet, RunId, starts_key_frame};
use crate::media::source::read_packet;

/// Where the encoded frames of the far side can be had. Clones are the same place.
///
/// Of several peers that share one, the first that receives has it, as long as it lives.
#[derive(Clone, Default)]
pub struct FarSide {
    /// Its pictures.
    pub video: VideoFanout,
    /// Its sound.
    pub audio: AudioFanout,
}

impl std::fmt::Debug for FarSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FarSide").finish_non_exhaustive()
    }
}

/// One packet as it came out of the jitter buffer.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub sequence: u16,
    pub timestamp: u32,
    pub packet: Packet,
}

impl Received {
    /// Out of an RTP packet (RFC 3550 §5.1) whose extensions were taken off before.
    pub(super) fn read(buffer: &gst::BufferRef) -> Option<Self> {
        let (timestamp, mut packet) = read_packet(buffer)?;
        let mut header = [0; 4];
        buffer.copy_to_slice(0, &mut header).ok()?;
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*packet.payload.last()?);
            let length = packet.payload.len().checked_sub(padding)?;
            packet.payload.truncate(length);
        }
        Some(Self {
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp,
            packet,
        })
    }
}

/// Puts packets together to frames, and leaves out what a missing packet has damaged. Sans-IO.
#[derive(Debug)]
struct Gatherer {
    run: RunId,
    assembler: FrameAssembler,
    last: Option<u16>,
    /// What follows a gap cannot be decoded before a key frame.
    is_damaged: bool,
}

impl Gatherer {
    fn new() -> Self {
        let run = RunId::fresh();
        Self {
            run,
            assembler: FrameAssembler::new(run),
            last: None,
            is_damaged: true,
        }
    }

    /// A frame, if one is complete.
    fn push(
        &mut self,
        codec: VideoCodec,
        received: Received,
        now: Instant,
    ) -> Option<EncodedFrame> {
        let expected = self.last.map(|last| last.wrapping_add(1));
        self.last = Some(received.sequence);
        if expected.is_some_and(|expected| expected != received.sequence) {
            self.is_damaged = true;
            // The same run: its timestamps go on.
            self.assembler = FrameAssembler::new(self.run);
        }
        let key = starts_key_frame(codec, &received.packet.payload);
        if self.is_damaged {
            if !key {
                return None;
            }
            self.is_damaged = false;
        }
        self.assembler
            .push(received.timestamp, key, received.packet, now)
    }
}

/// The far side's pictures on their way to the decoder. Dropping it frees the place.
pub(super) struct VideoTap {
    codec: VideoCodec,
    publisher: VideoPublisher,
    gatherer: Mutex<Option<Gatherer>>,
}

impl VideoTap {
    /// Nothing when another has the place.
    pub(super) fn attach(far: &FarSide, codec: VideoCodec) -> Option<Self> {
        let publisher = far.video.attach_if_free(Arc::new(|| {}))?;
        Some(Self {
            codec,
            publisher,
            gatherer: Mutex::new(None),
        })
    }

    /// A packet on its way. Returns whether a key frame is to be asked for.
    pub(super) fn pass(&self, received: impl FnOnce() -> Option<Received>, now: Instant) -> bool {
        let mut gatherer = self.gatherer.lock();
        if !self.publisher.demand().wants(self.codec) {
            *gatherer = None;
            return false;
        }
        let gatherer = gatherer.get_or_insert_with(Gatherer::new);
        if let Some(received) = received()
            && let Some(frame) = gatherer.push(self.codec, received, now)
        {
            self.publisher.publish(self.codec, frame, None);
        }
        self.publisher.key_frame_due(self.codec, now)
    }
}

/// The far side's sound.
pub(super) struct AudioTap {
    publisher: AudioPublisher,
    run: Mutex<Option<RunId>>,
}

impl AudioTap {
    /// Nothing when another has the place.
    pub(super) fn attach(far: &FarSide) -> Option<Self> {
        let publisher = far.audio.attach_if_free(Arc::new(|| {}))?;
        Some(Self {
            publisher,
            run: Mutex::new(None),
        })
    }

    /// A packet on its way.
    pub(super) fn pass(&self, received: impl FnOnce() -> Option<Received>, now: Instant) {
        let mut run = self.run.lock();
        if !self.publisher.demand().capture {
            *run = None;
            return;
        }
        let run = *run.get_or_insert_with(RunId::fresh);
        if let Some(received) = received() {
            self.publisher.publish(EncodedFrame {
                run,
                rtp_timestamp: received.timestamp,
                key: true,
                packets: vec![received.packet],
                encoded_at: now,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDR: &[u8] = &[0x65, 1, 2];
    const SLICE: &[u8] = &[0x41, 1, 2];

    fn frames(packets: &[(u16, u32, &'static [u8])]) -> Vec<(u32, bool)> {
        let mut gatherer = Gatherer::new();
        let now = Instant::now();
        let gathered = packets.iter().filter_map(|(sequence, timestamp, payload)| {
            let received = Received {
                sequence: *sequence,
                timestamp: *timestamp,
                packet: Packet {
                    marker: true,
                    payload: (*payload).into(),
                },
            };
            gatherer.push(VideoCodec::H264, received, now)
        });
        gathered
            .map(|frame| (frame.rtp_timestamp, frame.key))
            .collect()
    }

    #[test]
    fn frames_begin_at_a_key_frame() {
        let packets = [(7, 1, SLICE), (8, 2, IDR), (9, 3, SLICE)];
        assert_eq!(frames(&packets), [(2, true), (3, false)]);
    }

    #[test]
    fn what_follows_a_missing_packet_is_left_out_until_a_key_frame() {
        let packets = [
            (u16::MAX, 1, IDR),
            (0, 2, SLICE),
            (2, 4, SLICE),
            (3, 5, SLICE),
            (4, 6, IDR),
            (5, 7, SLICE),
        ];
        assert_eq!(
            frames(&packets),
            [(1, true), (2, false), (6, true), (7, false)]
        );
    }
}
