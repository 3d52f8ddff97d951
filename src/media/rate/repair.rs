//! Which packets are sent again.
//!
//! - What the far side **asks for** (RFC 4585 §6.2.1), unless it was sent again a round trip ago
//!   or less: that one is on its way.
//! - What its transport-wide feedback **shows as missing**, the repetition included: a request is
//!   lost as easily as a packet, and receivers ask again only after a tenth of a second.
//! - Nothing from **before the newest key frame**: who has that needs nothing older, and on a path
//!   that is full the rest would only delay it.
//! - On a path that loses much by itself **twice**, a moment apart.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets remembered: a second of 10 Mbit/s. A power of two.
const REMEMBERED: usize = 1_024;
/// Repetitions remembered, by their own numbers. A power of two.
const REPETITIONS: usize = 256;
/// Older pictures are worth nothing in a conversation.
const TOO_OLD: Duration = Duration::from_secs(2);
/// A request so soon after a repetition was sent before that could arrive.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// Loss from which a repetition is sent twice, on a short way and on a long one, where the next
/// request would come too late; and how far apart.
const MUCH_LOSS: f64 = 0.04;
const MUCH_LOSS_FAR: f64 = 0.015;
const FAR: Duration = Duration::from_millis(60);
const APART: Duration = Duration::from_millis(15);

/// Half of the numbers: what is further ahead is behind (RFC 3550 §A.1).
const HALF: u16 = 1 << 15;

#[derive(Clone, Debug)]
struct Sent<P> {
    sequence: u16,
    at: Instant,
    repeated: Option<Instant>,
    packet: P,
}

/// What is known of the path when something is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Of the path, if known.
    pub round_trip: Option<Duration>,
    /// Share of packets the path loses without being full.
    pub loss: f64,
}

/// Remembers the packets of one stream. `P` is a packet, cheap to clone.
#[derive(Debug)]
pub struct Repair<P> {
    sent: Box<[Option<Sent<P>>]>,
    /// The first packet of the newest key frame.
    key_frame: Option<u16>,
    /// Which packet a repetition repeats.
    repetitions: Box<[Option<u16>]>,
    next_repetition: u16,
    second: VecDeque<(Instant, u16)>,
}

impl<P> Default for Repair<P> {
    fn default() -> Self {
        Self {
            sent: (0..REMEMBERED).map(|_| None).collect(),
            key_frame: None,
            repetitions: vec![None; REPETITIONS].into(),
            next_repetition: 0,
            second: VecDeque::new(),
        }
    }
}

impl<P: Clone> Repair<P> {
    /// A packet is sent for the first time; whether it is the first of a key frame.
    pub fn sent(&mut self, now: Instant, sequence: u16, begins_key_frame: bool, packet: P) {
        if begins_key_frame {
            self.key_frame = Some(sequence);
            self.second.clear();
        }
        self.sent[usize::from(sequence) % REMEMBERED] = Some(Sent {
            sequence,
            at: now,
            repeated: None,
            packet,
        });
    }

    /// The far side asks for a packet: it, if it is to be sent again.
    pub fn asked(&mut self, now: Instant, sequence: u16, conditions: Conditions) -> Option<P> {
        let pause = conditions.round_trip.unwrap_or_default().max(LEAST_PAUSE);
        let sent = self.wanted(now, sequence)?;
        if sent
            .repeated
            .is_some_and(|at| now.saturating_duration_since(at) < pause)
        {
            return None;
        }
        self.repeat(now, sequence, conditions)
    }

    /// By the feedback a packet has not arrived: it, if it is to be sent again.
    pub fn missing(&mut self, now: Instant, sequence: u16, conditions: Conditions) -> Option<P> {
        // Somebody asked meanwhile; whether that repetition arrives is told as well.
        if self.wanted(now, sequence)?.repeated.is_some() {
            return None;
        }
        self.repeat(now, sequence, conditions)
    }

    /// By the feedback a repetition, of this number of its own, has not arrived.
    pub fn repetition_missing(
        &mut self,
        now: Instant,
        number: u16,
        conditions: Conditions,
    ) -> Option<P> {
        let sequence = self.repetitions[usize::from(number) % REPETITIONS]?;
        // One sent after it may have arrived.
        if self.second.iter().any(|(_, waiting)| *waiting == sequence) {
            return None;
        }
        self.asked(now, sequence, conditions)
    }

    /// The number of its own of a repetition that is sent now.
    pub fn number(&mut self, repeats: u16) -> u16 {
        let number = self.next_repetition;
        self.next_repetition = number.wrapping_add(1);
        self.repetitions[usize::from(number) % REPETITIONS] = Some(repeats);
        number
    }

    /// When [`Repair::due`] has something.
    pub fn next(&self) -> Option<Instant> {
        self.second.front().map(|(at, _)| *at)
    }

