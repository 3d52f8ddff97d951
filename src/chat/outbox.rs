//! How many stored messages may be under way at once, sans-IO.

use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::store::Queued;

/// Messages sent and not yet acknowledged, at most. Small enough that a slow line answers within
/// the patience of `liveness`.
const WINDOW: u32 = 32;
/// The bounds of the pause before a message is tried again that the server wanted later.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// Which messages of the store are under way on the present stream. A new stream begins
/// with a new one, and so with the oldest message still waiting.
#[derive(Debug)]
pub(super) struct Outbox {
    sent_up_to: i64,
    in_flight: u32,
    is_exhausted: bool,
    // When to try again what the server wants later.
    retry_at: Option<Instant>,
    retries: Backoff,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            sent_up_to: i64::MIN,
            in_flight: 0,
            is_exhausted: false,
            retry_at: None,
            retries: Backoff::new(RETRY_FIRST, RETRY_LONGEST)
                .unwrap_or_else(|_| Backoff::standard()),
        }
    }
}

impl Outbox {
    /// Behind which place to read on, and how many messages at most; `None` while there is
    /// nothing to do. Waits for half the window, so that a long queue is read in pieces.
    pub(super) fn wants(&self, now: Instant) -> Option<(i64, u32)> {
        if self.retry_at.is_some_and(|at| at <= now) {
            // The line is emptied first, so that reading from the start repeats nothing.
            return None;
        }
        let is_due = !self.is_exhausted && self.in_flight <= WINDOW / 2;
        is_due.then(|| (self.sent_up_to, WINDOW - self.in_flight))
    }

    /// These were read after [`Outbox::wants`] and are being sent.
    pub(super) fn taken(&mut self, queued: &[Queued], limit: u32) {
        if let Some(last) = queued.last() {
            self.sent_up_to = last.seq;
        }
        let count = u32::try_from(queued.len()).unwrap_or(u32::MAX);
        self.in_flight = self.in_flight.saturating_add(count);
        self.is_exhausted = count < limit;
    }

    /// The server wants one of the messages later.
    pub(super) fn put_off(&mut self, now: Instant) {
        if self.retry_at.is_none() {
            self.retry_at = Some(now + self.retries.next_delay());
        }
    }

    /// When [`Outbox::is_retry_due`] may become true.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether what was put off is to be tried again now.
    pub(super) fn is_retry_due(&self, now: Instant) -> bool {
        self.in_flight == 0 && self.retry_at.is_some_and(|at| at <= now)
    }

    /// What was put off waits again: everything is read from the start.
    pub(super) fn retries(&mut self) {
        self.retry_at = None;
        self.sent_up_to = i64::MIN;
        self.is_exhausted = false;
    }

    /// A message was queued meanwhile.
    pub(super) fn nudged(&mut self) {
        self.is_exhausted = false;
    }

    /// So many are no longer under way.
    pub(super) fn settled(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.in_flight = self.in_flight.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chat_message::{OutgoingMessage, Target};

    fn queued(seqs: std::ops::Range<i64>) -> Vec<Queued> {
        seqs.map(|seq| Queued {
            seq,
            message: OutgoingMessage {
                id: seq.to_string(),
                target: Target::User(1),
                body: String::new(),
                dialog_id: None,
                date_sent: 0,
                custom: Vec::new(),
                ..OutgoingMessage::default()
            },
        })
        .collect()
    }

    #[test]
    fn a_long_queue_is_read_in_pieces_of_half_a_window() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.wants(Instant::now()), Some((i64::MIN, 32)));
        outbox.taken(&queued(1..33), 32);
        assert_eq!(outbox.wants(Instant::now()), None);
        outbox.settled(15);
        assert_eq!(outbox.wants(Instant::now()), None);
        outbox.settled(1);
        assert_eq!(outbox.wants(Instant::now()), Some((32, 16)));
    }

    #[test]
    fn an_exhausted_queue_is_read_again_only_after_a_nudge() {
        let mut outbox = Outbox::default();
        outbox.taken(&queued(1..3), 32);
        outbox.settled(2);
        assert_eq!(outbox.wants(Instant::now()), None);
        outbox.nudged();
        assert_eq!(outbox.wants(Instant::now()), Some((2, 32)));
    }

    #[test]
    fn what_was_put_off_is_read_again_once_the_line_is_empty() {
        let start = Instant::now();
        let late = start + RETRY_FIRST;
        let mut outbox = Outbox::default();
        outbox.taken(&queued(1..4), 32);
        outbox.put_off(start);
        outbox.settled(2);
        assert!(!outbox.is_retry_due(late), "one is still under way");
        outbox.nudged();
        assert_eq!(outbox.wants(late), None);
        outbox.settled(1);
        assert!(outbox.is_retry_due(late));
        outbox.retries();
        assert_eq!(outbox.wants(late), Some((i64::MIN, 32)));
    }
}
