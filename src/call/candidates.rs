//! ICE candidates between their discovery and the moment the other side can use them.

use std::time::{Duration, Instant};

use crate::protocol::call_signal::Candidate;

/// More than this many of one side are not kept or passed on; a browser gathers some dozens.
pub const MAX_CANDIDATES: usize = 256;
/// Candidates come in bursts: those within this time share a message.
pub const BURST: Duration = Duration::from_millis(4);

/// Our own candidates on their way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    waiting: Vec<Candidate>,
    taken: usize,
    /// When the waiting ones go; `None` while the other side cannot use them.
    due: Option<Instant>,
    open: bool,
}

impl Outgoing {
    /// A candidate was gathered.
    pub fn put(&mut self, now: Instant, candidate: Candidate) {
        if self.taken >= MAX_CANDIDATES {
            return;
        }
        self.taken += 1;
        self.waiting.push(candidate);
        if self.open {
            self.due.get_or_insert(now + BURST);
        }
    }

    /// The other side can use them from now on: gives what was held, for one message.
    pub fn open(&mut self) -> Option<Vec<Candidate>> {
        self.open = true;
        self.due = None;
        Some(std::mem::take(&mut self.waiting)).filter(|held| !held.is_empty())
    }

    /// A new set of credentials is negotiated, which has candidates of its own.
    pub fn renew(&mut self) {
        self.taken = 0;
    }

    /// When [`Outgoing::take_due`] has something.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// A burst that is complete.
    pub fn take_due(&mut self, now: Instant) -> Option<Vec<Candidate>> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        Some(std::mem::take(&mut self.waiting)).filter(|burst| !burst.is_empty())
    }
}

/// The other side's candidates, until our description is there to take them.
#[derive(Debug, Default)]
pub struct Incoming {
    early: Vec<Candidate>,
    passed: usize,
}

impl Incoming {
    /// They came before the call was answered.
    pub fn keep(&mut self, candidates: Vec<Candidate>) {
        let room = MAX_CANDIDATES.saturating_sub(self.early.len());
        self.early.extend(candidates.into_iter().take(room));
    }

    /// What was kept.
    pub fn take(&mut self) -> Option<Vec<Candidate>> {
        let kept = std::mem::take(&mut self.early);
        self.pass(kept)
    }

    /// They came in time: those media gets, within the limit.
    pub fn pass(&mut self, mut candidates: Vec<Candidate>) -> Option<Vec<Candidate>> {
        candidates.truncate(MAX_CANDIDATES.saturating_sub(self.passed));
        self.passed += candidates.len();
        Some(candidates).filter(|some| !some.is_empty())
    }

    /// A new set of credentials is negotiated, which has candidates of its own.
    pub fn renew(&mut self) {
        self.passed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: usize) -> Candidate {
        Candidate {
            candidate: format!("candidate:{n}"),
            sdp_mid: "0".into(),
            sdp_m_line_index: 0,
        }
    }

    #[test]
    fn what_is_held_goes_in_one_message_and_later_bursts_in_one_each() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        for n in 0..16 {
            outgoing.put(now, candidate(n));
        }
        assert_eq!(outgoing.deadline(), None, "nobody could use them yet");
        assert_eq!(outgoing.open().map(|held| held.len()), Some(16));
        outgoing.put(now, candidate(16));
        outgoing.put(now + BURST / 2, candidate(17));
        assert_eq!(outgoing.take_due(now + BURST / 2), None);
        let burst = outgoing.take_due(now + BURST);
        assert_eq!(burst, Some(vec![candidate(16), candidate(17)]));
        assert_eq!(outgoing.deadline(), None);
    }

    #[test]
    fn candidates_by_the_thousand_are_cut_on_both_ways() {
        let now = Instant::now();
        let mut outgoing = Outgoing::default();
        let mut incoming = Incoming::default();
        for n in 0..5_000 {
            outgoing.put(now, candidate(n));
            incoming.keep(vec![candidate(n)]);
        }
        assert_eq!(outgoing.open().map(|held| held.len()), Some(MAX_CANDIDATES));
        assert_eq!(incoming.take().map(|kept| kept.len()), Some(MAX_CANDIDATES));
        assert_eq!(incoming.pass(vec![candidate(1)]), None);
    }
}
