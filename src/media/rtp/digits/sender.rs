//! A string of keys into packets, each at its time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::CLOCK_RATE;
use crate::protocol::telephone_event::{Digit, PAYLOAD, TelephoneEvent};

/// Keys that may wait at most.
pub const DIGITS_MAX: usize = 32;
/// Between two packets of a key: that of the sound's.
const STEP: Duration = Duration::from_millis(20);
/// What a packet adds to the duration.
const STEP_TICKS: u16 = (CLOCK_RATE / 50) as u16;
/// Packets of a key up to the one that tells its end: 100 ms, as telephones dial.
const STEPS: u16 = 5;
/// The end is told so often (RFC 4733 §2.5.1.4).
const ENDS: u16 = 3;
/// From the end of a key to the next one.
const PAUSE: Duration = Duration::from_millis(70);
/// Decibels below 0 dBm0: what telephones and browsers send.
const VOLUME: u8 = 10;

/// More keys than may wait.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("more than {DIGITS_MAX} digits would wait to be sent")]
pub struct TooMany;

/// A packet to be sent; its number in the sound's sequence is the caller's to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// Of the moment the key was pressed, the same for all of its packets.
    pub timestamp: u32,
    /// Set on the first packet of a key.
    pub marker: bool,
    /// RFC 4733 §2.3.
    pub payload: [u8; PAYLOAD],
}

/// Keys on their way. Time comes in with every call.
#[derive(Debug, Default)]
pub struct DigitSender {
    waiting: VecDeque<Digit>,
    pressed: Option<Pressed>,
    /// When the last key of before lets the next one follow.
    free_at: Option<Instant>,
}

#[derive(Debug)]
struct Pressed {
    digit: Digit,
    timestamp: u32,
    sent: u16,
    next: Instant,
}

impl DigitSender {
    /// Keys to be sent behind those that wait.
    ///
    /// # Errors
    /// [`TooMany`], and none of them is taken.
    pub fn push(&mut self, now: Instant, digits: &[Digit]) -> Result<(), TooMany> {
        if self.waiting.len() + digits.len() > DIGITS_MAX {
            return Err(TooMany);
        }
        if self.free_at.is_none_or(|free_at| free_at < now) {
            self.free_at = Some(now);
        }
        self.waiting.extend(digits);
        Ok(())
    }

    /// When [`DigitSender::take`] has something to give; nothing while no key waits.
    pub fn due(&self) -> Option<Instant> {
        match &self.pressed {
            Some(pressed) => Some(pressed.next),
            None if self.waiting.is_empty() => None,
            None => self.free_at,
        }
    }

    /// Whether a key is held, in whose place no sound is sent.
    pub fn is_pressing(&self) -> bool {
        let pressed = self.pressed.as_ref();
        pressed.is_some_and(|pressed| pressed.sent < STEPS)
    }

    /// The packet that is due, if one is. `timestamp` tells that of this moment.
    pub fn take(&mut self, now: Instant, timestamp: impl FnOnce() -> u32) -> Option<EventPacket> {
        let due = self.due().filter(|due| *due <= now)?;
        let mut pressed = match self.pressed.take() {
            Some(pressed) => pressed,
            None => Pressed {
                digit: self.waiting.pop_front()?,
                timestamp: timestamp(),
                sent: 0,
                next: due,
            },
        };
        pressed.sent += 1;
        // After a delay the rhythm goes on from here: a burst would help nobody.
        pressed.next = (pressed.next + STEP).max(now);
        let event = TelephoneEvent {
            digit: pressed.digit,
            is_end: pressed.sent >= STEPS,
            volume: VOLUME,
            duration: pressed.sent.min(STEPS) * STEP_TICKS,
        };
        let packet = EventPacket {
            timestamp: pressed.timestamp,
            marker: pressed.sent == 1,
            payload: event.bytes(),
        };
        if pressed.sent == STEPS {
            self.free_at = Some(pressed.next + PAUSE);
        }
        if pressed.sent < STEPS + ENDS - 1 {
            self.pressed = Some(pressed);
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::rtp::digits::DigitReceiver;

    const MS: Duration = Duration::from_millis(1);

    fn keys(text: &str) -> Vec<Digit> {
        text.chars()
            .map(|key| Digit::of_char(key).unwrap())
            .collect()
    }

    /// All packets with the time of each, in milliseconds.
    fn sent(text: &str) -> Vec<(u64, EventPacket)> {
        let start = Instant::now();
        let mut sender = DigitSender::default();
        sender.push(start, &keys(text)).unwrap();
        let mut packets = Vec::new();
        while let Some(due) = sender.due() {
            let at = (due - start).as_millis() as u64;
            let packet = sender.take(due, || 1_000 + at as u32 * 48).unwrap();
            packets.push((at, packet));
        }
        packets
    }

    #[test]
    fn a_key_is_held_for_100_ms_and_its_end_is_told_three_times() {
        let packets = sent("5");
        let times: Vec<u64> = packets.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0, 20, 40, 60, 80, 100, 120]);
        let events: Vec<_> = packets
            .iter()
            .map(|(_, packet)| TelephoneEvent::read(&packet.payload).unwrap())
            .map(|event| (event.is_end, event.duration))
            .collect();
        let end = (true, 4_800);
        let held = [(false, 960), (false, 1_920), (false, 2_880), (false, 3_840)];
        assert_eq!(events, [&held[..], &[end; 3]].concat());
        assert!(packets.iter().all(|(_, packet)| packet.timestamp == 1_000));
        let markers: Vec<bool> = packets.iter().map(|(_, packet)| packet.marker).collect();
        assert_eq!(markers, [&[true][..], &[false; 6]].concat());
    }

