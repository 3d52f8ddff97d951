//! The packets of one picture go to the task that drives the connection together.
//!
//! The library takes packets one by one, and for each it sends its task a message, makes the list of
//! codecs anew, and looks at every queue, timer and socket. So only the last packet of a picture goes
//! that way. Those before it wait here, and go ahead of it again in the task, at the interceptor
//! that is the first to see what leaves: whatever counts, paces, keeps and numbers packets sees each.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rtc::interceptor::{AttributedPacket, Packet, Slot, TaggedPacket};
use rtc::rtp;

use super::stage::{Leaving, Stage};

/// Packets of pictures whose last one the library refuses, as their format is no longer agreed,
/// are given up beyond this: a key frame of the largest picture.
const MOST: usize = 4096;

/// Farthest from the wire: before the library's reports, which count what is sent.
pub(super) fn slot() -> Slot {
    Slot::from(20_000)
}

/// What waits for the last packet of its picture. Clones are the same; one stream each.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead(Arc<Mutex<VecDeque<rtp::Packet>>>);

impl Ahead {
    /// All of a picture but its last packet, in order, before that one is handed to the library.
    pub(super) fn wait(&self, packets: impl Iterator<Item = rtp::Packet>) {
        let mut waiting = self.0.lock();
        waiting.extend(packets);
        let excess = waiting.len().saturating_sub(MOST);
        waiting.drain(..excess);
    }
}

/// The interceptor.
pub(super) struct Together(pub(super) Ahead);

impl Stage for Together {
    fn leaves(&mut self, packet: TaggedPacket, leaving: &mut Leaving) {
        if let Packet::Rtp(last) = &packet.message.packet {
            let mut waiting = self.0.0.lock();
            while let Some(next) = waiting.pop_front() {
                if !is_before(&next.header, &last.header) {
                    waiting.push_front(next);
                    break;
                }
                // Else the library refused the last packet of its picture.
                if next.header.timestamp == last.header.timestamp {
                    leaving.push_back(TaggedPacket {
                        now: packet.now,
                        transport: packet.transport,
                        message: AttributedPacket::new(Packet::Rtp(next)),
                    });
                }
            }
        }
        leaving.push_back(packet);
    }
}

/// In the same stream (RFC 3550 §A.1: numbers wrap around).
fn is_before(one: &rtp::Header, other: &rtp::Header) -> bool {
    let ahead = other.sequence_number.wrapping_sub(one.sequence_number);
    one.ssrc == other.ssrc && (1..=u16::MAX / 2).contains(&ahead)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rtc::sansio::Protocol;
    use rtc::shared::TransportContext;

    use super::*;
    use crate::media::peer::stage::Passing;

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> rtp::Packet {
        rtp::Packet {
            header: rtp::Header {
                version: 2,
                ssrc,
                sequence_number: sequence,
                timestamp,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    /// What leaves when this one is handed over: stream and number of each.
    fn leaves(stage: &mut Passing<Together>, packet: rtp::Packet) -> Vec<(u32, u16)> {
        let packet = TaggedPacket {
            now: Instant::now(),
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        stage.handle_write(packet).unwrap();
        let left = std::iter::from_fn(|| stage.poll_write());
        left.map(|tagged| match tagged.message.packet {
            Packet::Rtp(packet) => (packet.header.ssrc, packet.header.sequence_number),
            _ => unreachable!("only these were handed over"),
        })
        .collect()
    }

    fn stage() -> (Ahead, Passing<Together>) {
        let ahead = Ahead::default();
        (ahead.clone(), Passing::new(Together(ahead)))
    }

    #[test]
    fn a_picture_leaves_whole_and_in_order_also_over_the_wrap() {
        let (ahead, mut stage) = stage();
        ahead.wait([packet(1, 65_534, 7), packet(1, 65_535, 7)].into_iter());
        // The next one waits already.
        ahead.wait([packet(1, 1, 9)].into_iter());
        let first = leaves(&mut stage, packet(1, 0, 7));
        assert_eq!(first, [(1, 65_534), (1, 65_535), (1, 0)]);
        assert_eq!(leaves(&mut stage, packet(1, 2, 9)), [(1, 1), (1, 2)]);
        assert_eq!(leaves(&mut stage, packet(1, 3, 11)), [(1, 3)]);
    }

    #[test]
    fn sound_takes_no_picture_along() {
        let (ahead, mut stage) = stage();
        ahead.wait([packet(1, 10, 7)].into_iter());
        assert_eq!(leaves(&mut stage, packet(2, 11, 7)), [(2, 11)]);
        assert_eq!(leaves(&mut stage, packet(1, 11, 7)), [(1, 10), (1, 11)]);
    }

    #[test]
    fn a_picture_whose_last_packet_was_refused_never_leaves() {
        let (ahead, mut stage) = stage();
        ahead.wait([packet(1, 10, 7)].into_iter());
        ahead.wait([packet(1, 12, 9)].into_iter());
        assert_eq!(leaves(&mut stage, packet(1, 13, 9)), [(1, 12), (1, 13)]);
        for sequence in 0..20_000 {
            ahead.wait(std::iter::once(packet(1, sequence, sequence.into())));
        }
        assert_eq!(ahead.0.lock().len(), MOST);
    }
}
