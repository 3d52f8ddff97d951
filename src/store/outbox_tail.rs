//! The newest messages of the outbox in memory, so that a device that is connected sends what it
//! has just stored without reading it back. Sans-IO.

use std::collections::VecDeque;

use super::outbox::Queued;

/// Messages held at most.
const MAX_MESSAGES: usize = 256;
/// Bytes of their texts, at most.
const MAX_BYTES: usize = 256 << 10;

/// Every waiting message behind a certain place, in order. What does not fit is in the database
/// all the same.
#[derive(Debug)]
pub(super) struct OutboxTail {
    queued: VecDeque<Queued>,
    bytes: usize,
    // Everything behind this place is in `queued`; unknown before the first message.
    complete_after: Option<i64>,
    // Some messages must wait behind one that is to be tried again later; only the database
    // knows which. So it may be after the end of an earlier process.
    is_held_up: bool,
}

impl Default for OutboxTail {
    fn default() -> Self {
        Self {
            queued: VecDeque::new(),
            bytes: 0,
            complete_after: None,
            is_held_up: true,
        }
    }
}

impl OutboxTail {
    /// A message was stored. Called in the order of places.
    pub(super) fn push(&mut self, queued: Queued) {
        self.complete_after.get_or_insert(queued.seq - 1);
        self.bytes += queued.message.body.len();
        self.queued.push_back(queued);
        while self.queued.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Queued> {
        let first = self.queued.pop_front()?;
        self.bytes -= first.message.body.len();
        self.complete_after = Some(first.seq);
        Some(first)
    }

    /// Whether a message is to be tried again later.
    pub(super) fn set_held_up(&mut self, is_held_up: bool) {
        self.is_held_up = is_held_up;
    }

    /// Takes out the oldest `limit` messages behind `seq`; nothing if they have to be read from
    /// the database.
    pub(super) fn take_after(&mut self, seq: i64, limit: usize) -> Option<Vec<Queued>> {
        if self.is_held_up || self.complete_after.is_none_or(|complete| seq < complete) {
            return None;
        }
        while self.queued.front().is_some_and(|first| first.seq <= seq) {
            self.pop();
        }
        let count = limit.min(self.queued.len());
        Some((0..count).filter_map(|_| self.pop()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chat_message::OutgoingMessage;

    fn queued(seq: i64, body: &str) -> Queued {
        Queued {
            seq,
            message: OutgoingMessage {
                body: body.into(),
                ..OutgoingMessage::default()
            },
        }
    }

    fn tail(seqs: std::ops::RangeInclusive<i64>) -> OutboxTail {
        let mut tail = OutboxTail::default();
        tail.set_held_up(false);
        for seq in seqs {
            tail.push(queued(seq, "x"));
        }
        tail
    }

    fn seqs(taken: Option<Vec<Queued>>) -> Option<Vec<i64>> {
        taken.map(|taken| taken.iter().map(|queued| queued.seq).collect())
    }

    #[test]
    fn whoever_has_sent_everything_before_gets_the_new_ones_once_in_order() {
        let mut tail = tail(5..=8);
        assert_eq!(seqs(tail.take_after(4, 2)), Some(vec![5, 6]));
        assert_eq!(seqs(tail.take_after(7, 9)), Some(vec![8]));
        assert_eq!(seqs(tail.take_after(8, 9)), Some(vec![]));
        tail.push(queued(9, "x"));
        assert_eq!(seqs(tail.take_after(8, 9)), Some(vec![9]));
        assert_eq!(tail.bytes, 0);
    }

    #[test]
    fn whoever_is_further_behind_reads_the_database() {
        let mut tail = tail(5..=8);
        assert_eq!(tail.take_after(3, 9), None);
        tail.take_after(4, 2);
        assert_eq!(tail.take_after(5, 9), None, "6 was given out");
        assert_eq!(OutboxTail::default().take_after(0, 9), None);
    }

    #[test]
    fn nothing_passes_by_a_message_that_is_to_be_tried_again_later() {
        let mut tail = tail(5..=8);
        tail.set_held_up(true);
        assert_eq!(tail.take_after(4, 9), None);
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_database() {
        let most = MAX_MESSAGES as i64;
        let mut tail = tail(1..=most + 3);
        assert_eq!(tail.take_after(2, 1), None);
        assert_eq!(seqs(tail.take_after(3, 1)), Some(vec![4]));
        let long = "x".repeat(MAX_BYTES + 1);
        tail.push(queued(most + 4, &long));
        assert_eq!((tail.queued.len(), tail.bytes), (0, 0));
        assert_eq!(seqs(tail.take_after(most + 4, 1)), Some(vec![]));
    }
}
