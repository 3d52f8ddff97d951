//! Noticing a peer that is gone without a word, sans-IO.

use std::time::{Duration, Instant};

/// The patience after the network below has changed: on a line that still works the answer takes
/// a round trip.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

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

/// When the peer was last heard of and until when it owes an answer.
#[derive(Debug)]
pub(super) struct Liveness {
    /// After so long without a byte we ask.
    quiet: Duration,
    /// After so long without a byte since we asked, the peer is dead.
    patience: Duration,
    heard: Instant,
    due: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant, quiet: Duration, patience: Duration) -> Self {
        Self {
            quiet,
            patience,
            heard: now,
            due: None,
        }
    }

    /// Bytes arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.due = None;
    }

    /// Something was sent that the peer answers at once.
    pub(super) fn asked(&mut self, now: Instant) {
        self.due.get_or_insert(now + self.patience);
    }

    /// The same, and there is reason to doubt that the peer is still there.
    pub(super) fn probe(&mut self, now: Instant) {
        let soon = now + self.patience.min(PROBE_PATIENCE);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// When to call [`Liveness::check`] next.
    pub(super) fn deadline(&self) -> Instant {
        self.due.unwrap_or(self.heard + self.quiet)
    }

    /// What to do at this time.
    pub(super) fn check(&self, now: Instant) -> Verdict {
        if now < self.deadline() {
            Verdict::Wait
        } else if self.due.is_some() {
            Verdict::Dead(now.saturating_duration_since(self.heard))
        } else {
            Verdict::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(start: Instant) -> Liveness {
        Liveness::new(start, Duration::from_secs(4), Duration::from_secs(5))
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_peer_is_asked_and_then_given_up_within_nine_seconds() {
        let start = Instant::now();
        let mut liveness = since(start);
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
        let mut liveness = since(start);
        liveness.asked(start);
        liveness.asked(at(start, 4));
        assert!(matches!(liveness.check(at(start, 5)), Verdict::Dead(_)));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let start = Instant::now();
        let mut liveness = since(start);
        liveness.asked(start);
        liveness.heard(at(start, 4));
        assert_eq!(liveness.check(at(start, 7)), Verdict::Wait);
    }

    #[test]
    fn after_a_change_of_network_the_patience_is_short() {
        let start = Instant::now();
        let mut liveness = since(start);
        liveness.probe(start);
        assert_eq!(liveness.check(at(start, 1)), Verdict::Wait);
        assert!(matches!(liveness.check(at(start, 2)), Verdict::Dead(_)));
    }
}
