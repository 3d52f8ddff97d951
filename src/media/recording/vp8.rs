//! VP8 as it lies in a file: the frames of RFC 6386, as the encoder made them.

use crate::media::rtp::{EncodedFrame, Vp8Payload};

/// What a key frame tells of itself (RFC 6386 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyFrameHeader {
    /// 0 to 3: which filters are used.
    pub profile: u8,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vp8Frame {
    pub data: Vec<u8>,
    /// With one, a decoder can start here.
    pub key: Option<KeyFrameHeader>,
}

const TAG: usize = 3;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// Puts a picture's packets together (RFC 7741 §4.4). `None` when it does not begin with its
/// first packet, or its header is damaged.
pub(super) fn vp8_frame(frame: &EncodedFrame) -> Option<Vp8Frame> {
    let mut data = Vec::with_capacity(frame.payload_bytes());
    for (number, packet) in frame.packets.iter().enumerate() {
        let payload = Vp8Payload::read(&packet.payload)?;
        if payload.starts_frame != (number == 0) {
            return None;
        }
        data.extend_from_slice(payload.data);
    }
    let is_key = data.get(..TAG)?.first()? & 1 == 0;
    let key = match is_key {
        true => Some(key_frame_header(&data)?),
        false => None,
    };
    Some(Vp8Frame { data, key })
}

fn key_frame_header(frame: &[u8]) -> Option<KeyFrameHeader> {
    let [tag, _, _, a, b, c, w0, w1, h0, h1, ..] = *frame else {
        return None;
    };
    // The two bits above a size ask the player to scale.
    let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    let (width, height) = (size(w0, w1), size(h0, h1));
    let header = KeyFrameHeader {
        profile: tag >> 1 & 0x07,
        width,
        height,
    };
    let is_whole = [a, b, c] == START_CODE && header.profile <= 3 && width > 0 && height > 0;
    is_whole.then_some(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::recording::picture::fixtures::{any_frame, frame};

    #[test]
    fn a_key_frame_in_two_packets_comes_out_whole_with_its_size() {
        // 640 wide and to be scaled, 360 high, behind the longest descriptor and the shortest.
        let first = [
            0x90, 0xf0, 0x81, 0x22, 9, 9, 0x50, 0x42, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42,
        ];
        let second = [0x00, 0x68, 0x01, 7];
        let read = vp8_frame(&frame(&[&first, &second])).unwrap();
        assert_eq!(
            read.data,
            [0x50, 0x42, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x01, 7]
        );
        let header = KeyFrameHeader {
            profile: 0,
            width: 640,
            height: 360,
        };
        assert_eq!(read.key, Some(header));
    }

    #[test]
    fn a_frame_that_depends_on_others_is_no_key_frame() {
        let read = vp8_frame(&frame(&[&[0x10, 0x31, 2, 3]])).unwrap();
        assert_eq!((read.data, read.key), (vec![0x31, 2, 3], None));
    }

    #[test]
    fn a_picture_with_a_packet_missing_or_damaged_is_none() {
        assert_eq!(vp8_frame(&frame(&[&[0x00, 1, 2, 3]])), None, "no start");
        let twice: [&[u8]; 2] = [&[0x10, 1, 2, 3], &[0x10, 1, 2, 3]];
        assert_eq!(vp8_frame(&frame(&twice)), None, "two in one");
        assert_eq!(vp8_frame(&frame(&[&[0x10, 1]])), None, "cut off");
        assert_eq!(vp8_frame(&frame(&[])), None, "nothing at all");
        let foreign = [0x10, 0, 0, 0, 1, 2, 3, 4, 1, 4, 1];
        assert_eq!(vp8_frame(&frame(&[&foreign])), None, "no start code");
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_fail(frame in any_frame()) {
            vp8_frame(&frame);
        }
    }
}
