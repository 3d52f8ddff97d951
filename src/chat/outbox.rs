//! How many stored messages may be under way at once, sans-IO.

use crate::store::Queued;

/// Messages sent and not yet acknowledged, at most. Small enough that a slow line answers within
/// the patience of `liveness`.
const WINDOW: u32 = 32;

/// Which messages of the store are under way on the present connection. A new connection begins
/// with a new one, and so with the oldest message still waiting.
#[derive(Debug)]
pub(super) struct Outbox {
    sent_up_to: i64,
    in_flight: u32,
    is_exhausted: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            sent_up_to: i64::MIN,
            in_flight: 0,
            is_exhausted: false,
        }
    }

    /// Behind which place to read on, and how many messages at most; `None` while there is
    /// nothing to do. Waits for half the window, so that a long queue is read in pieces.
    pub(super) fn wants(&self) -> Option<(i64, u32)> {
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
            },
        })
        .collect()
    }

    #[test]
    fn a_long_queue_is_read_in_pieces_of_half_a_window() {
        let mut outbox = Outbox::new();
        assert_eq!(outbox.wants(), Some((i64::MIN, 32)));
        outbox.taken(&queued(1..33), 32);
        assert_eq!(outbox.wants(), None);
        outbox.settled(15);
        assert_eq!(outbox.wants(), None);
        outbox.settled(1);
        assert_eq!(outbox.wants(), Some((32, 16)));
    }

    #[test]
    fn an_exhausted_queue_is_read_again_only_after_a_nudge() {
        let mut outbox = Outbox::new();
        outbox.taken(&queued(1..3), 32);
        outbox.settled(2);
        assert_eq!(outbox.wants(), None);
        outbox.nudged();
        assert_eq!(outbox.wants(), Some((2, 32)));
    }
}
