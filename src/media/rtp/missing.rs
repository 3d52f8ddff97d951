//! Which packets of a stream have not come, and when to ask for them (again) (RFC 4585 §6.2.1).
//!
//! Repetitions come as a stream of their own (RFC 4588); unless they are counted here as well,
//! everything that was repaired is asked for until the receiver tires of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet that comes out of order comes within this time.
const REORDERING: Duration = Duration::from_millis(5);
/// Between two requests for one packet, at least; more where the round trip is longer.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// A picture is not waited for any longer.
const WAITED_FOR: Duration = Duration::from_millis(400);
/// A gap of more packets is no loss but a new beginning, and needs a key frame.
const TOO_MANY: u16 = 512;
const HALF: u16 = 1 << 15;

#[derive(Debug)]
struct Gap {
    sequence: u16,
    found: Instant,
    ask_at: Instant,
}

/// The gaps of one stream.
#[derive(Debug, Default)]
pub struct Missing {
    newest: Option<u16>,
    /// In the order of their numbers.
    gaps: VecDeque<Gap>,
}

impl Missing {
    /// A packet came, for the first time or as a repetition.
    pub fn arrived(&mut self, now: Instant, sequence: u16) {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return;
        };
        let ahead = sequence.wrapping_sub(newest);
        if ahead == 0 || ahead >= HALF {
            self.gaps.retain(|gap| gap.sequence != sequence);
            return;
        }
        self.newest = Some(sequence);
        if ahead > TOO_MANY {
            self.gaps.clear();
            return;
        }
        self.gaps.extend((1..ahead).map(|n| Gap {
            sequence: newest.wrapping_add(n),
            found: now,
            ask_at: now + REORDERING,
        }));
        while self.gaps.len() > usize::from(TOO_MANY) {
            self.gaps.pop_front();
        }
    }

    /// When [`Missing::ask`] has something to ask for.
    pub fn next(&self) -> Option<Instant> {
        self.gaps.iter().map(|gap| gap.ask_at).min()
    }

    /// Fills `into` with what is to be asked for now, in order. `round_trip` of the path, if known.
    pub fn ask(&mut self, now: Instant, round_trip: Option<Duration>, into: &mut Vec<u16>) {
        self.gaps
            .retain(|gap| now.saturating_duration_since(gap.found) < WAITED_FOR);
        // The answer to one request must have had its time.
        let pause = (round_trip.unwrap_or_default() * 5 / 4).max(LEAST_PAUSE);
        for gap in self.gaps.iter_mut().filter(|gap| gap.ask_at <= now) {
            gap.ask_at = now + pause;
            into.push(gap.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        let mut asked = Vec::new();
        missing.ask(now, Some(40 * MS), &mut asked);
        asked
    }

    fn with_gap(start: Instant) -> Missing {
        let mut missing = Missing::default();
        for sequence in [65_533, 65_534, 1, 2] {
            missing.arrived(start, sequence);
        }
        missing
    }

    #[test]
    fn a_gap_is_asked_for_until_it_is_filled() {
        let start = Instant::now();
        let mut missing = with_gap(start);
        assert_eq!(missing.next(), Some(start + 5 * MS));
        assert!(asked(&mut missing, start + 4 * MS).is_empty());
        assert_eq!(asked(&mut missing, start + 5 * MS), [65_535, 0]);
        assert!(asked(&mut missing, start + 54 * MS).is_empty());
        missing.arrived(start + 54 * MS, 65_535);
        assert_eq!(asked(&mut missing, start + 55 * MS), [0]);
        missing.arrived(start + 60 * MS, 0);
        assert_eq!(missing.next(), None);
    }

    #[test]
    fn nothing_is_asked_for_that_comes_too_late() {
        let start = Instant::now();
        let mut missing = with_gap(start);
        assert!(asked(&mut missing, start + 400 * MS).is_empty());
        assert_eq!(missing.next(), None);
    }

    #[test]
    fn packets_out_of_order_and_a_new_beginning_are_no_loss() {
        let start = Instant::now();
        let mut missing = Missing::default();
        for sequence in [10, 12, 11, 13, 13, 9, 5_000, 5_001] {
            missing.arrived(start, sequence);
        }
        assert_eq!(missing.next(), None);
    }

    proptest! {
        /// Whatever comes, what is asked for has not come, and it is not more than was sent.
        #[test]
        fn only_what_is_missing_is_asked_for(
            first in any::<u16>(),
            arrives in proptest::collection::vec((any::<bool>(), 0_u64..20), 2..400),
        ) {
            let mut now = Instant::now();
            let mut missing = Missing::default();
            let mut came = std::collections::HashSet::new();
            for (n, (arrives, wait)) in arrives.into_iter().enumerate() {
                now += MS * wait as u32;
                let sequence = first.wrapping_add(n as u16);
                if arrives {
                    came.insert(sequence);
                    missing.arrived(now, sequence);
                }
                let asked = asked(&mut missing, now);
                prop_assert!(asked.iter().all(|one| !came.contains(one)));
                prop_assert!(asked.iter().all(|one| one.wrapping_sub(first) <= n as u16));
            }
        }
    }
}
