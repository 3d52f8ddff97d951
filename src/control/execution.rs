//! Commands on their way through the engine: in order where order matters, not before their time
//! and not after it, each remembered before it begins. What waits behind others is remembered ahead
//! of its turn, and what ends shortly after another of its lane is answered together with it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::intake::{Accepted, Terms};
use super::lanes::{Lane, Lanes};
use super::requester::Requester;
use super::window::{Fingerprint, Key, Ticket};
use crate::base::moment::Moment;
use crate::engine::command::{CommandError, ErrorCode, Reply, Request};
use crate::engine::journal::{ControlEntry, ControlRequest, Journal, Written};

/// Lines of the log that wait to be written; beyond it the newest is lost, which is logged.
const NOTES_MAX: usize = 1_024;
/// Lines written at once.
const NOTES_AT_ONCE: usize = 128;
/// How many of those that wait in a lane are written down ahead of their turn. After a kill they
/// are told as not known, too, so they are few.
const AHEAD: usize = 16;
/// How long what is done waits for the next of its lane, to be answered with it.
const TOGETHER: Duration = Duration::from_millis(1);
/// What is answered at once at most.
const ANSWERS_AT_ONCE: usize = 64;

pub(super) type Outcome = Result<Reply, CommandError>;
type Running = Pin<Box<dyn Future<Output = (Ticket, Outcome)> + Send>>;

/// A command with all that is needed to execute it.
#[derive(Debug)]
struct Job {
    ticket: Ticket,
    accepted: Accepted,
    /// That it is about to begin is being written down, or is.
    written: Option<Written>,
}

impl Job {
    /// Writes down that it is about to begin, if that is wanted and not done already.
    fn write_ahead(&mut self, journal: &Journal) {
        if self.needs_writing() {
            self.written = self.accepted.terms.begins(journal);
        }
    }

    /// What waits for a time of its own is not about to begin.
    fn needs_writing(&self) -> bool {
        let terms = &self.accepted.terms;
        self.written.is_none() && terms.delay.is_zero() && terms.remembered().is_some()
    }
}

impl Terms {
    /// By what the command is remembered, if it is one to be.
    fn remembered(&self) -> Option<&(Key, Fingerprint)> {
        self.key.as_ref().filter(|_| self.is_kept)
    }

    /// Writes down that the command is about to be carried out, if it is one to be remembered.
    fn begins(&self, journal: &Journal) -> Option<Written> {
        let (key, fingerprint) = self.remembered()?;
        Some(journal.begin(kept(key, fingerprint, None)))
    }
}

/// Where a running command stands.
#[derive(Debug)]
struct Place {
    requester: Requester,
    lane: Lane,
    /// Whether it began because the one before it was done.
    follows: bool,
}

/// The commands that are being executed.
pub(super) struct Execution {
    requests: mpsc::Sender<Request>,
    journal: Journal,
    limit: Duration,
    running: FuturesUnordered<Running>,
    lanes: Lanes<Job>,
    places: HashMap<Ticket, Place>,
    /// How many of the running follow one of their lane that is done.
    following: usize,
    done: Vec<(Ticket, Outcome)>,
    /// Until when `done` waits for more.
    held_until: Option<Instant>,
    notes: mpsc::Sender<ControlEntry>,
    _writer: AbortOnDropHandle<()>,
}

impl Execution {
    /// `limit` is what the engine may take for one.
    pub(super) fn new(requests: mpsc::Sender<Request>, journal: Journal, limit: Duration) -> Self {
        let (notes, mut waiting) = mpsc::channel(NOTES_MAX);
        let writing = journal.clone();
        let writer = tokio::spawn(async move {
            let mut lines = Vec::new();
            while waiting.recv_many(&mut lines, NOTES_AT_ONCE).await > 0 {
                writing.note(std::mem::take(&mut lines)).await;
            }
        });
        Self {
            requests,
            journal,
            limit,
            running: FuturesUnordered::new(),
            lanes: Lanes::default(),
            places: HashMap::new(),
            following: 0,
            done: Vec::new(),
            held_until: None,
            notes,
            _writer: AbortOnDropHandle::new(writer),
        }
    }

    /// Begins, or waits for those of the same requester before it.
    pub(super) fn begin(&mut self, ticket: Ticket, accepted: Accepted) {
        let (requester, lane) = (accepted.terms.requester.clone(), accepted.terms.lane);
        let job = Job {
            ticket,
            accepted,
            written: None,
        };
        match self.lanes.enter(&requester, lane, job) {
            Some(job) => self.run(job),
            None => self.write_ahead(&requester, lane),
        }
        let place = Place {
            requester,
            lane,
            follows: false,
        };
        self.places.insert(ticket, place);
    }

