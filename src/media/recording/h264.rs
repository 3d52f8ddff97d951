//! H264 as it lies in a file: the NAL units of one picture, each behind its length.

use crate::media::rtp::EncodedFrame;

/// What a decoder must know before the first picture (ISO/IEC 14496-15 §5.3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ParameterSets {
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
}

impl ParameterSets {
    pub(super) fn is_complete(&self) -> bool {
        // Profile and level are read from the first four bytes.
        self.sps.len() >= 4 && !self.pps.is_empty()
    }
}

/// One picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AccessUnit {
    /// NAL units with four bytes of length in front, without parameter sets.
    pub data: Vec<u8>,
    /// Those that came with the picture.
    pub sets: ParameterSets,
    /// A decoder can start here.
    pub is_key: bool,
}

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Puts a picture's packets together (RFC 6184 §5.6–5.8). `None` when a packet is missing or not
/// in packetization mode 1: half a picture would show as damage until the next key frame.
pub(super) fn access_unit(frame: &EncodedFrame) -> Option<AccessUnit> {
    let mut unit = AccessUnit::default();
    let mut fragments: Option<Vec<u8>> = None;
    for packet in &frame.packets {
        let payload = &packet.payload[..];
        let (&first, rest) = payload.split_first()?;
        match first & 0x1f {
            STAP_A => {
                let mut rest = rest;
                while let [high, low, body @ ..] = rest {
                    let size = usize::from(u16::from_be_bytes([*high, *low]));
                    unit.add(body.get(..size)?);
                    rest = &body[size..];
                }
            }
            FU_A => {
                let (&header, body) = rest.split_first()?;
                if header & 0x80 != 0 {
                    fragments = Some(vec![first & 0xe0 | header & 0x1f]);
                }
                fragments.as_mut()?.extend_from_slice(body);
                if header & 0x40 != 0 {
                    unit.add(&fragments.take()?);
                }
            }
            1..=23 => unit.add(payload),
            _ => return None,
        }
    }
    (fragments.is_none() && !unit.data.is_empty()).then_some(unit)
}

/// SPS and PPS, where a picture brings both.
pub fn parameter_sets(frame: &EncodedFrame) -> Option<(Vec<u8>, Vec<u8>)> {
    let sets = access_unit(frame)?.sets;
    sets.is_complete().then_some((sets.sps, sets.pps))
}

impl AccessUnit {
    fn add(&mut self, nal: &[u8]) {
        let Some(first) = nal.first() else { return };
        match first & 0x1f {
            SPS => self.sets.sps = nal.to_vec(),
            PPS => self.sets.pps = nal.to_vec(),
            DELIMITER | FILLER => {}
            kind => {
                self.is_key |= kind == IDR;
                // A picture is far below 4 GiB: its assembler bounds it.
                let size = u32::try_from(nal.len()).unwrap_or(u32::MAX);
                self.data.extend_from_slice(&size.to_be_bytes());
                self.data.extend_from_slice(nal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::recording::picture::fixtures::{any_frame, frame};

    #[test]
    fn a_key_frame_gives_its_parameter_sets_apart_from_its_picture() {
        let unit = access_unit(&frame(&[
            &[0x67, 66, 0, 31],
            &[0x68, 9],
            &[0x09, 0x10],
            &[0x65, 1, 2],
        ]))
        .unwrap();
        assert_eq!(unit.sets.sps, [0x67, 66, 0, 31]);
        assert_eq!(unit.sets.pps, [0x68, 9]);
        assert_eq!(unit.data, [0, 0, 0, 3, 0x65, 1, 2]);
        assert!(unit.is_key);
    }

    #[test]
    fn aggregated_and_fragmented_units_come_out_whole() {
        let unit = access_unit(&frame(&[
            &[0x78, 0, 2, 0x68, 9, 0, 2, 0x06, 7],
            &[0x7c, 0x85, 1],
            &[0x7c, 0x05, 2],
            &[0x7c, 0x45, 3],
        ]))
        .unwrap();
        assert_eq!(unit.sets.pps, [0x68, 9]);
        assert_eq!(
            unit.data,
            [0, 0, 0, 2, 0x06, 7, 0, 0, 0, 4, 0x65, 1, 2, 3],
            "an SEI and an IDR slice"
        );
    }

    #[test]
    fn a_picture_with_a_packet_missing_is_none() {
        assert_eq!(access_unit(&frame(&[&[0x7c, 0x05, 2]])), None, "no start");
        assert_eq!(access_unit(&frame(&[&[0x7c, 0x85, 2]])), None, "no end");
        assert_eq!(access_unit(&frame(&[&[0x78, 0, 9, 1]])), None, "cut off");
        assert_eq!(access_unit(&frame(&[])), None, "nothing at all");
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_fail(frame in any_frame()) {
            access_unit(&frame);
        }
    }
}
