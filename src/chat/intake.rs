//! What was read from the server and is not dealt with yet, sans-IO. Reading goes on while notes
//! are on their way to the store; all that comes meanwhile is noted together in one commit.
//!
//! Invariant: stanzas are dealt with in the order they came, each after it is noted; call signals
//! alone, which are noted nowhere, do not wait for others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::ChatEvent;
use super::inbox::{Pending, Read, Taken};
use crate::protocol::chat_message::Incoming;
use crate::protocol::stream_management::Ticket;
use crate::store::{Arrived, Noted, StoreError};

/// Stanzas waiting to be dealt with; beyond it nothing more is read from the server.
const MAX_WAITING: usize = 256;
/// Bytes of stanzas waiting to be noted, likewise.
const MAX_BYTES: usize = 2 << 20;
/// The shortest time between two times what was noted is driven to the disk: a server that asks
/// for our count at every turn does not wear out an SD card.
const SAFETY_PAUSE: Duration = Duration::from_millis(10);

/// A stanza that was dealt with.
#[derive(Debug)]
pub(super) struct Done {
    /// What the server may be told of now; absent for what came before stanzas were counted.
    pub(super) ticket: Option<Ticket>,
    /// What came of it.
    pub(super) taken: Taken,
}

#[derive(Debug)]
enum Step {
    Ready(Option<ChatEvent>),
    Noted(Pending),
    // The server wants to know how far we are with what came before.
    Question,
}

/// Work for the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Note these.
    Note(Vec<Arrived>),
    /// Drive what was noted to the disk.
    MakeSafe,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Intake {
    under_way: VecDeque<(Option<Ticket>, Step)>,
    is_working: bool,
    gathering: VecDeque<(Option<Ticket>, Step)>,
    notes: Vec<Arrived>,
    bytes: usize,
    is_count_asked: bool,
    needs_safety: bool,
    safe_at: Option<Instant>,
}

impl Intake {
    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() + self.gathering.len() < MAX_WAITING && self.bytes < MAX_BYTES
    }

    /// Takes a stanza. What need not wait is given back.
    pub(super) fn put(&mut self, ticket: Option<Ticket>, read: Read) -> Option<Done> {
        let step = match read {
            Read::Ready(event) => {
                let is_call = matches!(event, Some(ChatEvent::Incoming(Incoming::Call { .. })));
                if is_call || (self.under_way.is_empty() && self.gathering.is_empty()) {
                    let taken = event.map(Taken::from).unwrap_or_default();
                    return Some(Done { ticket, taken });
                }
                Step::Ready(event)
            }
            Read::ToNote(arrived, pending) => {
                if let Arrived::Message { stanza, .. } = &arrived {
                    self.bytes += stanza.len();
                }
                self.notes.push(arrived);
                Step::Noted(pending)
            }
        };
        self.gathering.push_back((ticket, step));
        None
    }

    /// The server wants our count. It is due when all that came before is dealt with.
    pub(super) fn ask_for_count(&mut self) {
        if self.under_way.is_empty() && self.gathering.is_empty() {
            self.is_count_asked = true;
        } else {
            self.gathering.push_back((None, Step::Question));
        }
    }

    /// Whether the server may be told our count now: it was asked for, and what it would cover is
    /// safe. It is given out once.
    pub(super) fn take_count_due(&mut self) -> bool {
        let is_due = self.is_count_asked && !self.needs_safety;
        self.is_count_asked &= !is_due;
        is_due
    }

    /// When [`Intake::next_work`] is to be called without anything having come.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let is_waiting = !self.is_working && self.is_count_asked && self.needs_safety;
        self.safe_at
            .filter(|_| is_waiting)
            .map(|at| at + SAFETY_PAUSE)
    }

    /// The next thing to do; one is under way at a time. [`Intake::noted`] or [`Intake::is_safe`]
    /// has to follow.
    pub(super) fn next_work(&mut self, now: Instant) -> Option<Work> {
        if self.is_working {
            return None;
        }
        let is_paused = self.safe_at.is_some_and(|at| now < at + SAFETY_PAUSE);
        let work = if self.is_count_asked && self.needs_safety && !is_paused {
            self.safe_at = Some(now);
            Work::MakeSafe
        } else {
            self.next_notes()?
        };
        self.is_working = true;
        Some(work)
    }

    /// Like [`Intake::next_work`] when the stream is at its end: what was noted is made safe last,
    /// without a pause.
    pub(super) fn last_work(&mut self) -> Option<Work> {
        let work = match self.next_notes() {
            Some(notes) => notes,
            None if self.needs_safety => Work::MakeSafe,
            None => return None,
        };
        self.is_working = true;
        Some(work)
    }

    fn next_notes(&mut self) -> Option<Work> {
        if self.notes.is_empty() {
            return None;
        }
        self.bytes = 0;
        self.under_way = std::mem::take(&mut self.gathering);
        Some(Work::Note(std::mem::take(&mut self.notes)))
    }

    /// The notes of [`Work::Note`] are in the store, or are not. What that allows to be dealt
    /// with.
    pub(super) fn noted(&mut self, outcome: Result<Vec<Noted>, StoreError>) -> Vec<Done> {
        self.is_working = false;
        self.needs_safety = true;
        let (noted, error) = match outcome {
            Ok(noted) => (noted, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut noted = noted.into_iter();
        let mut next = || match &error {
            Some(error) => Err(error),
            None => Ok(noted.next().unwrap_or(Noted::First)),
        };
        let mut done = Vec::with_capacity(self.under_way.len());
        // Those at the front of what came meanwhile have nothing left to wait for.
        let is_ready = |step: &Step| !matches!(step, Step::Noted(_));
        let ready = self.gathering.iter().take_while(|(_, step)| is_ready(step));
        let ready = ready.count();
        let under_way = std::mem::take(&mut self.under_way);
        for (ticket, step) in under_way.into_iter().chain(self.gathering.drain(..ready)) {
            let taken = match step {
                Step::Ready(event) => event.map(Taken::from).unwrap_or_default(),
                Step::Noted(pending) => pending.noted(next()),
                Step::Question => {
                    self.is_count_asked = true;
                    continue;
                }
            };
            done.push(Done { ticket, taken });
        }
        done
    }

    /// What [`Work::MakeSafe`] was about is safe, or is not: then the count stays as it is until
    /// the server asks again.
    pub(super) fn is_safe(&mut self, outcome: &Result<(), StoreError>) {
        self.is_working = false;
        match outcome {
            Ok(()) => self.needs_safety = false,
            Err(error) => {
                tracing::error!(%error, "received messages are not safe from a power cut");
                self.is_count_asked = false;
            }
        }
    }
}
