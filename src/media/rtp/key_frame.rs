//! Where a decoder can start, read from the payload itself: encoders and payloaders differ in
//! how they flag key frames, the bits on the wire do not.

use super::vp8::Vp8Payload;
use crate::media::VideoCodec;

/// Whether this payload begins a key frame. Never fails: a payload too short is none.
pub fn starts_key_frame(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::H264 => h264(payload),
        VideoCodec::Vp8 => vp8(payload).unwrap_or(false),
    }
}

/// IDR slices and the parameter sets sent in front of them (RFC 6184 §5.2).
fn h264(payload: &[u8]) -> bool {
    const IDR: u8 = 5;
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let starts = |unit: u8| matches!(unit & 0x1f, IDR | SPS);
    match payload {
        [indicator, rest @ ..] if indicator & 0x1f == STAP_A => {
            let mut rest = rest;
            while let [high, low, body @ ..] = rest {
                let size = usize::from(u16::from_be_bytes([*high, *low]));
                if body.first().is_some_and(|unit| starts(*unit)) {
                    return true;
                }
                match body.get(size..) {
                    Some(next) if size > 0 => rest = next,
                    _ => return false,
                }
            }
            false
        }
        [indicator, header, ..] if indicator & 0x1f == FU_A => {
            header & 0x80 != 0 && starts(*header)
        }
        [unit, ..] => starts(*unit),
        [] => false,
    }
}

/// The first packet of partition 0 whose frame header has a clear P bit (RFC 7741 §4.2, §4.3).
fn vp8(payload: &[u8]) -> Option<bool> {
    let payload = Vp8Payload::read(payload)?;
    Some(payload.starts_frame && payload.data.first()? & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h264_key_frames_are_found_in_every_packaging() {
        let key = |payload: &[u8]| starts_key_frame(VideoCodec::H264, payload);
        assert!(key(&[0x67, 1, 2]), "a single SPS");
        assert!(key(&[0x65, 1, 2]), "a single IDR slice");
        assert!(key(&[0x78, 0, 1, 0x67, 0, 1, 0x68]), "an SPS in a STAP-A");
        assert!(key(&[0x78, 0, 1, 0x09, 0, 1, 0x65]), "second in a STAP-A");
        assert!(key(&[0x7c, 0x85, 1]), "the start of a fragmented IDR");
        assert!(!key(&[0x7c, 0x05, 1]), "the middle of a fragmented IDR");
        assert!(!key(&[0x41, 1, 2]), "a non-IDR slice");
        assert!(!key(&[0x78, 0, 1, 0x41]), "a non-IDR slice in a STAP-A");
    }

    #[test]
    fn vp8_key_frames_are_found_behind_every_descriptor() {
        let key = |payload: &[u8]| starts_key_frame(VideoCodec::Vp8, payload);
        assert!(key(&[0x10, 0x00]), "no extension");
        assert!(!key(&[0x10, 0x01]), "an inter frame");
        assert!(!key(&[0x00, 0x00]), "a later packet");
        assert!(key(&[0x90, 0x80, 0x81, 0x22, 0x00]), "15-bit picture id");
        assert!(key(&[0x90, 0x80, 0x01, 0x00]), "7-bit picture id");
        assert!(key(&[0x90, 0xf0, 0x81, 0x22, 9, 9, 0x00]), "everything");
        assert!(!key(&[0x90, 0xf0, 0x81, 0x22, 9, 9, 0x01]));
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_fail(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            starts_key_frame(VideoCodec::H264, &payload);
            starts_key_frame(VideoCodec::Vp8, &payload);
        }
    }
}
