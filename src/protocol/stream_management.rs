//! XEP-0198, sans-IO and the same for both ends: which of our stanzas the peer has acknowledged,
//! how many of the peer's we have handled, and the elements that say so.
//!
//! An end holds one [`Outbound`] and one [`Inbound`]. Both outlive a connection when the stream
//! can be resumed: after `<resumed/>` take its count with [`Outbound::resume`] and write again
//! whatever [`Outbound::unacknowledged`] still holds, in that order, without noting it as sent a
//! second time; or take it out with [`Outbound::take_unacknowledged`] and let each go the way of
//! a new one. Neither side is bounded: whoever lets stanzas in watches [`Outbound::outstanding`] and
//! [`Inbound::outstanding`].

use std::collections::VecDeque;

use minidom::Element;

use super::ns;

pub use super::nonza::{Nonza, NonzaError, answer, handled_of, request};

/// Whether an element counts: only the three stanza kinds do (XEP-0198 §4).
pub fn counts(element: &Element) -> bool {
    matches!(element.name(), "message" | "presence" | "iq") && element.ns() == ns::CLIENT
}

/// Our sending side. `T` is what the caller needs of each counted stanza: to send it again, to
/// report its acknowledgement, or both.
#[derive(Debug)]
pub struct Outbound<T> {
    acknowledged: u32,
    unacknowledged: VecDeque<T>,
    since_request: usize,
    is_request_open: bool,
}

/// The peer acknowledged more stanzas than were sent. The stream is beyond use (XEP-0198 §4).
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the peer acknowledged {claimed} stanzas, only {sent} are unacknowledged")]
pub struct AckError {
    /// How many the peer claims beyond the last acknowledgement.
    pub claimed: u32,
    /// How many were outstanding.
    pub sent: usize,
}

impl<T> Default for Outbound<T> {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

impl<T> Outbound<T> {
    /// A side whose peer has acknowledged `acknowledged` stanzas already.
    pub fn starting_at(acknowledged: u32) -> Self {
        Self {
            acknowledged,
            unacknowledged: VecDeque::new(),
            since_request: 0,
            is_request_open: false,
        }
    }

    /// Notes one counted stanza as written for the first time.
    pub fn sent(&mut self, item: T) {
        self.unacknowledged.push_back(item);
        self.since_request += 1;
    }

    /// How many stanzas await acknowledgement.
    pub fn outstanding(&self) -> usize {
        self.unacknowledged.len()
    }

    /// What awaits acknowledgement, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.unacknowledged.iter()
    }

    /// The peer's count as of its last acknowledgement, modulo 2³².
    pub fn acknowledged(&self) -> u32 {
        self.acknowledged
    }

    /// Takes the peer's `h` (modulo 2³²) and returns what it acknowledges, oldest first.
    ///
    /// # Errors
    /// [`AckError`] when the peer claims stanzas that were never sent; nothing has changed then.
    pub fn acknowledge(&mut self, handled: u32) -> Result<Vec<T>, AckError> {
        let claimed = handled.wrapping_sub(self.acknowledged);
        if claimed as usize > self.unacknowledged.len() {
            return Err(AckError {
                claimed,
                sent: self.unacknowledged.len(),
            });
        }
        self.acknowledged = handled;
        self.is_request_open = false;
        Ok(self.unacknowledged.drain(..claimed as usize).collect())
    }

    /// Takes the count of `<resumed/>` or `<resume/>`. A question that was open on the old
    /// connection will not be answered any more, so the next one may be asked.
    ///
    /// # Errors
    /// As [`Outbound::acknowledge`].
    pub fn resume(&mut self, handled: u32) -> Result<Vec<T>, AckError> {
        let acknowledged = self.acknowledge(handled)?;
        self.since_request = self.unacknowledged.len();
        Ok(acknowledged)
    }

    /// Every stanza still unacknowledged, oldest first: what a resumed stream sends again.
    pub fn unacknowledged(&self) -> impl ExactSizeIterator<Item = &T> {
        self.unacknowledged.iter()
    }

    /// Takes out every stanza still unacknowledged, oldest first, to be sent anew or dropped:
    /// only right after [`Outbound::resume`], when the peer has just counted what it has and
    /// nothing is under way. Each one sent again is noted with [`Outbound::sent`].
    pub fn take_unacknowledged(&mut self) -> VecDeque<T> {
        self.since_request = 0;
        std::mem::take(&mut self.unacknowledged)
    }

    /// Every stanza still unacknowledged, oldest first, when the stream is gone for good.
    pub fn into_unacknowledged(self) -> Vec<T> {
        self.unacknowledged.into()
    }

    /// Whether to ask for an acknowledgement: `every` stanzas went out since the last question,
    /// and that one has been answered.
    pub fn is_request_due(&self, every: usize) -> bool {
        !self.is_request_open && self.outstanding() > 0 && self.since_request >= every
    }

