//! What outlives a connection so that its stream can be resumed (XEP-0198 §5), sans-IO.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use minidom::Element;

use crate::protocol::address::UserId;
use crate::protocol::stream_management::{AckError, Inbound, Nonza, Outbound, counts};

/// A call signal older than this when the stream is resumed is dropped. The caller repeats its
/// invitation every 5 s, so a younger one still belongs to a call that is going on; an older one
/// would ring a call long over, or hang up the next.
const SIGNAL_LIFE: Duration = Duration::from_secs(5);
/// Resumptions in a row that brought nothing forward before the stream is given up. A stanza that
/// breaks the stream comes again with every resumption, and would do so forever.
pub(super) const MAX_FRUITLESS: u32 = 3;

/// What an element is for, which decides what becomes of it after a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Stream management itself: belongs to one connection.
    Management,
    /// Our initial presence: once acknowledged, others reach us.
    Presence,
    /// A message of the outbox, by id: kept until acknowledged.
    Message(String),
    /// A delivery or read marker: worth sending late, also on a new stream.
    Marker,
    /// A call signal or system message: worthless soon.
    Signal,
    /// Answers, questions, typing: worth sending on a resumed stream alone.
    Other,
}

/// An element on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) element: Element,
    pub(super) purpose: Purpose,
    pub(super) since: Instant,
}

impl Outgoing {
    fn is_stale(&self, now: Instant) -> bool {
        self.purpose == Purpose::Signal && now.saturating_duration_since(self.since) > SIGNAL_LIFE
    }
}

/// How the server lets us resume.
#[derive(Clone, Debug)]
pub(super) struct Resumption {
    /// The stream's name.
    pub(super) id: String,
    /// For how long after a cut.
    pub(super) lasts: Duration,
}

/// A stream whose connection was cut.
#[derive(Debug)]
pub(super) struct Suspended {
    pub(super) user: UserId,
    pub(super) jid: String,
    pub(super) resumption: Resumption,
    /// Until when the server keeps it.
    pub(super) until: Instant,
    pub(super) sent: Outbound<Outgoing>,
    pub(super) received: Inbound,
    /// Not written before the cut.
    pub(super) unwritten: VecDeque<Outgoing>,
    pub(super) is_online: bool,
    pub(super) fruitless: u32,
}

/// A stream that goes on over a new connection.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) resumption: Resumption,
    pub(super) sent: Outbound<Outgoing>,
    pub(super) received: Inbound,
    /// What to write first: what the server has not, then what was not written at all.
    pub(super) outgoing: VecDeque<Outgoing>,
    /// What the server has after all.
    pub(super) acknowledged: Vec<Outgoing>,
    pub(super) is_online: bool,
    pub(super) fruitless: u32,
}

impl Suspended {
    /// Whether asking for it makes sense.
    pub(super) fn is_resumable(&self, user: UserId, now: Instant) -> bool {
        self.user == user && now < self.until && self.fruitless < MAX_FRUITLESS
    }

    /// The question.
    pub(super) fn request(&self) -> Element {
        Nonza::Resume {
            previous: self.resumption.id.clone(),
            handled: self.received.handled(),
        }
        .to_element()
    }

    /// The server resumes it and has handled so many of our stanzas.
    pub(super) fn resume(mut self, handled: u32, now: Instant) -> Result<Resumed, AckError> {
        let acknowledged = self.sent.resume(handled)?;
        let mut outgoing = self.sent.take_unacknowledged();
        outgoing.extend(self.unwritten);
        outgoing.retain(|outgoing| !outgoing.is_stale(now));
        Ok(Resumed {
            resumption: self.resumption,
            sent: self.sent,
            received: self.received,
            fruitless: if acknowledged.is_empty() {
                self.fruitless
            } else {
                0
            },
            outgoing,
            acknowledged,
            is_online: self.is_online,
        })
    }

    /// The server does not resume it but may still know how many of our stanzas it has handled.
    /// Gives the messages acknowledged by that, and what to send on the new stream. Messages not
    /// acknowledged are not among it: the outbox holds them.
    pub(super) fn salvage(
        mut self,
        handled: Option<u32>,
        now: Instant,
    ) -> (Vec<String>, Vec<Outgoing>) {
        let acknowledged = handled
            .and_then(|handled| self.sent.resume(handled).ok())
            .unwrap_or_default();
        let messages = acknowledged
            .into_iter()
            .filter_map(|sent| match sent.purpose {
                Purpose::Message(id) => Some(id),
                _ => None,
            });
        let left = self.sent.take_unacknowledged().into_iter();
        let left = left.chain(self.unwritten).filter(|outgoing| {
            matches!(outgoing.purpose, Purpose::Marker | Purpose::Signal) && !outgoing.is_stale(now)
        });
        (messages.collect(), left.collect())
    }
}

