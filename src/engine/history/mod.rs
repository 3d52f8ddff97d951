//! The `Historian` actor: the one place through which messages get into the history, whatever way
//! they came, and from there to whoever listens. Its queue outlives it.
//!
//! `intake` takes things in, in order, and tells of them, `sync` fetches what was missed, `report`
//! tells of what nobody was told of, `status` keeps the state.
//!
//! Invariant: a message is told of once, after it is in the history; of one dialog, in order.
//! Must not enter: commands.

mod intake;
pub(super) mod report;
mod status;
pub(super) mod sync;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::mailbox::MAILBOX_CAPACITY;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::base::backoff::Backoff;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::{ChatMessage, Marker, MessageEdit, ReactionChange};
use crate::store::history::{OwnStatus, Retention};

/// Things waiting to be taken in; beyond it the connection is read no further.
const QUEUE: usize = 256;
/// Things taken in at once.
const AT_ONCE: usize = 64;
/// How long new messages wait for missed, older ones to be fetched, for the sake of their order.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long fetching may take before it is begun anew.
const SYNC_LIMIT: Duration = Duration::from_secs(120);
/// How often what is too old is looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How often messages that destroy themselves are looked for.
const DESTROY_EVERY: Duration = Duration::from_secs(1);

/// Something for the history.
#[derive(Debug)]
pub enum Input {
    /// There is a new connection: something may have been missed.
    Online,
    /// A message arrived.
    Message(Box<ChatMessage>),
    /// A message has changed.
    Changed {
        /// What the change is known by; the line keeps it until it is in the history.
        key: Option<String>,
        /// What has changed.
        change: Change,
    },
    /// A message of ours was delivered or read.
    Marked {
        /// What happened.
        marker: Marker,
        /// The message.
        message_id: String,
        /// Who reports it.
        from: UserId,
    },
    /// The server has a message of ours, or refuses it.
    Own {
        /// The message.
        message_id: String,
        /// How far it is.
        status: OwnStatus,
        /// Why it is refused.
        reason: Option<String>,
    },
}

/// What may happen to a message after it was written.
#[derive(Debug)]
pub enum Change {
    /// It has another text.
    Edited(MessageEdit),
    /// It is gone.
    Removed {
        /// The message.
        message_id: String,
        /// Who removed it.
        from: UserId,
        /// Its dialog.
        dialog_id: Option<String>,
    },
    /// Somebody's reactions to it are others.
    Reaction(ReactionChange),
}

/// The way in; cheap to clone.
#[derive(Clone)]
pub struct HistoryQueue {
    inputs: mpsc::Sender<Input>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Default for HistoryQueue {
    fn default() -> Self {
        let (inputs, arriving) = mpsc::channel(QUEUE);
        let waiting = Waiting {
            arriving,
            next: Vec::new(),
        };
        Self {
            inputs,
            waiting: Arc::new(Mutex::new(waiting)),
        }
    }
}

/// The way out.
struct Waiting {
    arriving: mpsc::Receiver<Input>,
    next: Vec<Input>,
}

/// What is to be done next.
enum Next {
    /// Something may have been missed.
    Synchronise,
    /// To be taken in, in this order.
    TakeIn(Vec<Input>),
}

impl Waiting {
    /// Everything that waits, up to the next [`Input::Online`]. May be dropped and called again at
    /// any time.
    async fn next(&mut self) -> Option<Next> {
        if self.next.is_empty() && self.arriving.recv_many(&mut self.next, AT_ONCE).await == 0 {
            return None;
        }
        let is_online = |input: &Input| matches!(input, Input::Online);
        let end = self.next.iter().position(is_online);
        Some(match end.unwrap_or(self.next.len()) {
            0 => {
                self.next.remove(0);
                Next::Synchronise
            }
            count => Next::TakeIn(self.next.drain(..count).collect()),
        })
    }
}

impl HistoryQueue {
    /// Asks for a synchronisation.
    pub(super) fn nudge(&self) {
        // A full queue is looked at soon, and a reconnection asks again.
        let _ = self.inputs.try_send(Input::Online);
    }

    /// Puts something in, waiting while the queue is full.
    pub async fn put(&self, input: Input) {
        // The receiver lives in this very handle.
        let _ = self.inputs.send(input).await;
    }
}

/// The actor.
pub struct Historian {
    _life: Life,
    wiring: Wiring,
}

supervised!(Historian);

impl Historian {
    /// Looks at nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
        }
    }
}

impl Actor for Historian {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.spawn(keep(self.wiring.clone()).into_actor(self));
    }
}

/// What the history may hold.
fn retention(wiring: &Wiring) -> Retention {
    let bounds = &wiring.config.history;
    Retention {
        max_age_s: u64::from(bounds.max_days) * 24 * 3600,
        max_messages: bounds.max_messages.into(),
        max_bytes: u64::from(bounds.max_mb) << 20,
    }
}

async fn keep(wiring: Wiring) {
    // An earlier incarnation that is not quite gone holds this a moment longer.
    let mut queue = wiring.history_queue.waiting.lock().await;
    status::opened(&wiring);
    report::untold(&wiring).await;
    status::show_unread(&wiring).await;
    let mut backoff = Backoff::standard();
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut destroy = tokio::time::interval(DESTROY_EVERY);
    let mut sync_at: Option<Instant> = None;
    loop {
        let due = sync_at.unwrap_or_else(Instant::now);
        tokio::select! {
            // In this order, so that what was missed is fetched before newer messages are told of.
            biased;
            () = tokio::time::sleep_until(due), if sync_at.is_some() => {
                sync_at = match synchronise(&wiring, &mut queue).await {
                    Ok(again) => {
                        backoff.reset();
                        again.then(Instant::now)
                    }
                    Err(()) => Some(Instant::now() + backoff.next_delay()),
                };
            }
            next = queue.next() => match next {
                Some(Next::Synchronise) => sync_at = Some(Instant::now()),
                Some(Next::TakeIn(inputs)) => intake::take(&wiring, inputs).await,
                None => return,
            },
            _ = destroy.tick() => intake::destroy(&wiring).await,
            _ = tidy.tick() => {
                let now = super::event::unix_ms() / 1000;
                match wiring.history.retain(retention(&wiring), now).await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "old messages left the history"),
                    Err(error) => status::failed(&wiring, &error).await,
                }
            }
        }
    }
}

/// Fetches what was missed. New messages wait for it, though not for long. Says whether there was
/// another reconnection meanwhile.
async fn synchronise(wiring: &Wiring, queue: &mut Waiting) -> Result<bool, ()> {
    let fetching = tokio::time::timeout(SYNC_LIMIT, sync::run(wiring));
    tokio::pin!(fetching);
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    let mut is_patient = true;
    let mut again = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut fetching => break outcome,
            () = &mut patience, if is_patient => is_patient = false,
            next = queue.next(), if !is_patient => match next {
                Some(Next::Synchronise) => again = true,
                Some(Next::TakeIn(inputs)) => intake::take(wiring, inputs).await,
                None => return Ok(false),
            },
        }
    };
    match outcome {
        Ok(Ok(())) => {
            report::untold(wiring).await;
            status::synchronised(wiring).await;
            Ok(again)
        }
        Ok(Err(error)) => {
            // What is in already need not wait for the rest.
            report::untold(wiring).await;
            status::behind(wiring, error).await;
            Err(())
        }
        Err(_) => {
            status::behind(wiring, sync::SyncError::TooSlow).await;
            Err(())
        }
    }
}
