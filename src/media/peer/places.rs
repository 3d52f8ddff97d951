//! Telephone keys take part in the numbering of the sound (RFC 4733 §2.5.1.1). Taken out of it in
//! front of the jitter buffer, they would be waited for there and concealed like lost sound. So an
//! empty packet keeps the place of each until behind the jitter buffer: taken out there, it leaves
//! no more than a pause.

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

/// Whether a packet behind the jitter buffer has only kept a place.
pub(super) fn is_place(packet: &gst::BufferRef) -> bool {
    packet.size() == HEADER
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtc::shared::marshal::Marshal;

    use super::*;

    fn packet(payload: &'static [u8]) -> rtp::Packet {
        rtp::Packet {
            header: rtp::Header {
                version: 2,
                sequence_number: 7,
                timestamp: u32::MAX,
                marker: true,
                csrc: vec![1],
                ..Default::default()
            },
            payload: payload.into(),
        }
    }

    #[test]
    fn a_place_has_the_time_at_which_the_key_was_still_held() {
        // 960 units so far.
        let mut key = packet(&[5, 10, 3, 192]);
        keep_place(&mut key);
        assert_eq!(key.header.timestamp, 959);
        assert_eq!((key.header.sequence_number, key.header.marker), (7, false));
        assert_eq!(key.payload, Bytes::new());
    }

    #[test]
    fn a_place_is_told_from_sound() {
        crate::media::initialise().unwrap();
        let told = |packet: &rtp::Packet| {
            let buffer = gst::Buffer::from_slice(packet.marshal().unwrap().freeze());
            is_place(&buffer)
        };
        let mut key = packet(&[5, 10, 3, 192]);
        assert!(!told(&key));
        keep_place(&mut key);
        assert!(told(&key));
        let mut shortest_sound = packet(&[0]);
        shortest_sound.header.csrc.clear();
        assert!(!told(&shortest_sound));
    }
}
