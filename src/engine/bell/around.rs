//! What the plan asks about the world: schedules, quiet, presence.

use std::time::Duration;

use crate::call::ring_plan::{Circumstances, Condition};
use crate::engine::event::unix_ms as now_ms;
use crate::engine::live::find;
use crate::engine::wiring::Wiring;
use crate::protocol::address::UserId;

/// The world at one moment.
pub(super) struct Around<'w> {
    wiring: &'w Wiring,
    now_ms: u64,
}

impl<'w> Around<'w> {
    pub(super) fn new(wiring: &'w Wiring) -> Self {
        Self {
            wiring,
            now_ms: now_ms(),
        }
    }
}

impl Circumstances for Around<'_> {
    fn is_quiet(&self, user: UserId) -> bool {
        let is_asked_for = self
            .wiring
            .live
            .read(|live| live.is_quiet(user, self.now_ms));
        is_asked_for
            || self.wiring.config.calls.quiet.iter().any(|quiet| {
                self.wiring.roster.includes(&quiet.who, user)
                    && find(self.wiring, &quiet.schedule)
                        .is_some_and(|schedule| schedule.holds(self.now_ms))
            })
    }

    fn is_offline(&self, user: UserId) -> bool {
        self.wiring.config.calls.skip_offline && self.wiring.presence.is_offline(user)
    }

    fn holds(&self, condition: &Condition) -> bool {
        let holds = find(self.wiring, &condition.schedule)
            .is_some_and(|schedule| schedule.holds(self.now_ms));
        holds != condition.is_negated
    }
}

/// How long until the clock changes anything the plan or the state shows.
pub(super) fn next_change(wiring: &Wiring) -> Option<Duration> {
    let now = now_ms();
    let quiet = wiring.config.calls.quiet.iter().filter_map(|quiet| {
        find(wiring, &quiet.schedule).and_then(|schedule| schedule.next_change(now))
    });
    let next = quiet.chain(wiring.live.next_change(wiring, now)).min()?;
    Some(Duration::from_millis(next.saturating_sub(now)))
}
