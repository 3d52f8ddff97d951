//! Which of the peer's stanzas have been dealt with, and the questions about that (XEP-0198 §4).

use std::collections::VecDeque;

use crate::protocol::stream_management::{Inbound, Ticket};

/// The receiving side of one peer.
#[derive(Default)]
pub struct Receipts {
    inbound: Inbound,
    // The counts at which open questions are answered: once they cover every stanza that had
    // come in before. Modulo 2³².
    questions: VecDeque<u32>,
}

impl Receipts {
    /// A stanza has come in.
    pub fn accept(&mut self) -> Ticket {
        self.inbound.accept()
    }

    /// A stanza has been dealt with. Returns how many questions are to be answered now, with
    /// [`Receipts::handled`].
    pub fn settle(&mut self, ticket: Ticket) -> usize {
        self.inbound.handle(ticket);
        self.due()
    }

    /// The peer asks. Returns how many questions are to be answered now.
    pub fn ask(&mut self) -> usize {
        let outstanding = u32::try_from(self.inbound.outstanding()).unwrap_or(u32::MAX);
        let covered = self.inbound.handled().wrapping_add(outstanding);
        self.questions.push_back(covered);
        self.due()
    }

    fn due(&mut self) -> usize {
        let handled = self.inbound.handled();
        // A count further on than half of the range is one that has been passed.
        let is_due = |question: &u32| handled.wrapping_sub(*question) < u32::MAX / 2;
        let due = self.questions.iter().take_while(|one| is_due(one)).count();
        self.questions.drain(..due);
        due
    }

    /// Our count.
    pub fn handled(&self) -> u32 {
        self.inbound.handled()
    }

    /// Stanzas that have not been dealt with, or come after one of those.
    pub fn outstanding(&self) -> usize {
        self.inbound.outstanding()
    }

    /// The connection is lost: nobody waits for answers, and what is not covered comes again.
    pub fn lose(&mut self) {
        self.questions.clear();
        self.inbound.forget_unhandled();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_when_all_before_it_is_dealt_with() {
        let mut receipts = Receipts::default();
        assert_eq!(receipts.ask(), 1);
        let (first, second) = (receipts.accept(), receipts.accept());
        assert_eq!(receipts.ask(), 0);
        let third = receipts.accept();
        assert_eq!(receipts.settle(third), 0);
        assert_eq!(receipts.settle(first), 0);
        assert_eq!(receipts.ask(), 0);
        assert_eq!(receipts.settle(second), 2);
        assert_eq!((receipts.handled(), receipts.outstanding()), (3, 0));
    }

    #[test]
    fn questions_of_a_lost_connection_are_forgotten() {
        let mut receipts = Receipts::default();
        receipts.accept();
        receipts.ask();
        receipts.lose();
        let ticket = receipts.accept();
        assert_eq!(receipts.settle(ticket), 0);
        assert_eq!(receipts.handled(), 1);
    }
}
