//! How often a caller was refused: the first time is told, the rest is counted, and one who does
//! not stop is not answered any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::protocol::address::UserId;

/// Refusals of one caller are told of once in this time.
pub const WINDOW: Duration = Duration::from_secs(60);
/// So many refusals in that time are answered.
const ANSWERED: u32 = 5;
/// Callers remembered; beyond it the one quiet for longest is forgotten.
const CALLERS_MAX: usize = 256;

/// What was refused lately.
#[derive(Clone, Debug, Default)]
pub struct Refusals(BTreeMap<UserId, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    refused: u32,
}

impl Refusals {
    /// Whether this caller is refused so often that no answer is due.
    pub fn is_flood(&self, now: Instant, caller: UserId) -> bool {
        self.0.get(&caller).is_some_and(|count| {
            now.duration_since(count.since) < WINDOW && count.refused >= ANSWERED
        })
    }

    /// Notes a refusal. If it is to be told, how many went untold since the last that was.
    pub fn refused(&mut self, now: Instant, caller: UserId) -> Option<u32> {
        if let Some(count) = self.0.get_mut(&caller)
            && now.duration_since(count.since) < WINDOW
        {
            count.refused = count.refused.saturating_add(1);
            return None;
        }
        if self.0.len() >= CALLERS_MAX && !self.0.contains_key(&caller) {
            let oldest = self.0.iter().min_by_key(|(_, count)| count.since);
            if let Some(oldest) = oldest.map(|(caller, _)| *caller) {
                self.0.remove(&oldest);
            }
        }
        let count = Count {
            since: now,
            refused: 1,
        };
        let before = self.0.insert(caller, count);
        Some(before.map_or(0, |count| count.refused - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_told_and_the_rest_is_counted_until_the_next() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        assert_eq!(refusals.refused(start, 1), Some(0));
        for second in 1..20 {
            let now = start + Duration::from_secs(second);
            assert_eq!(refusals.refused(now, 1), None);
        }
        assert_eq!(refusals.refused(start, 2), Some(0));
        assert_eq!(refusals.refused(start + WINDOW, 1), Some(19));
    }

    #[test]
    fn who_does_not_stop_is_not_answered_until_the_time_is_over() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for _ in 0..ANSWERED {
            assert!(!refusals.is_flood(start, 1));
            refusals.refused(start, 1);
        }
        assert!(refusals.is_flood(start, 1));
        assert!(!refusals.is_flood(start, 2));
        assert!(!refusals.is_flood(start + WINDOW, 1));
    }

    #[test]
    fn callers_by_the_thousand_are_not_all_remembered() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for caller in 0..10_000 {
            refusals.refused(start + Duration::from_millis(caller), caller);
        }
        assert_eq!(refusals.0.len(), CALLERS_MAX);
        assert!(refusals.0.contains_key(&9_999));
    }
}
