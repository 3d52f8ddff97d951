//! The intake under any order of arrivals and of the store's answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::intake::{Done, Intake, Work};
use crate::chat::event::ChatEvent;
use crate::chat::inbox::{Pending, Read};
use crate::protocol::call_signal::{CallSignal, SignalKind};
use crate::protocol::chat_message::Incoming;
use crate::protocol::stream_management::{Inbound, Ticket};
use crate::store::{Arrived, Noted};

#[derive(Clone, Debug)]
enum Happens {
    Message,
    Typing,
    Call,
    Question,
    Answer,
    Time,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Message),
        2 => Just(Happens::Typing),
        1 => Just(Happens::Call),
        2 => Just(Happens::Question),
        3 => Just(Happens::Answer),
        1 => Just(Happens::Time),
    ]
}

fn typing() -> Incoming {
    Incoming::Typing {
        from: 9,
        dialog_id: None,
        composing: true,
    }
}

/// What the world around an intake knows.
struct World {
    intake: Intake,
    inbound: Inbound,
    now: Instant,
    came: u32,
    notes: BTreeSet<Ticket>,
    noted: BTreeSet<Ticket>,
    safe: BTreeSet<Ticket>,
    calls: BTreeSet<Ticket>,
    done: Vec<Ticket>,
    under_way: Option<Vec<Ticket>>,
    waiting_notes: Vec<Ticket>,
    questions: Vec<u32>,
}

impl World {
    fn put(&mut self, read: impl FnOnce() -> Read) -> Ticket {
        let ticket = self.inbound.accept();
        self.came += 1;
        let read = read();
        if matches!(read, Read::ToNote(..)) {
            self.notes.insert(ticket);
            self.waiting_notes.push(ticket);
        }
        let done = self.intake.put(Some(ticket), read);
        self.dealt_with(done);
        ticket
    }

    fn dealt_with(&mut self, done: impl IntoIterator<Item = Done>) {
        for done in done {
            let ticket = done.ticket.unwrap();
            self.inbound.handle(ticket);
            self.done.push(ticket);
        }
    }

    fn take_up_work(&mut self) {
        match self.intake.next_work(self.now) {
            Some(Work::Note(arrived)) => {
                let notes = std::mem::take(&mut self.waiting_notes);
                assert_eq!(arrived.len(), notes.len());
                self.under_way = Some(notes);
            }
            Some(Work::MakeSafe) => self.under_way = Some(Vec::new()),
            None => {}
        }
    }

    fn answer(&mut self) {
        match self.under_way.take() {
            Some(notes) if notes.is_empty() => {
                self.safe = self.noted.clone();
                self.intake.is_safe(&Ok(()));
            }
            Some(notes) => {
                let outcome = vec![Noted::First; notes.len()];
                self.noted.extend(notes);
                let done = self.intake.noted(Ok(outcome));
                self.dealt_with(done);
            }
            None => {}
        }
    }

    /// What may be told the server.
    fn count(&mut self) {
        if self.intake.take_count_due() {
            let handled = self.inbound.handled();
            let is_open = |asked: &u32| *asked > handled;
            let open: Vec<u32> = self.questions.iter().copied().filter(is_open).collect();
            assert!(
                open.len() < self.questions.len(),
                "not all before it is dealt with"
            );
            self.questions = open;
            for ticket in &self.done {
                assert!(!self.notes.contains(ticket) || self.safe.contains(ticket));
            }
        }
    }
}

proptest! {
    #[test]
    fn all_is_told_in_order_once_noted_and_counted_once_safe(
        steps in prop::collection::vec(happens(), 0..200),
    ) {
        let mut world = World {
            intake: Intake::default(),
            inbound: Inbound::default(),
            now: Instant::now(),
            came: 0,
            notes: BTreeSet::new(),
            noted: BTreeSet::new(),
            safe: BTreeSet::new(),
            calls: BTreeSet::new(),
            done: Vec::new(),
            under_way: None,
            waiting_notes: Vec::new(),
            questions: Vec::new(),
        };
        let mut end = vec![Happens::Answer, Happens::Time, Happens::Answer, Happens::Time];
        end.extend_from_within(..);
        for step in steps.iter().chain(&end) {
            match step {
                Happens::Message => {
                    world.put(|| Read::ToNote(
                        Arrived::Message { key: "k".into(), stanza: "s".into() },
                        Pending::Tell { incoming: Box::new(typing()), reply: None },
                    ));
                }
                Happens::Typing => {
                    world.put(|| Read::Ready(Some(ChatEvent::Incoming(typing()))));
                }
                Happens::Call => {
                    let call = Incoming::Call {
                        from: 9,
                        is_own_copy: false,
                        signal: Ok(CallSignal::new(SignalKind::HangUp, "s")),
                    };
                    let ticket = world.put(|| Read::Ready(Some(ChatEvent::Incoming(call))));
                    prop_assert_eq!(world.done.last(), Some(&ticket), "a call waits");
                    world.calls.insert(ticket);
                }
                Happens::Question => {
                    world.questions.push(world.came);
                    world.intake.ask_for_count();
                }
                Happens::Answer => world.answer(),
                Happens::Time => world.now += Duration::from_secs(1),
            }
            world.take_up_work();
            world.count();
        }
        let in_order: Vec<&Ticket> =
            world.done.iter().filter(|ticket| !world.calls.contains(ticket)).collect();
        prop_assert!(in_order.is_sorted(), "{:?}", in_order);
        prop_assert_eq!(world.done.len(), world.came as usize);
        prop_assert!(world.questions.is_empty(), "a question is not answered");
        for ticket in &world.done {
            prop_assert!(!world.notes.contains(ticket) || world.noted.contains(ticket));
        }
    }
}
