//! Noticing a peer that is gone without a word, sans-IO.

use std::time::{Duration, Instant};

/// After so long without a byte we ask.
const QUIET: Duration = Duration::from_secs(4);
/// After so long without a byte since we asked, the peer is dead. Together with [`QUIET`] a
/// vanished server is noticed within 9 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// What time demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Wait,
    /// Ask the peer for a sign of life.
    Ask,
    /// The peer is dead; it was silent for so long.
    Dead(Duration),
}

/// When the peer was last heard of and since when it owes an answer.
#[derive(Debug)]
pub(super) struct Liveness {
    heard: Instant,
    asked: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            asked: None,
        }
    }

    /// Bytes arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// Something was sent that the peer answers at once.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// When to call [`Liveness::check`] next.
    pub(super) fn deadline(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + PATIENCE,
            None => self.heard + QUIET,
        }
    }

    /// What to do at this time.
    pub(super) fn check(&self, now: Instant) -> Verdict {
        if now < self.deadline() {
            Verdict::Wait
        } else if self.asked.is_some() {
            Verdict::Dead(now.saturating_duration_since(self.heard))
        } else {
            Verdict::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_peer_is_asked_and_then_given_up_within_nine_seconds() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.check(at(start, 3)), Verdict::Wait);
        assert_eq!(liveness.check(at(start, 4)), Verdict::Ask);
        liveness.asked(at(start, 4));
        assert_eq!(liveness.check(at(start, 8)), Verdict::Wait);
        let silent = Duration::from_secs(9);
        assert_eq!(liveness.check(at(start, 9)), Verdict::Dead(silent));
    }

    #[test]
    fn asking_again_does_not_extend_the_patience() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        liveness.asked(start);
        liveness.asked(at(start, 4));
        assert!(matches!(liveness.check(at(start, 5)), Verdict::Dead(_)));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        liveness.asked(start);
        liveness.heard(at(start, 4));
        assert_eq!(liveness.check(at(start, 7)), Verdict::Wait);
    }
}
