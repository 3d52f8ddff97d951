//! Packets of telephone events, as they come, into keys.

use super::CLOCK_RATE;
use crate::protocol::telephone_event::{Digit, TelephoneEvent};

/// What is behind the newest event by less is late; by more, the far side has begun anew.
const LATE: u32 = 10 * CLOCK_RATE;
/// A key held for longer than the duration can say goes on as another event (§2.5.1.3).
const SEGMENT: u32 = u16::MAX as u32;
/// Browsers begin the next one with their next packet, which is a little later.
const SEGMENT_SLACK: u32 = CLOCK_RATE / 10;

/// Hears each key once, with the first packet of it that comes, whatever of the others is lost,
/// repeated or overtaken. A key of which nothing comes before the next one is not heard.
#[derive(Debug, Default)]
pub struct DigitReceiver {
    newest: Option<Event>,
}

#[derive(Debug)]
struct Event {
    timestamp: u32,
    digit: Digit,
    has_ended: bool,
}

impl DigitReceiver {
    /// A packet of the negotiated payload type. Returns the key if it is the first of one.
    pub fn take(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Option<Digit> {
        let event = TelephoneEvent::read(payload)?;
        if let Some(newest) = &mut self.newest {
            let ahead = timestamp.wrapping_sub(newest.timestamp);
            if ahead == 0 {
                newest.has_ended |= event.is_end;
                return None;
            }
            if ahead > u32::MAX - LATE {
                return None;
            }
            let is_held_on = !marker
                && !newest.has_ended
                && newest.digit == event.digit
                && (SEGMENT..=SEGMENT + SEGMENT_SLACK).contains(&ahead);
            if is_held_on {
                newest.timestamp = timestamp;
                newest.has_ended = event.is_end;
                return None;
            }
        }
        self.newest = Some(Event {
            timestamp,
            digit: event.digit,
            has_ended: event.is_end,
        });
        Some(event.digit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(key: char, is_end: bool, duration: u16) -> [u8; 4] {
        TelephoneEvent {
            digit: Digit::of_char(key).unwrap(),
            is_end,
            volume: 10,
            duration,
        }
        .bytes()
    }

    /// What is heard of packets: timestamp, marker, key, end.
    fn heard(packets: &[(u32, bool, char, bool)]) -> String {
        let mut receiver = DigitReceiver::default();
        packets
            .iter()
            .filter_map(|(timestamp, marker, key, is_end)| {
                receiver.take(*timestamp, *marker, &packet(*key, *is_end, 960))
            })
            .map(Digit::key)
            .collect()
    }

    #[test]
    fn a_key_pressed_twice_is_heard_twice() {
        let packets = [
            (100, true, '1', false),
            (100, false, '1', true),
            (9_000, true, '1', false),
            (9_000, false, '1', true),
            (9_000, false, '1', true),
        ];
        assert_eq!(heard(&packets), "11");
    }

    #[test]
    fn one_packet_of_a_key_is_enough() {
        assert_eq!(
            heard(&[(5, false, '7', true), (9_000, false, '8', true)]),
            "78"
        );
    }

    #[test]
    fn a_packet_that_is_late_is_not_heard_again() {
        let packets = [
            (u32::MAX, true, '1', false),
            (7_000, true, '2', false),
            (u32::MAX, false, '1', true),
            (7_000, false, '2', true),
        ];
        assert_eq!(heard(&packets), "12");
    }

    #[test]
    fn a_key_held_for_long_is_heard_once() {
        let browser = SEGMENT + 900;
        let packets = [
            (0, true, '5', false),
            (SEGMENT, false, '5', false),
            (SEGMENT + browser, false, '5', false),
            (SEGMENT + browser, false, '5', true),
        ];
        assert_eq!(heard(&packets), "5");
        let let_go_between = [(0, true, '5', true), (SEGMENT, false, '5', false)];
        assert_eq!(heard(&let_go_between), "55");
        let pressed_again = [(0, true, '5', false), (SEGMENT, true, '5', false)];
        assert_eq!(heard(&pressed_again), "55");
    }

    #[test]
    fn a_far_side_that_begins_anew_is_heard() {
        let jump = u32::MAX / 2 + 1_000;
        assert_eq!(
            heard(&[(jump, true, '1', true), (0, true, '2', true)]),
            "12"
        );
    }

    #[test]
    fn garbage_is_not_heard_and_harms_nothing() {
        let mut receiver = DigitReceiver::default();
        assert_eq!(receiver.take(90, true, &[200, 0, 0, 1]), None);
        assert_eq!(receiver.take(0, true, &[]), None);
        assert!(receiver.take(0, true, &packet('1', false, 1)).is_some());
    }

    proptest! {
        #[test]
        fn no_packet_is_heard_again(
            packets in proptest::collection::vec(
                (any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..6)), 0..50,
            ),
        ) {
            let mut receiver = DigitReceiver::default();
            for (timestamp, marker, payload) in &packets {
                receiver.take(*timestamp, *marker, payload);
                prop_assert_eq!(receiver.take(*timestamp, *marker, payload), None);
            }
        }
    }
}