    #[test]
    fn the_next_key_follows_after_a_pause_with_a_timestamp_of_its_own() {
        let packets = sent("12");
        assert_eq!(packets.len(), 14);
        let (at, second) = packets[7];
        assert_eq!((at, second.timestamp), (170, 1_000 + 170 * 48));
        assert!(second.marker);
    }

    #[test]
    fn sound_gives_way_while_a_key_is_held_and_not_longer() {
        let start = Instant::now();
        let mut sender = DigitSender::default();
        assert!(!sender.is_pressing());
        sender.push(start, &keys("1")).unwrap();
        let mut held = Vec::new();
        while let Some(due) = sender.due() {
            sender.take(due, || 0);
            held.push(sender.is_pressing());
        }
        assert_eq!(held, [&[true; 4][..], &[false; 3]].concat());
    }

    #[test]
    fn keys_pushed_later_follow_those_before() {
        let start = Instant::now();
        let mut sender = DigitSender::default();
        sender.push(start, &keys("1")).unwrap();
        while let Some(due) = sender.due() {
            sender.take(due, || 0);
        }
        // The last end is out at 120 ms, the pause lasts until 170.
        sender.push(start + 130 * MS, &keys("2")).unwrap();
        assert_eq!(sender.due(), Some(start + 170 * MS));
        assert_eq!(sender.take(start + 169 * MS, || 0), None);
    }

    #[test]
    fn more_than_may_wait_are_refused_as_a_whole() {
        let start = Instant::now();
        let mut sender = DigitSender::default();
        sender.push(start, &keys(&"1".repeat(31))).unwrap();
        assert_eq!(sender.push(start, &keys("22")), Err(TooMany));
        sender.push(start, &keys("3")).unwrap();
    }

    #[test]
    fn a_delay_makes_no_burst() {
        let start = Instant::now();
        let mut sender = DigitSender::default();
        sender.push(start, &keys("1")).unwrap();
        sender.take(start, || 0).unwrap();
        let late = start + 500 * MS;
        assert!(sender.take(late, || 0).is_some());
        assert!(sender.take(late, || 0).is_some());
        assert_eq!(sender.take(late, || 0), None);
    }

    proptest! {
        /// A path may lose, double and swap packets: as long as one of those a key is held with
        /// comes through, each key is heard once and in order.
        #[test]
        fn what_is_sent_is_heard_once(
            text in "[0-9*#A-D]{1,32}",
            fates in proptest::collection::vec((0_u8..4, 0_usize..3), 32 * 7),
            kept in proptest::collection::vec(0_usize..5, 32),
        ) {
            let mut arriving = Vec::new();
            for (n, (_, packet)) in sent(&text).into_iter().enumerate() {
                let (fate, delay) = fates[n];
                let is_kept = kept[n / 7] == n % 7;
                let copies = match fate {
                    0 if !is_kept => 0,
                    1 => 2,
                    _ => 1,
                };
                for copy in 0..copies {
                    arriving.push((n + delay * (1 + copy), packet));
                }
            }
            // Overtaken by up to two places, and copies by four.
            arriving.sort_by_key(|(place, _)| *place);
            let mut receiver = DigitReceiver::default();
            let heard: String = arriving
                .iter()
                .filter_map(|(_, packet)| {
                    receiver.take(packet.timestamp, packet.marker, &packet.payload)
                })
                .map(Digit::key)
                .collect();
            prop_assert_eq!(heard, text);
        }
    }
}