    /// What is to be sent once more now.
    pub fn due(&mut self, now: Instant) -> Option<P> {
        while self.second.front().is_some_and(|(at, _)| *at <= now) {
            let (_, sequence) = self.second.pop_front()?;
            if let Some(sent) = self.wanted(now, sequence) {
                return Some(sent.packet.clone());
            }
        }
        None
    }

    /// The far side gets a new key frame instead of all it misses.
    pub fn give_up(&mut self) {
        self.sent.fill_with(|| None);
        self.second.clear();
    }

    fn wanted(&mut self, now: Instant, sequence: u16) -> Option<&mut Sent<P>> {
        let is_before = |key_frame: u16| sequence.wrapping_sub(key_frame) >= HALF;
        if self.key_frame.is_some_and(is_before) {
            return None;
        }
        self.sent[usize::from(sequence) % REMEMBERED]
            .as_mut()
            .filter(|sent| sent.sequence == sequence)
            .filter(|sent| now.saturating_duration_since(sent.at) < TOO_OLD)
    }

    fn repeat(&mut self, now: Instant, sequence: u16, conditions: Conditions) -> Option<P> {
        let sent = self.wanted(now, sequence)?;
        sent.repeated = Some(now);
        let packet = sent.packet.clone();
        let is_far = conditions.round_trip.is_some_and(|way| way >= FAR);
        let much = if is_far { MUCH_LOSS_FAR } else { MUCH_LOSS };
        if conditions.loss >= much {
            self.second.push_back((now + APART, sequence));
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const CALM: Conditions = Conditions {
        round_trip: Some(Duration::from_millis(40)),
        loss: 0.01,
    };
    const LOSSY: Conditions = Conditions { loss: 0.08, ..CALM };

    fn sent(start: Instant, sequences: impl IntoIterator<Item = u16>) -> Repair<u16> {
        let mut repair = Repair::default();
        for (n, sequence) in sequences.into_iter().enumerate() {
            repair.sent(start, sequence, n == 0, sequence);
        }
        repair
    }

    #[test]
    fn what_is_on_its_way_again_is_not_sent_a_third_time() {
        let start = Instant::now();
        let mut repair = sent(start, 65_530..=65_535);
        assert_eq!(repair.asked(start + 20 * MS, 65_531, CALM), Some(65_531));
        assert_eq!(repair.asked(start + 50 * MS, 65_531, CALM), None);
        assert_eq!(repair.missing(start + 55 * MS, 65_531, CALM), None);
        assert_eq!(repair.asked(start + 60 * MS, 65_531, CALM), Some(65_531));
        assert_eq!(repair.due(start + 500 * MS), None, "once each time");
    }

    #[test]
    fn what_the_feedback_misses_needs_no_request() {
        let start = Instant::now();
        let mut repair = sent(start, 0..10);
        assert_eq!(repair.missing(start + 50 * MS, 3, CALM), Some(3));
        let number = repair.number(3);
        assert_eq!(repair.asked(start + 55 * MS, 3, CALM), None, "crossed it");
        assert_eq!(
            repair.repetition_missing(start + 110 * MS, number, CALM),
            Some(3)
        );
        assert_eq!(repair.repetition_missing(start, number + 1, CALM), None);
    }

    #[test]
    fn nothing_before_the_newest_key_frame_or_unknown_or_old_is_repeated() {
        let start = Instant::now();
        let mut repair = sent(start, (65_530..=65_535).chain(0..4));
        repair.sent(start, 4, true, 4);
        for sequence in [65_530, 65_535, 0, 3, 5, 2_000] {
            assert_eq!(repair.asked(start, sequence, CALM), None, "{sequence}");
        }
        assert_eq!(repair.asked(start + 2_000 * MS, 4, CALM), None);
        assert_eq!(repair.asked(start + 1_999 * MS, 4, CALM), Some(4));
        repair.give_up();
        assert_eq!(repair.missing(start, 4, CALM), None);
    }

    #[test]
    fn a_path_that_loses_much_gets_it_twice() {
        let start = Instant::now();
        let mut repair = sent(start, 0..10);
        assert_eq!(repair.asked(start, 3, LOSSY), Some(3));
        let number = repair.number(3);
        let again = repair.next().unwrap();
        assert_eq!(repair.due(start + 14 * MS), None);
        assert_eq!(again, start + 15 * MS);
        // The second one may do it.
        assert_eq!(
            repair.repetition_missing(start + 5 * MS, number, LOSSY),
            None
        );
        assert_eq!((repair.due(again), repair.due(again)), (Some(3), None));
        repair.asked(start + 100 * MS, 4, LOSSY);
        repair.sent(start + 100 * MS, 10, true, 10);
        assert_eq!(repair.next(), None, "a key frame came instead");
    }
}
