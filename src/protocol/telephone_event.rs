//! Keys of a telephone that are pressed in a call, as RTP carries them: named events 0 to 15
//! (RFC 4733 §2.3, §3.2).
//!
//! Pure; input may be anything.

use std::fmt;

/// Bytes of an event's payload.
pub const PAYLOAD: usize = 4;
/// By event code.
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];
/// The loudest is 0, the quietest −63 dBm0.
const VOLUME_MAX: u8 = 63;

/// A key: `0` to `9`, `*`, `#`, `A` to `D`. Debug output does not show which: it may be part of a
/// code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// Of an event code; nothing for events that are no keys.
    pub fn of_code(code: u8) -> Option<Self> {
        (usize::from(code) < KEYS.len()).then_some(Self(code))
    }

    /// As it is written; letters in either case.
    pub fn of_char(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        let code = KEYS.iter().position(|known| *known == key)?;
        Some(Self(u8::try_from(code).ok()?))
    }

    /// The event code.
    pub fn code(self) -> u8 {
        self.0
    }

    /// As it is written.
    pub fn key(self) -> char {
        KEYS[usize::from(self.0)]
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(_)")
    }
}

/// What one packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which key.
    pub digit: Digit,
    /// Whether the key was let go.
    pub is_end: bool,
    /// Decibels below 0 dBm0, up to 63.
    pub volume: u8,
    /// How long it has been held so far, in units of the RTP clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Out of a payload; nothing if it is no key.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low] = *<&[u8; PAYLOAD]>::try_from(payload).ok()?;
        Some(Self {
            digit: Digit::of_code(code)?,
            is_end: flags & 0x80 != 0,
            volume: flags & VOLUME_MAX,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload.
    pub fn bytes(self) -> [u8; PAYLOAD] {
        let end = if self.is_end { 0x80 } else { 0 };
        let [high, low] = self.duration.to_be_bytes();
        [
            self.digit.code(),
            end | self.volume.min(VOLUME_MAX),
            high,
            low,
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_have_the_codes_of_the_standard() {
        let of = |key| Digit::of_char(key).map(Digit::code);
        for (key, code) in [
            ('0', 0),
            ('9', 9),
            ('*', 10),
            ('#', 11),
            ('A', 12),
            ('d', 15),
        ] {
            assert_eq!(of(key), Some(code), "{key}");
        }
        for key in [' ', 'E', 'x', '１', '\0'] {
            assert_eq!(of(key), None, "{key}");
        }
        assert_eq!(Digit::of_code(16), None, "flash is no key");
    }

    #[test]
    fn a_packet_reads_as_the_standard_draws_it() {
        // Key 5 let go after 100 ms at 8 kHz, −10 dBm0.
        let event = TelephoneEvent::read(&[5, 0x8a, 0x03, 0x20]).unwrap();
        assert_eq!(event.digit.key(), '5');
        assert_eq!((event.is_end, event.volume), (true, 10));
        assert_eq!(event.duration, 800);
        assert_eq!(event.bytes(), [5, 0x8a, 0x03, 0x20]);
        for garbage in [&[][..], &[5], &[5, 0, 0], &[5, 0, 0, 0, 0], &[16, 0, 0, 0]] {
            assert_eq!(TelephoneEvent::read(garbage), None);
        }
    }

    #[test]
    fn which_key_it_is_does_not_get_into_a_log() {
        let event = TelephoneEvent::read(&[7, 0, 0, 0]).unwrap();
        assert!(!format!("{event:?}").contains('7'), "{event:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            code in 0_u8..16, is_end: bool, volume in 0_u8..64, duration: u16,
        ) {
            let event = TelephoneEvent {
                digit: Digit::of_code(code).unwrap(),
                is_end,
                volume,
                duration,
            };
            prop_assert_eq!(TelephoneEvent::read(&event.bytes()), Some(event));
            prop_assert_eq!(Digit::of_char(event.digit.key()), Some(event.digit));
        }

        #[test]
        fn anything_can_be_read(payload in proptest::collection::vec(any::<u8>(), 0..8)) {
            TelephoneEvent::read(&payload);
        }
    }
}
