//! Telephone keys take part in the numbering of the sound (RFC 4733 §2.5.1.1). Taken out of it in
//! front of the jitter buffer, they would be waited for there and concealed like lost sound. So an
//! empty packet keeps the place of each until behind the jitter buffer, where packets are in order:
//! there it is taken out and the numbering is closed, and the decoder notices no more than a pause.

use gstreamer as gst;
use rtc::rtp;

use crate::protocol::telephone_event::TelephoneEvent;

/// Bytes of an RTP header (RFC 3550 §5.1), and of a packet with nothing behind it.
const HEADER: usize = 12;

/// Empties a packet of a key.
pub(super) fn keep_place(packet: &mut rtp::Packet) {
    // All packets of a key have the time it was pressed, but they come while it is held.
    let held = TelephoneEvent::read(&packet.payload).map_or(0, |event| event.duration);
    packet.header.timestamp = packet.header.timestamp.wrapping_add(held.into());
    packet.header.marker = false;
    packet.header.padding = false;
    packet.header.csrc.clear();
    packet.payload.clear();
}

/// Closes the numbering where places were kept.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken_out: u16,
}

impl Places {
    /// A packet behind the jitter buffer. False if it is to be taken out.
    pub(super) fn pass(&mut self, packet: &mut gst::Buffer) -> bool {
        if packet.size() == HEADER {
            self.taken_out = self.taken_out.wrapping_add(1);
            return false;
        }
        if self.taken_out == 0 {
            return true;
        }
        let mut number = [0; 2];
        // Anything shorter would not have passed the jitter buffer.
        if packet.copy_to_slice(2, &mut number).is_ok() {
            let number = u16::from_be_bytes(number).wrapping_sub(self.taken_out);
            // A packet without room is sound out of order, which the decoder conceals.
            let _ = packet.make_mut().copy_from_slice(2, &number.to_be_bytes());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtc::shared::marshal::Marshal;

    use super::*;

    fn packet(sequence_number: u16, timestamp: u32, payload: &'static [u8]) -> rtp::Packet {
        rtp::Packet {
            header: rtp::Header {
                version: 2,
                sequence_number,
                timestamp,
                marker: true,
                ..Default::default()
            },
            payload: payload.into(),
        }
    }

    fn buffer(packet: &rtp::Packet) -> gst::Buffer {
        gst::Buffer::from_slice(packet.marshal().unwrap().freeze())
    }

    #[test]
    fn a_place_has_the_time_at_which_the_key_was_still_held() {
        // 960 units so far.
        let mut key = packet(7, u32::MAX, &[5, 10, 3, 192]);
        keep_place(&mut key);
        assert_eq!(key.header.timestamp, 959);
        assert_eq!((key.header.sequence_number, key.header.marker), (7, false));
        assert_eq!(key.payload, Bytes::new());
    }

    #[test]
    fn behind_the_jitter_buffer_the_numbers_have_no_gap() {
        crate::media::initialise().unwrap();
        let mut places = Places::default();
        let mut numbers = Vec::new();
        for (number, is_key) in [
            (65_533, false),
            (65_534, true),
            (65_535, true),
            (0, false),
            (1, true),
            (2, false),
            // One was lost.
            (4, false),
        ] {
            let mut sent = packet(number, 0, &[1, 2, 3, 4]);
            if is_key {
                keep_place(&mut sent);
            }
            let mut passing = buffer(&sent);
            if places.pass(&mut passing) {
                let bytes = passing.map_readable().unwrap();
                assert_eq!(bytes[HEADER..], [1, 2, 3, 4]);
                numbers.push(u16::from_be_bytes([bytes[2], bytes[3]]));
            }
        }
        assert_eq!(numbers, [65_533, 65_534, 65_535, 1]);
    }
}