    /// Writes down those that are next in a lane: again when half of them are through, so that
    /// many share one write.
    fn write_ahead(&mut self, requester: &Requester, lane: Lane) {
        if self
            .lanes
            .next(requester, lane)
            .take(AHEAD / 2)
            .any(|job| job.needs_writing())
        {
            for job in self.lanes.next(requester, lane).take(AHEAD) {
                job.write_ahead(&self.journal);
            }
        }
    }

    fn run(&mut self, mut job: Job) {
        job.write_ahead(&self.journal);
        let (requests, journal, limit) = (self.requests.clone(), self.journal.clone(), self.limit);
        self.running.push(Box::pin(async move {
            let ticket = job.ticket;
            (ticket, execute(job, &requests, &journal, limit).await)
        }));
    }

    /// Whether nothing is being executed and nothing waits to be answered.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.done.is_empty()
    }

    /// The next that are done: those that are by now, and those that follow them in their lanes
    /// within [`TOGETHER`]. Pending while nothing is executed. Safe to cancel.
    pub(super) async fn next(&mut self) -> Vec<(Ticket, Outcome)> {
        loop {
            let is_full = self.done.len() >= ANSWERS_AT_ONCE;
            let is_all = !self.done.is_empty() && (self.following == 0 || is_full);
            let held_until = self.held_until;
            let held = async {
                match held_until {
                    Some(_) if is_all => {}
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((ticket, outcome)) = self.running.next(), if !is_full => {
                    self.leave(ticket);
                    self.done.push((ticket, outcome));
                    self.held_until.get_or_insert_with(|| Instant::now() + TOGETHER);
                }
                () = held => {
                    self.held_until = None;
                    return std::mem::take(&mut self.done);
                }
            }
        }
    }

    /// One is done; the next of its lane begins.
    fn leave(&mut self, ticket: Ticket) {
        let Some(place) = self.places.remove(&ticket) else {
            return;
        };
        self.following -= usize::from(place.follows);
        let Place {
            requester, lane, ..
        } = place;
        if let Some(next) = self.lanes.leave(&requester, lane) {
            if let Some(place) = self.places.get_mut(&next.ticket) {
                place.follows = true;
                self.following += 1;
            }
            self.run(next);
            self.write_ahead(&requester, lane);
        }
    }

    /// Gives up on all of them.
    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.lanes.clear();
        self.places.clear();
        self.following = 0;
        self.done.clear();
        self.held_until = None;
    }

    /// Writes down how a request was answered.
    pub(super) fn answered(&self, key: &Key, fingerprint: &Fingerprint, body: &Value) {
        let request = kept(key, fingerprint, Some(body.to_string()));
        self.journal.answered(request);
    }

    /// Writes a line into the log.
    pub(super) fn note(&self, entry: ControlEntry) {
        if self.notes.try_send(entry).is_err() {
            tracing::error!("the store is too slow; an order is not noted");
        }
    }
}

fn kept(key: &Key, fingerprint: &Fingerprint, reply: Option<String>) -> ControlRequest {
    ControlRequest {
        name: key.verb.clone(),
        request: key.id.clone(),
        fingerprint: fingerprint.to_vec(),
        reply,
        // The log sets it when it writes.
        at: Moment::default(),
    }
}

async fn execute(
    job: Job,
    requests: &mpsc::Sender<Request>,
    journal: &Journal,
    limit: Duration,
) -> Outcome {
    let Job {
        accepted: Accepted { command, terms },
        written,
        ..
    } = job;
    let unavailable = |message: &str| Err(CommandError::new(ErrorCode::Unavailable, message));
    let is_late = |wait: Duration| {
        terms
            .deadline
            .is_some_and(|deadline| std::time::Instant::now() + wait >= deadline)
    };
    let expired = || {
        let message = "it has to wait until after its time: ts, expires or the message expiry";
        Err(CommandError::new(ErrorCode::Expired, message))
    };
    if is_late(terms.delay) {
        return expired();
    }
    if !terms.delay.is_zero() {
        tokio::time::sleep(terms.delay).await;
    }
    if let Some(written) = written.or_else(|| terms.begins(journal)) {
        // Before it begins: who is killed in the middle must not do it again. A disk that is full
        // costs the memory, not the request: a door must open all the same.
        let _ = written.await;
    }
    if is_late(Duration::ZERO) {
        return expired();
    }
    let (reply, answer) = oneshot::channel();
    match requests.try_send(Request { command, reply }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return unavailable("the engine is busy"),
        Err(TrySendError::Closed(_)) => return unavailable("the engine is not running"),
    }
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(CommandError::new(
            ErrorCode::Internal,
            "the engine dropped the command; whether it was carried out is not known",
        )),
        Err(_) => Err(CommandError::new(
            ErrorCode::Timeout,
            format!("no outcome within {limit:?}; whether it was carried out is not known"),
        )),
    }
}