/// What of `outgoing` belongs to the stream and not to the connection.
pub(super) fn stanzas(outgoing: VecDeque<Outgoing>) -> VecDeque<Outgoing> {
    let is_stanza = |outgoing: &Outgoing| counts(&outgoing.element);
    outgoing.into_iter().filter(is_stanza).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ns;

    fn outgoing(purpose: Purpose, since: Instant) -> Outgoing {
        Outgoing {
            element: Element::bare("message", ns::CLIENT),
            purpose,
            since,
        }
    }

    fn message(id: &str, since: Instant) -> Outgoing {
        outgoing(Purpose::Message(id.into()), since)
    }

    fn suspended(now: Instant, sent: Vec<Outgoing>, unwritten: Vec<Outgoing>) -> Suspended {
        let mut outbound = Outbound::default();
        for sent in sent {
            outbound.sent(sent);
        }
        Suspended {
            user: 5,
            jid: "5-7@chat.example/r".into(),
            resumption: Resumption {
                id: "x".into(),
                lasts: Duration::from_secs(60),
            },
            until: now + Duration::from_secs(60),
            sent: outbound,
            received: Inbound::starting_at(9),
            unwritten: unwritten.into(),
            is_online: true,
            fruitless: 0,
        }
    }

    fn purposes<'a>(outgoing: impl IntoIterator<Item = &'a Outgoing>) -> Vec<Purpose> {
        let outgoing = outgoing.into_iter();
        outgoing.map(|outgoing| outgoing.purpose.clone()).collect()
    }

    #[test]
    fn what_the_server_lacks_goes_before_what_was_never_written() {
        let now = Instant::now();
        let sent = vec![message("a", now), message("b", now), message("c", now)];
        let resumed = suspended(now, sent, vec![message("d", now)]).resume(1, now);
        let resumed = resumed.unwrap();
        let ids = |ids: &[&str]| -> Vec<Purpose> {
            ids.iter()
                .map(|id| Purpose::Message((*id).into()))
                .collect()
        };
        assert_eq!(purposes(&resumed.acknowledged), ids(&["a"]));
        assert_eq!(purposes(&resumed.outgoing), ids(&["b", "c", "d"]));
        assert_eq!(resumed.sent.outstanding(), 0);
    }

    #[test]
    fn a_signal_is_sent_again_only_while_it_is_young() {
        let now = Instant::now();
        let later = now + SIGNAL_LIFE + Duration::from_millis(1);
        let sent = || vec![outgoing(Purpose::Signal, now), message("a", now)];
        let young = suspended(now, sent(), Vec::new()).resume(0, now + SIGNAL_LIFE);
        assert_eq!(young.unwrap().outgoing.len(), 2);
        let old = suspended(now, sent(), Vec::new()).resume(0, later);
        let message = Purpose::Message("a".into());
        assert_eq!(purposes(&old.unwrap().outgoing), [message]);
    }

    #[test]
    fn a_new_stream_gets_the_markers_and_leaves_messages_to_the_outbox() {
        let now = Instant::now();
        let sent = vec![
            message("a", now),
            message("b", now),
            outgoing(Purpose::Marker, now),
            outgoing(Purpose::Other, now),
        ];
        let suspended = suspended(now, sent, vec![outgoing(Purpose::Signal, now)]);
        let (acknowledged, left) = suspended.salvage(Some(1), now);
        assert_eq!(acknowledged, ["a"]);
        assert_eq!(purposes(&left), [Purpose::Marker, Purpose::Signal]);
    }

    #[test]
    fn a_claim_of_too_many_does_not_resume() {
        let now = Instant::now();
        let suspended = suspended(now, vec![message("a", now)], Vec::new());
        assert!(suspended.resume(2, now).is_err());
    }

    #[test]
    fn another_user_or_a_late_return_do_not_ask_to_resume() {
        let now = Instant::now();
        let mut stream = suspended(now, Vec::new(), Vec::new());
        assert!(stream.is_resumable(5, now));
        assert!(!stream.is_resumable(6, now));
        assert!(!stream.is_resumable(5, now + Duration::from_secs(61)));
        stream.fruitless = MAX_FRUITLESS;
        assert!(!stream.is_resumable(5, now));
    }
}