    /// Whether a question is still unanswered.
    pub fn is_request_open(&self) -> bool {
        self.is_request_open
    }

    /// `<r/>` was written.
    pub fn requested(&mut self) {
        self.is_request_open = true;
        self.since_request = 0;
    }
}

/// Names one stanza that came in, to say later that it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Our receiving side: `h` covers a stanza only when it and every one before it are handled, in
/// whichever order that happens.
#[derive(Debug, Default)]
pub struct Inbound {
    handled: u32,
    // Ticket of the front of `open`.
    first: u64,
    // From the oldest unhandled stanza to the latest one: whether it is handled.
    open: VecDeque<bool>,
}

impl Inbound {
    /// A side that has handled `handled` stanzas already.
    pub fn starting_at(handled: u32) -> Self {
        Self {
            handled,
            ..Self::default()
        }
    }

    /// Notes one counted stanza that came in; it is handled when [`Inbound::handle`] says so.
    pub fn accept(&mut self) -> Ticket {
        self.open.push_back(false);
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Notes one counted stanza that came in and is handled already.
    pub fn accept_handled(&mut self) {
        let ticket = self.accept();
        self.handle(ticket);
    }

    /// The stanza is handled. Says whether `h` has grown. A ticket of before
    /// [`Inbound::forget_unhandled`] is ignored: that stanza comes again under a new one.
    pub fn handle(&mut self, ticket: Ticket) -> bool {
        let place = ticket.0.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let Some(is_handled) = place.and_then(|place| self.open.get_mut(place)) else {
            return false;
        };
        *is_handled = true;
        let before = self.handled;
        while self.open.front() == Some(&true) {
            self.open.pop_front();
            self.first += 1;
            self.handled = self.handled.wrapping_add(1);
        }
        self.handled != before
    }

    /// Our `h`, modulo 2³².
    pub fn handled(&self) -> u32 {
        self.handled
    }

    /// How many stanzas came in that `h` does not cover.
    pub fn outstanding(&self) -> usize {
        self.open.len()
    }

    /// The connection is lost: what `h` does not cover will be sent again by the peer, also what
    /// was handled out of turn.
    pub fn forget_unhandled(&mut self) {
        self.first += self.open.len() as u64;
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn acknowledgements_return_what_was_sent_in_order() {
        let mut outbound = Outbound::default();
        for item in 1..=4 {
            outbound.sent(item);
        }
        assert_eq!(outbound.acknowledge(3), Ok(vec![1, 2, 3]));
        assert_eq!(outbound.acknowledge(3), Ok(vec![]));
        assert_eq!(outbound.into_unacknowledged(), vec![4]);
    }

    #[test]
    fn a_claim_beyond_what_was_sent_is_an_error_and_changes_nothing() {
        let mut outbound = Outbound::default();
        outbound.sent(1);
        let (claimed, sent) = (2, 1);
        assert_eq!(outbound.acknowledge(2), Err(AckError { claimed, sent }));
        assert_eq!(outbound.acknowledge(1), Ok(vec![1]));
        // Going backwards is the same as claiming nearly 2³² of them.
        assert!(outbound.acknowledge(0).is_err());
    }

    #[test]
    fn the_counts_wrap_at_two_to_the_thirty_second() {
        let mut outbound = Outbound::starting_at(u32::MAX);
        outbound.sent(1);
        assert_eq!(outbound.acknowledge(0), Ok(vec![1]));
        let mut inbound = Inbound::starting_at(u32::MAX);
        inbound.accept_handled();
        assert_eq!(inbound.handled(), 0);
    }

    #[test]
    fn the_next_question_waits_for_the_answer_to_the_last() {
        let mut outbound = Outbound::default();
        assert!(!outbound.is_request_due(0));
        outbound.sent(1);
        assert!(!outbound.is_request_due(2));
        outbound.sent(2);
        assert!(outbound.is_request_due(2));
        outbound.requested();
        outbound.sent(3);
        outbound.sent(4);
        assert!(!outbound.is_request_due(2));
        outbound.acknowledge(2).unwrap();
        assert!(outbound.is_request_due(2));
    }

    #[test]
    fn a_question_of_the_old_connection_does_not_stand_in_the_way_of_a_new_one() {
        let mut outbound = Outbound::default();
        outbound.sent(1);
        outbound.requested();
        assert_eq!(outbound.resume(0), Ok(vec![]));
        assert!(outbound.is_request_due(1));
        assert_eq!(outbound.unacknowledged().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn the_count_covers_a_stanza_only_when_all_before_it_are_handled() {
        let mut inbound = Inbound::default();
        let tickets = [inbound.accept(), inbound.accept(), inbound.accept()];
        assert!(!inbound.handle(tickets[1]));
        assert_eq!((inbound.handled(), inbound.outstanding()), (0, 3));
        assert!(inbound.handle(tickets[0]));
        assert_eq!((inbound.handled(), inbound.outstanding()), (2, 1));
        assert!(!inbound.handle(tickets[0]), "handled twice");
    }

    #[test]
    fn what_was_unhandled_at_a_cut_counts_only_when_it_has_come_again() {
        let mut inbound = Inbound::default();
        inbound.accept_handled();
        let (lost, out_of_turn) = (inbound.accept(), inbound.accept());
        inbound.handle(out_of_turn);
        inbound.forget_unhandled();
        assert_eq!((inbound.handled(), inbound.outstanding()), (1, 0));
        let again = inbound.accept();
        assert!(!inbound.handle(lost), "a ticket of before the cut");
        assert!(inbound.handle(again));
        assert_eq!(inbound.handled(), 2);
    }

    /// What may happen on a line with two ends, by chance.
    #[derive(Clone, Debug)]
    enum Step {
        Send(usize),
        Arrive(usize),
        Handle(usize),
        Answer(usize),
        Cut,
    }

    fn step() -> impl Strategy<Value = Step> {
        let end = 0..2_usize;
        prop_oneof![
            4 => end.clone().prop_map(Step::Send),
            4 => end.clone().prop_map(Step::Arrive),
            4 => end.clone().prop_map(Step::Handle),
            2 => end.prop_map(Step::Answer),
            1 => Just(Step::Cut),
        ]
    }

    struct End {
        sent: u32,
        outbound: Outbound<u32>,
        inbound: Inbound,
        unhandled: Vec<(Ticket, u32)>,
        handled: Vec<u32>,
        // What the line carries towards this end.
        line: VecDeque<Carried>,
    }

    enum Carried {
        Stanza(u32),
        Count(u32),
    }

    impl End {
        fn new(count: u32) -> Self {
            Self {
                sent: 0,
                outbound: Outbound::starting_at(count),
                inbound: Inbound::starting_at(count),
                unhandled: Vec::new(),
                handled: Vec::new(),
                line: VecDeque::new(),
            }
        }

        fn arrive(&mut self) {
            match self.line.pop_front() {
                Some(Carried::Stanza(stanza)) => {
                    let ticket = self.inbound.accept();
                    self.unhandled.push((ticket, stanza));
                }
                Some(Carried::Count(count)) => {
                    self.outbound.acknowledge(count).unwrap();
                }
                None => {}
            }
        }

        fn handle(&mut self) {
            if !self.unhandled.is_empty() {
                let (ticket, stanza) = self.unhandled.remove(0);
                self.handled.push(stanza);
                self.inbound.handle(ticket);
            }
        }
    }

    fn take(ends: &mut [End; 2], step: &Step) {
        match *step {
            Step::Send(end) => {
                let stanza = ends[end].sent;
                ends[end].sent += 1;
                ends[end].outbound.sent(stanza);
                ends[1 - end].line.push_back(Carried::Stanza(stanza));
            }
            Step::Arrive(end) => ends[end].arrive(),
            Step::Handle(end) => ends[end].handle(),
            Step::Answer(end) => {
                let count = ends[end].inbound.handled();
                ends[1 - end].line.push_back(Carried::Count(count));
            }
            Step::Cut => {
                for end in ends.iter_mut() {
                    end.line.clear();
                    end.unhandled.clear();
                    end.inbound.forget_unhandled();
                }
                for end in 0..2 {
                    let count = ends[1 - end].inbound.handled();
                    ends[end].outbound.resume(count).unwrap();
                    let again: Vec<u32> = ends[end].outbound.unacknowledged().copied().collect();
                    let again = again.into_iter().map(Carried::Stanza);
                    ends[1 - end].line.extend(again);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn over_a_line_that_is_cut_and_resumed_each_stanza_is_handled_once_in_order(
            steps in prop::collection::vec(step(), 0..400),
            // Near the wrap-around in half of the cases.
            start in prop_oneof![Just(0), (u32::MAX - 100)..=u32::MAX],
        ) {
            let mut ends = [End::new(start), End::new(start)];
            for step in &steps {
                take(&mut ends, step);
            }
            take(&mut ends, &Step::Cut);
            for end in [0, 1] {
                while !ends[end].line.is_empty() {
                    take(&mut ends, &Step::Arrive(end));
                    take(&mut ends, &Step::Handle(end));
                }
                take(&mut ends, &Step::Answer(end));
            }
            for end in [0, 1] {
                while !ends[end].line.is_empty() {
                    take(&mut ends, &Step::Arrive(end));
                }
                let sent: Vec<u32> = (0..ends[1 - end].sent).collect();
                prop_assert_eq!(&ends[end].handled, &sent);
                prop_assert_eq!(ends[end].outbound.outstanding(), 0);
            }
        }
    }
}
