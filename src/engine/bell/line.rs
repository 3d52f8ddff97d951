//! The connection a ring goes out by.

use std::time::{Duration, Instant};

use crate::engine::board::Board;
use crate::engine::state::ChatStatus;

/// How long one press waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// For how long it counts as being made, rather than as down. Made again after a crash it takes 2 to
/// 4 s.
const FRESH: Duration = Duration::from_secs(6);

/// Since when it is down, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    down_since: Option<Instant>,
}

impl Line {
    /// One that went down at `now`, or is made for the first time.
    pub fn down(now: Instant) -> Self {
        Self {
            down_since: Some(now),
        }
    }

    /// Hears whether it is up at `now`.
    pub fn heard(&mut self, is_up: bool, now: Instant) {
        self.down_since = match is_up {
            true => None,
            false => self.down_since.or(Some(now)),
        };
    }

    /// How long a press at `now` waits for it, should it be down. One that is down for longer than
    /// [`FRESH`] is not waited for: who pressed is told at once.
    pub fn patience(self, now: Instant) -> Duration {
        // One that was up a moment ago may have gone down since.
        let down_since = self.down_since.unwrap_or(now);
        let left = (down_since + FRESH).saturating_duration_since(now);
        left.min(PATIENCE)
    }
}

/// Waits while the connection is being made: right after a start, after the network changed, or
/// when a part of this program comes back.
/// Who pressed stands at the door and would have to know to press once more. One that is not made
/// in time, or is refused, is the ring's own trouble.
pub(super) async fn up(board: &Board, patience: Duration) {
    let mut states = board.watch();
    let settled = states.wait_for(|state| {
        matches!(
            state.chat.status,
            ChatStatus::Online | ChatStatus::Refused | ChatStatus::Displaced
        )
    });
    // Late or over: the ring finds out by itself.
    let _ = tokio::time::timeout(patience, settled).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_press_waits_for_a_connection_that_is_being_made() {
        let start = Instant::now();
        let mut line = Line::down(start);
        assert_eq!(line.patience(start), PATIENCE);
        assert_eq!(line.patience(start + seconds(5)), seconds(1));
        line.heard(true, start + seconds(60));
        assert_eq!(line.patience(start + seconds(90)), PATIENCE);
        line.heard(false, start + seconds(100));
        assert_eq!(line.patience(start + seconds(101)), PATIENCE);
    }

    #[test]
    fn a_press_in_a_long_outage_is_told_at_once() {
        let start = Instant::now();
        let mut line = Line::down(start);
        line.heard(false, start + seconds(5));
        assert_eq!(line.patience(start + seconds(7)), Duration::ZERO);
        line.heard(true, start + seconds(60));
        line.heard(false, start + seconds(100));
        assert_eq!(line.patience(start + seconds(107)), Duration::ZERO);
    }
}
