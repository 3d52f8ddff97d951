//! When an ICE restart is begun, and how often (PC-10, PC-64; wire reference C.3).
//!
//! Only the side that made the original offer may begin one: the vendor's SDK cannot answer it
//! on the other side. That side can ask for it, which only a device like us understands.

use std::time::{Duration, Instant};

/// A path that is gone for a moment often comes back by itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first repetition; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(4);
/// Restarts, or requests for one, in one interruption.
const MOST: u32 = 4;

/// The restarts of one leg.
#[derive(Debug, Default)]
pub struct Restart {
    due: Option<Instant>,
    tries: u32,
    /// Our restart's answer is awaited.
    pending: bool,
    /// Not before this time, unless the path is gone: a member of a group that accepted lately
    /// takes a connection that is just being negotiated for one that was never answered.
    guarded_until: Option<Instant>,
}

impl Restart {
    /// No restart of a working path before `until`.
    pub fn guard(&mut self, until: Instant) {
        self.guarded_until = Some(until);
    }

    /// The path is gone, perhaps for a moment.
    pub fn interrupted(&mut self, now: Instant) {
        if self.tries < MOST {
            self.due.get_or_insert(now + PATIENCE);
        }
    }

    /// The path is gone for good.
    pub fn failed(&mut self, now: Instant) {
        if self.tries == 0 {
            self.due = Some(now);
        } else {
            self.interrupted(now);
        }
    }

    /// A working or interrupted path is to be renewed.
    pub fn wanted(&mut self, now: Instant, is_interrupted: bool) {
        if self.pending || self.tries >= MOST {
            return;
        }
        let at = match self.guarded_until {
            Some(until) if !is_interrupted => until.max(now),
            _ => now,
        };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Media flows.
    pub fn healed(&mut self) {
        self.tries = 0;
        self.due = None;
    }

    /// The answer to our restart is here. Whether one was awaited.
    pub fn answered(&mut self) -> bool {
        std::mem::take(&mut self.pending)
    }

    /// When [`Restart::take_due`] wants to be asked.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether to begin one, or to ask for it, now.
    pub fn take_due(&mut self, now: Instant, is_interrupted: bool, offers: bool) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.pending = offers;
        self.due = None;
        if is_interrupted {
            let again = FIRST_RETRY * 2_u32.pow(self.tries);
            self.tries += 1;
            self.due = (self.tries < MOST).then(|| now + again);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When restarts are begun from `now` on, in seconds.
    fn begun(restart: &mut Restart, start: Instant) -> Vec<u64> {
        let mut at = Vec::new();
        while let Some(due) = restart.deadline() {
            assert!(restart.take_due(due, true, true));
            at.push(due.duration_since(start).as_secs());
        }
        at
    }

    #[test]
    fn an_interruption_gets_two_seconds_and_then_four_tries_further_and_further_apart() {
        let now = Instant::now();
        let mut restart = Restart::default();
        restart.interrupted(now);
        assert_eq!(begun(&mut restart, now), [2, 6, 14, 30]);
        restart.interrupted(now);
        assert_eq!(restart.deadline(), None, "the tries are used up");
        restart.healed();
        restart.failed(now);
        assert_eq!(
            restart.deadline(),
            Some(now),
            "no patience with what failed"
        );
    }

    #[test]
    fn what_heals_by_itself_is_left_alone() {
        let now = Instant::now();
        let mut restart = Restart::default();
        restart.interrupted(now);
        restart.healed();
        assert_eq!(restart.deadline(), None);
    }

    #[test]
    fn a_working_path_of_a_young_group_call_is_renewed_only_when_the_guard_is_over() {
        let now = Instant::now();
        let mut restart = Restart::default();
        restart.guard(now + 60 * SECOND);
        restart.wanted(now, false);
        assert_eq!(restart.deadline(), Some(now + 60 * SECOND));
        restart.wanted(now + SECOND, true);
        assert_eq!(restart.deadline(), Some(now + SECOND), "nothing to lose");
    }

    #[test]
    fn an_answer_nobody_awaits_is_told_apart() {
        let now = Instant::now();
        let mut restart = Restart::default();
        assert!(!restart.answered());
        restart.failed(now);
        restart.take_due(now, true, true);
        assert!(restart.answered());
        assert!(!restart.answered(), "a duplicate");
    }
}
