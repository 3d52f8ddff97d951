//! What was written to a peer and is not acknowledged (XEP-0198, wire reference A.5).

use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use tokio::time::Instant;

use crate::protocol::ns;
use crate::protocol::stream_management::{AckError, Outbound, counts};

/// A stanza, or another element, on its way to one connection.
#[derive(Clone)]
pub struct Queued {
    /// It.
    pub element: Arc<Element>,
    /// Its place if it is a message that must arrive.
    pub seq: Option<i64>,
    /// Roughly its bytes.
    pub weight: usize,
    /// When a stanza was queued that is worse than nothing when it comes late.
    pub perishable_since: Option<Instant>,
}

/// After this time a call signal is not delivered any more; callers repeat theirs every 5 s
/// (wire reference C.2).
const SIGNAL_LIFE: Duration = Duration::from_secs(10);

impl Queued {
    /// Whether it would come too late at `now`.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.perishable_since
            .is_some_and(|since| now.saturating_duration_since(since) > SIGNAL_LIFE)
    }
}

/// Stanzas sent before an acknowledgement is asked for, unless a message is among them.
const ASK_EVERY: usize = 20;

struct Sent {
    seq: Option<i64>,
    // Kept only where it may have to be sent again.
    again: Option<Queued>,
}

/// The sending side of one peer.
#[derive(Default)]
pub struct Sending {
    counted: Option<Counted>,
}

struct Counted {
    sent: Outbound<Sent>,
    messages: usize,
    is_resumable: bool,
    // Until `<enabled/>` is out, what is sent counts for neither side.
    is_announced: bool,
}

impl Sending {
    /// The peer enabled stream management.
    pub fn enable(&mut self, is_resumable: bool) {
        self.counted = Some(Counted {
            sent: Outbound::default(),
            messages: 0,
            is_resumable,
            is_announced: false,
        });
    }

    /// Whether the peer acknowledges what it gets.
    pub fn is_enabled(&self) -> bool {
        self.counted.is_some()
    }

    /// Whether the stream can be resumed.
    pub fn is_resumable(&self) -> bool {
        self.counted.as_ref().is_some_and(|all| all.is_resumable)
    }

    /// How many stanzas await acknowledgement.
    pub fn outstanding(&self) -> usize {
        self.counted
            .as_ref()
            .map_or(0, |all| all.sent.outstanding())
    }

    /// What would be sent again after a resumption, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Queued> {
        let sent = self.counted.iter().flat_map(|all| all.sent.iter());
        sent.filter_map(|sent| sent.again.as_ref())
    }

    /// Counts what is about to be written. Returns the places of messages of which no
    /// acknowledgement will come: having written them must do.
    pub fn note(&mut self, batch: &[Queued]) -> Vec<i64> {
        let mut uncounted = Vec::new();
        for queued in batch {
            match &mut self.counted {
                Some(all) if all.is_announced && counts(&queued.element) => {
                    all.messages += usize::from(queued.seq.is_some());
                    all.sent.sent(Sent {
                        seq: queued.seq,
                        again: all.is_resumable.then(|| queued.clone()),
                    });
                }
                Some(all) => {
                    all.is_announced |= queued.element.is("enabled", ns::SM);
                    uncounted.extend(queued.seq);
                }
                None => uncounted.extend(queued.seq),
            }
        }
        uncounted
    }

    /// Whether to ask for an acknowledgement now, and notes that it is asked for.
    pub fn asks(&mut self) -> bool {
        let Some(all) = &mut self.counted else {
            return false;
        };
        let every = if all.messages > 0 { 1 } else { ASK_EVERY };
        let is_due = all.sent.is_request_due(every);
        if is_due {
            all.sent.requested();
        }
        is_due
    }

    /// Takes an acknowledgement and returns the places of the messages that have arrived. A peer
    /// that claims more than it was sent counts in its own way: from then on, writing must do.
    pub fn acknowledge(&mut self, handled: u32) -> (Vec<i64>, Option<AckError>) {
        let Some(all) = &mut self.counted else {
            return (Vec::new(), None);
        };
        match all.sent.acknowledge(handled) {
            Ok(sent) => {
                let seqs: Vec<i64> = sent.into_iter().filter_map(|sent| sent.seq).collect();
                all.messages -= seqs.len();
                (seqs, None)
            }
            Err(error) => (self.give_up(), Some(error)),
        }
    }

    /// Counts no more, and returns the places of all messages that were written.
    pub fn give_up(&mut self) -> Vec<i64> {
        let counted = self.counted.take();
        let sent = counted.map(|all| all.sent.into_unacknowledged());
        let sent = sent.into_iter().flatten();
        sent.filter_map(|sent| sent.seq).collect()
    }

    /// The peer has resumed the stream. Returns the places of the messages that have arrived, and
    /// what has to be sent again, oldest first.
    ///
    /// # Errors
    /// [`AckError`]; nothing has changed then.
    pub fn resume(&mut self, handled: u32) -> Result<(Vec<i64>, Vec<Queued>), AckError> {
        let Some(all) = &mut self.counted else {
            return Ok((Vec::new(), Vec::new()));
        };
        let arrived = all.sent.resume(handled)?;
        let arrived = arrived.into_iter().filter_map(|sent| sent.seq).collect();
        let again = all.sent.take_unacknowledged();
        all.messages = 0;
        Ok((
            arrived,
            again.into_iter().filter_map(|sent| sent.again).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(xml: &str, seq: Option<i64>) -> Queued {
        let element: Element = xml.parse().unwrap();
        Queued {
            element: Arc::new(element),
            seq,
            weight: 1,
            perishable_since: None,
        }
    }

    fn message(seq: i64) -> Queued {
        queued("<message xmlns='jabber:client'/>", Some(seq))
    }

    fn enabled() -> Queued {
        queued("<enabled xmlns='urn:xmpp:sm:3'/>", None)
    }

    #[test]
    fn without_stream_management_writing_must_do() {
        let mut sending = Sending::default();
        assert_eq!(sending.note(&[message(1), message(2)]), [1, 2]);
        assert!(!sending.asks());
    }

    #[test]
    fn counting_begins_behind_enabled_and_a_message_is_asked_about_at_once() {
        let mut sending = Sending::default();
        sending.enable(false);
        assert_eq!(sending.note(&[message(1), enabled(), message(2)]), [1]);
        assert!(sending.asks());
        assert!(!sending.asks());
        assert_eq!(sending.acknowledge(1), (vec![2], None));
    }

    #[test]
    fn a_peer_that_counts_in_its_own_way_is_not_relied_on() {
        let mut sending = Sending::default();
        sending.enable(false);
        sending.note(&[enabled(), message(1), message(2)]);
        let (arrived, error) = sending.acknowledge(9);
        assert_eq!(arrived, [1, 2]);
        assert!(error.is_some() && !sending.is_enabled());
    }

    #[test]
    fn what_is_resumed_is_sent_again_in_order_and_counted_anew() {
        let mut sending = Sending::default();
        sending.enable(true);
        sending.note(&[enabled(), message(1), message(2), message(3)]);
        let (arrived, again) = sending.resume(1).unwrap();
        assert_eq!(arrived, [1]);
        let seqs: Vec<_> = again.iter().filter_map(|queued| queued.seq).collect();
        assert_eq!((seqs, sending.outstanding()), (vec![2, 3], 0));
        sending.note(&again);
        assert_eq!(sending.acknowledge(3), (vec![2, 3], None));
    }
}
