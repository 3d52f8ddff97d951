//! Opus packets as far as a file must understand them: how long they are, and one of silence.

/// 20 ms of silence (RFC 6716 §3.1: CELT, full band, mono, one frame), as WebRTC sends it for a track
/// that is switched off.
pub(super) const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// Its length in ticks of 48 kHz.
pub(super) const SILENCE_TICKS: u64 = 960;

/// The longest packet, ticks of 48 kHz: 120 ms (RFC 6716 §3.2.5).
const LONGEST: u64 = 5_760;

/// How long a packet is, ticks of 48 kHz; nothing when it is damaged.
pub(super) fn duration(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    // RFC 6716, table 2.
    let frame = match config {
        0..12 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        12..16 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let whole = frame * frames;
    (1..=LONGEST).contains(&whole).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_those_of_the_table() {
        for (packet, milliseconds) in [
            (&SILENCE[..], 20),
            // SILK of 60 ms; hybrid of 10 ms; CELT of 2.5 ms, twice; of 20 ms, three times.
            (&[0x18, 1], 60),
            (&[0x60, 1], 10),
            (&[0x81, 1, 1], 5),
            (&[0xfb, 3, 1], 60),
        ] {
            assert_eq!(duration(packet), Some(milliseconds * 48), "{packet:?}");
        }
        assert_eq!(duration(&[]), None, "nothing");
        assert_eq!(duration(&[0xfb]), None, "cut off");
        assert_eq!(duration(&[0xfb, 0]), None, "of no frames");
        assert_eq!(duration(&[0xfb, 7]), None, "above 120 ms");
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_fail(packet in proptest::collection::vec(any::<u8>(), 0..8)) {
            duration(&packet);
        }
    }
}
