//! When an encoder is made to produce a key frame.
//!
//! A key frame is ten times a normal one, and one packet lost on a shared link makes every
//! receiver ask at once; unbounded, the requests themselves would congest the link.

use std::time::{Duration, Instant};

/// Ordinary requests are answered at most this often.
const SPACING: Duration = Duration::from_secs(1);
/// Somebody who has no picture at all waits no longer than this behind an earlier request: enough
/// for the key frame already under way to arrive.
const URGENT_SPACING: Duration = Duration::from_millis(200);

/// Why a key frame is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::media) enum Urgency {
    /// A picture was damaged.
    Repair,
    /// There is no picture yet, and a key frame may already be on its way.
    NoPicture,
    /// A consumer joined at this moment: what was encoded before is of no use to it.
    Joined,
}

#[derive(Debug, Default)]
pub(super) struct KeyFrameGate {
    pending: Option<Urgency>,
    last_forced: Option<Instant>,
}

impl KeyFrameGate {
    /// Remembers the request; the most urgent one wins.
    pub(super) fn request(&mut self, urgency: Urgency) {
        self.pending = self.pending.max(Some(urgency));
    }

    /// Whether the next picture must be a key frame. A request that comes too early stays pending
    /// until its time: dropped, it would leave a frozen picture until somebody asks again.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let Some(urgency) = self.pending else {
            return false;
        };
        let spacing = match urgency {
            Urgency::Repair => SPACING,
            Urgency::NoPicture => URGENT_SPACING,
            Urgency::Joined => Duration::ZERO,
        };
        let due = self
            .last_forced
            .is_none_or(|last| now.saturating_duration_since(last) >= spacing);
        if due {
            self.forced(now);
        }
        due
    }

    /// A key frame is being made, for whatever reason: nobody who asked before needs another.
    pub(super) fn forced(&mut self, now: Instant) {
        self.pending = None;
        self.last_forced = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn forced_in(gate: &mut KeyFrameGate, from: Instant, frames: u32) -> u32 {
        (0..frames)
            .filter(|n| gate.take_due(from + FRAME * *n))
            .count() as u32
    }

    #[test]
    fn a_storm_of_repairs_becomes_one_key_frame_a_second() {
        let start = Instant::now();
        let mut gate = KeyFrameGate::default();
        let mut forced = 0;
        for n in 0..91 {
            gate.request(Urgency::Repair);
            forced += u32::from(gate.take_due(start + FRAME * n));
        }
        assert_eq!(forced, 3, "in three seconds");
    }

    #[test]
    fn an_early_repair_is_late_and_not_lost() {
        let start = Instant::now();
        let mut gate = KeyFrameGate::default();
        gate.request(Urgency::Joined);
        assert!(gate.take_due(start));
        gate.request(Urgency::Repair);
        assert!(!gate.take_due(start + FRAME));
        assert_eq!(forced_in(&mut gate, start + FRAME, 60), 1);
    }

    #[test]
    fn a_joining_consumer_never_waits() {
        let start = Instant::now();
        let mut gate = KeyFrameGate::default();
        gate.request(Urgency::Repair);
        assert!(gate.take_due(start));
        gate.request(Urgency::Joined);
        assert!(gate.take_due(start + FRAME));
    }

    #[test]
    fn without_a_picture_the_wait_is_short() {
        let start = Instant::now();
        let mut gate = KeyFrameGate::default();
        gate.request(Urgency::Joined);
        assert!(gate.take_due(start));
        gate.request(Urgency::NoPicture);
        assert!(!gate.take_due(start + FRAME));
        assert!(gate.take_due(start + URGENT_SPACING));
    }

    #[test]
    fn nothing_is_forced_unasked() {
        let start = Instant::now();
        assert_eq!(forced_in(&mut KeyFrameGate::default(), start, 300), 0);
    }
}
