//! How many stored messages may be under way at once, sans-IO.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::store::Queued;

/// Messages sent and not yet acknowledged, at most. Enough that a fast server is never idle while
/// an acknowledgement makes its way through the stores of both sides.
const WINDOW: u32 = 128;
/// Text under way, bytes, from which on nothing more is read. Small enough that a slow line answers
/// within the patience of `liveness`.
const WINDOW_BYTES: usize = 32 << 10;
/// Messages read from the store at once.
const PIECE: u32 = 32;
/// The bounds of the pause before a message is tried again that the server wanted later.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// Which messages of the store are under way on the present stream. A new stream begins
/// with a new one, and so with the oldest message still waiting.
#[derive(Debug)]
pub(super) struct Outbox {
    sent_up_to: i64,
    // Bytes of each message under way, in the order of sending, which is that of acknowledgement.
    in_flight: VecDeque<usize>,
    bytes: usize,
    is_exhausted: bool,
    // When to try again what the server wants later.
    retry_at: Option<Instant>,
    retries: Backoff,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            sent_up_to: i64::MIN,
            in_flight: VecDeque::new(),
            bytes: 0,
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
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let has_room = in_flight <= WINDOW / 2 && self.bytes < WINDOW_BYTES;
        let limit = PIECE.min(WINDOW.saturating_sub(in_flight));
        (!self.is_exhausted && has_room).then_some((self.sent_up_to, limit))
    }

    /// These were read after [`Outbox::wants`] and are being sent.
    pub(super) fn taken(&mut self, queued: &[Queued], limit: u32) {
        if let Some(last) = queued.last() {
            self.sent_up_to = last.seq;
        }
        for queued in queued {
            self.bytes += queued.message.body.len();
            self.in_flight.push_back(queued.message.body.len());
        }
        self.is_exhausted = queued.len() < limit as usize;
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
        self.in_flight.is_empty() && self.retry_at.is_some_and(|at| at <= now)
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
        let count = count.min(self.in_flight.len());
        self.bytes -= self.in_flight.drain(..count).sum::<usize>();
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
    fn a_long_queue_is_read_in_pieces_until_the_window_is_full() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        let mut next = 1;
        while let Some((after, limit)) = outbox.wants(now) {
            assert_eq!(
                (after, limit),
                (if next == 1 { i64::MIN } else { next - 1 }, PIECE)
            );
            outbox.taken(&queued(next..next + 32), limit);
            next += 32;
        }
        assert_eq!(next, 97);
        outbox.settled(31);
        assert_eq!(outbox.wants(now), None);
        outbox.settled(1);
        assert_eq!(outbox.wants(now), Some((96, PIECE)));
    }

    #[test]
    fn long_messages_fill_the_window_by_their_bytes() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        let mut long = queued(1..3);
        long[0].message.body = "x".repeat(WINDOW_BYTES);
        outbox.taken(&long, 2);
        assert_eq!(outbox.wants(now), None);
        outbox.settled(1);
        assert_eq!(outbox.wants(now), Some((2, PIECE)));
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
