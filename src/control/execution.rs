//! Commands on their way through the engine: in order where order matters, not before their time
//! and not after it, each remembered before it begins.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::intake::Accepted;
use super::lanes::{Lane, Lanes};
use super::requester::Requester;
use super::window::{Fingerprint, Key, Ticket};
use crate::base::moment::Moment;
use crate::engine::command::{CommandError, ErrorCode, Reply, Request};
use crate::engine::journal::{ControlEntry, ControlRequest, Journal};

/// Lines of the log that wait to be written; beyond it the newest is lost, which is logged.
const NOTES_MAX: usize = 1_024;
/// Lines written at once.
const NOTES_AT_ONCE: usize = 128;

pub(super) type Outcome = Result<Reply, CommandError>;
type Running = Pin<Box<dyn Future<Output = (Ticket, Outcome)> + Send>>;

/// A command with all that is needed to execute it.
#[derive(Debug)]
struct Job {
    ticket: Ticket,
    accepted: Accepted,
}

/// The commands that are being executed.
pub(super) struct Execution {
    requests: mpsc::Sender<Request>,
    journal: Journal,
    limit: Duration,
    running: FuturesUnordered<Running>,
    lanes: Lanes<Job>,
    places: HashMap<Ticket, (Requester, Lane)>,
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
            notes,
            _writer: AbortOnDropHandle::new(writer),
        }
    }

    /// Begins, or waits for those of the same requester before it.
    pub(super) fn begin(&mut self, ticket: Ticket, accepted: Accepted) {
        let (requester, lane) = (accepted.terms.requester.clone(), accepted.terms.lane);
        let job = Job { ticket, accepted };
        if let Some(job) = self.lanes.enter(&requester, lane, job) {
            self.run(job);
        }
        self.places.insert(ticket, (requester, lane));
    }

    fn run(&mut self, job: Job) {
        let (requests, journal, limit) = (self.requests.clone(), self.journal.clone(), self.limit);
        self.running.push(Box::pin(async move {
            let ticket = job.ticket;
            (ticket, execute(job, &requests, &journal, limit).await)
        }));
    }

    /// Whether nothing is being executed.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// The next that is done. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<(Ticket, Outcome)> {
        let (ticket, outcome) = self.running.next().await?;
        if let Some((requester, lane)) = self.places.remove(&ticket)
            && let Some(next) = self.lanes.leave(&requester, lane)
        {
            self.run(next);
        }
        Some((ticket, outcome))
    }

    /// Those that are done by now.
    pub(super) fn ready(&mut self) -> Vec<(Ticket, Outcome)> {
        let mut done = Vec::new();
        // The loop polls again with its own waker before it waits.
        while let Some(Some(one)) = self.next().now_or_never() {
            done.push(one);
        }
        done
    }

    /// Gives up on all of them.
    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.lanes.clear();
        self.places.clear();
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
    let Accepted { command, terms } = job.accepted;
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
    if let Some((key, fingerprint)) = &terms.key
        && terms.is_kept
    {
        // Before it begins: who is killed in the middle must not do it again.
        journal.begin(kept(key, fingerprint, None)).await;
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
