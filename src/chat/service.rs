//! One connection being served: stored messages out, stanzas in, commands of the handle.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::{Command, Link, Rooms, SendError};
use super::connection::{Connection, Event};
use super::error::{ConnectionEnd, Fault};
use super::event::{ChatEvent, ConnectionStatus};
use super::inbox::{self, Pending, Read};
use super::intake::{Done, Intake, Work};
use super::network::Network;
use super::outbox::Outbox;
use super::resumption::{Purpose, Suspended};
use super::settings::ChatSettings;
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::room_presence::{self, RoomEvent};
use crate::store::{Arrived, Noted, Store, StoreError};

/// Events the receiver has not taken yet; beyond it nothing more is read from the server.
const MAX_PENDING: usize = 64;
/// Time for acknowledgements to arrive before the goodbye.
const DRAIN: Duration = Duration::from_secs(2);

/// What belongs to a stream and not to one of its connections.
#[derive(Debug, Default)]
pub(super) struct StreamProgress {
    outbox: Outbox,
    /// Rooms the server was asked to let us into.
    entered: BTreeSet<String>,
}

/// What came of [`Work`].
enum Outcome {
    Noted(Result<Vec<Noted>, StoreError>),
    Safe(Result<(), StoreError>),
}

/// One connection being served.
pub(super) struct Service<'a> {
    settings: &'a ChatSettings,
    store: &'a Store,
    user: UserId,
    connection: Connection,
    progress: StreamProgress,
    pending: VecDeque<ChatEvent>,
    rooms: Rooms,
    intake: Intake,
    /// What the intake has the store do.
    working: Option<BoxFuture<'static, Outcome>>,
    /// Acknowledged by the server and still in the outbox.
    settled: Vec<String>,
    /// These leave the outbox.
    leaving: Option<BoxFuture<'static, Vec<String>>>,
}

impl<'a> Service<'a> {
    /// `progress` is that of the last connection; a new stream begins with nothing.
    pub(super) fn new(
        settings: &'a ChatSettings,
        store: &'a Store,
        rooms: Rooms,
        user: UserId,
        connection: Connection,
        progress: StreamProgress,
    ) -> Self {
        Self {
            settings,
            store,
            user,
            progress: if connection.is_resumed {
                progress
            } else {
                StreamProgress::default()
            },
            connection,
            pending: VecDeque::new(),
            rooms,
            intake: Intake::default(),
            working: None,
            settled: Vec::new(),
            leaving: None,
        }
    }

    /// Serves until the connection or everything ends.
    pub(super) async fn run(
        &mut self,
        link: &mut Link,
        network: &mut Network,
        events: &mpsc::Sender<ChatEvent>,
        shutdown: &CancellationToken,
    ) -> ConnectionEnd {
        if let Err(end) = self.begin().await {
            return end;
        }
        let mut has_handles = true;
        loop {
            if let Err(end) = self.fill().await {
                return end;
            }
            self.go_on();
            let has_room = self.pending.len() < MAX_PENDING && self.intake.has_room();
            let wake = self.wakes_at();
            tokio::select! {
                () = shutdown.cancelled() => return ConnectionEnd::Shutdown,
                event = self.connection.next(), if has_room => match event {
                    Ok(Event::Online) => self.online(link),
                    Ok(event) => self.take(event),
                    Err(end) => return end,
                },
                outcome = finished(&mut self.working) => self.worked(outcome),
                ids = finished(&mut self.leaving) => self.left(ids),
                permit = events.reserve(), if !self.pending.is_empty() => match permit {
                    Ok(permit) => self.tell(permit, events),
                    Err(_) => return ConnectionEnd::Shutdown,
                },
                () = link.queued.notified() => self.progress.outbox.nudged(),
                () = network.changed() => {
                    tracing::info!("the network has changed, the line is tested");
                    self.connection.probe();
                }
                // Only to go round: it is time for something.
                () = sleep_until(wake) => {}
                command = link.commands.recv(), if has_handles => match command {
                    Some(Command::Reconnect) => return Fault::Abandoned.into(),
                    Some(command) => self.command(command),
                    None => has_handles = false,
                },
            }
        }
    }

    /// Closes or suspends. Gives what resumes the stream, and what was not told yet.
    pub(super) async fn end(
        mut self,
        end: &ConnectionEnd,
    ) -> (Option<Suspended>, StreamProgress, VecDeque<ChatEvent>) {
        if *end == ConnectionEnd::Shutdown {
            // Bounded in time, so a dead server cannot keep us.
            let _ = tokio::time::timeout(DRAIN, self.drain()).await;
            self.finish().await;
            self.connection.close().await;
            return (None, self.progress, self.pending);
        }
        // The count is told when the stream is resumed.
        self.finish().await;
        (self.connection.suspend(end), self.progress, self.pending)
    }

    /// The server has these messages.
    pub(super) fn acknowledged(&mut self, ids: Vec<String>) {
        self.progress.outbox.settled(ids.len());
        self.settled.extend(ids);
    }

    /// Has the store do what there is to do, as far as it is idle.
    fn go_on(&mut self) {
        if self.intake.take_count_due() {
            self.connection.answer();
        }
        if let Some(work) = self.intake.next_work(Instant::now()) {
            self.working = Some(carry_out(self.store.clone(), work));
        }
        if self.leaving.is_none() && !self.settled.is_empty() {
            let (store, ids) = (self.store.clone(), std::mem::take(&mut self.settled));
            let leave = async move {
                if let Err(error) = store.all_acknowledged(ids.clone()).await {
                    tracing::error!(%error, "acknowledged messages stay queued and go out again");
                }
                ids
            };
            self.leaving = Some(leave.boxed());
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        let retry = self.progress.outbox.retry_at();
        let retry = retry.filter(|at| *at > Instant::now());
        retry.into_iter().chain(self.intake.wakes_at()).min()
    }

    fn worked(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Noted(noted) => {
                for done in self.intake.noted(noted) {
                    self.dealt_with(done);
                }
            }
            Outcome::Safe(outcome) => self.intake.is_safe(&outcome),
        }
    }

    fn dealt_with(&mut self, Done { ticket, taken }: Done) {
        if let Some(ticket) = ticket {
            self.connection.settle(ticket);
        }
        if taken.is_put_off {
            self.progress.outbox.put_off(Instant::now());
        }
        if let Some(ChatEvent::Room { dialog, event }) = &taken.event {
            self.note_room(dialog, event);
        }
        self.pending.extend(taken.event);
        if let Some(reply) = taken.reply
            && self.connection.send(reply, Purpose::Marker).is_err()
        {
            tracing::warn!("a delivery marker is dropped, the network takes nothing more");
        }
    }

    /// These have left the outbox.
    fn left(&mut self, ids: Vec<String>) {
        let events = ids.into_iter();
        self.pending
            .extend(events.map(|message_id| ChatEvent::Acknowledged { message_id }));
    }

    /// Hands over as many events as are taken.
    fn tell(&mut self, permit: mpsc::Permit<'_, ChatEvent>, events: &mpsc::Sender<ChatEvent>) {
        let mut permit = Some(permit);
        while let Some(place) = permit.take()
            && let Some(event) = self.pending.pop_front()
        {
            place.send(event);
            permit = events.try_reserve().ok();
        }
    }

    async fn begin(&mut self) -> Result<(), ConnectionEnd> {
        // What the end of the last stream has acknowledged must not be read from the outbox again.
        self.go_on();
        if self.leaving.is_some() {
            let ids = finished(&mut self.leaving).await;
            self.left(ids);
        }
        if !self.connection.is_resumed {
            let retried = self.store.retry_later_ones().await;
            retried.map_err(|error| Fault::Store(error.to_string()))?;
        }
        // Before the first message: a standard server takes none for a room we are not in.
        let wanted = self.rooms.lock().clone();
        let entered = self.progress.entered.clone();
        for dialog in entered.difference(&wanted) {
            self.room(dialog, false);
        }
        for dialog in wanted.difference(&entered) {
            self.room(dialog, true);
        }
        Ok(())
    }

    fn online(&mut self, link: &Link) {
        let (user, resumed) = (self.user, self.connection.is_resumed);
        let jid = self.connection.jid.clone();
        tracing::info!(endpoint = %self.settings.endpoint, jid, resumed, "chat is online");
        let status = ConnectionStatus::Online { user, resumed };
        link.status.send_replace(status);
        self.pending
            .push_back(ChatEvent::Online { user, jid, resumed });
    }

    /// Sends stored messages as far as the window allows.
    async fn fill(&mut self) -> Result<(), ConnectionEnd> {
        let failed = |error: StoreError| Fault::Store(error.to_string());
        let now = Instant::now();
        // Not before those acknowledged have left: everything is read from the start.
        let are_all_gone = self.leaving.is_none() && self.settled.is_empty();
        if are_all_gone && self.progress.outbox.is_retry_due(now) {
            let retried = self.store.retry_later_ones().await;
            retried.map_err(failed)?;
            self.progress.outbox.retries();
        }
        while let Some((after, limit)) = self.progress.outbox.wants(now) {
            let queued = self.store.pending_after(after, limit).await;
            let queued = queued.map_err(failed)?;
            self.progress.outbox.taken(&queued, limit);
            for queued in queued {
                let element = queued.message.to_element(&self.settings.realm);
                let purpose = Purpose::Message(queued.message.id);
                if self.connection.send(element, purpose).is_err() {
                    // The window is far below the connection's room; if signals have used that
                    // up, this connection is no good any more.
                    return Err(Fault::Broken("the network takes nothing more".into()).into());
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        match event {
            // Too late to matter: this is the drain.
            Event::Online => {}
            Event::Stanza(stanza, ticket) => {
                let read = inbox::read(&self.settings.realm, self.user, stanza);
                if let Some(done) = self.intake.put(ticket, read) {
                    self.dealt_with(done);
                }
            }
            Event::CountAsked => self.intake.ask_for_count(),
            Event::Acknowledged(ids) => self.acknowledged(ids),
            Event::Unsendable { message_id, reason } => {
                self.progress.outbox.settled(1);
                let arrived = Arrived::Refusal {
                    id: message_id.clone(),
                    reason: reason.clone(),
                };
                let pending = Pending::Refusal {
                    id: message_id,
                    code: 0,
                    text: reason,
                };
                self.intake.put(None, Read::ToNote(arrived, pending));
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Send {
                element,
                purpose,
                accepted,
            } => {
                let outcome = self.connection.send(element, purpose);
                // The asker may have given up.
                let _ = accepted.send(outcome.map_err(|_| SendError::Busy));
            }
            Command::Request { iq, answer } => self.connection.request(iq, answer),
            Command::Room { dialog, is_wanted } => {
                if self.progress.entered.contains(&dialog) != is_wanted {
                    self.room(&dialog, is_wanted);
                }
            }
            // Taken care of by the caller.
            Command::Reconnect => {}
        }
    }

    fn room(&mut self, dialog: &str, is_wanted: bool) {
        let (realm, user) = (&self.settings.realm, self.user);
        let presence = if is_wanted {
            self.progress.entered.insert(dialog.to_owned());
            room_presence::join(realm, &ObjectId::generate().to_string(), user, dialog)
        } else {
            self.progress.entered.remove(dialog);
            room_presence::leave(realm, user, dialog)
        };
        if self.connection.send(presence, Purpose::Other).is_err() {
            tracing::warn!(dialog, "a room is not told, the network takes nothing more");
        }
    }

    /// A room that put us out for good is not entered again by itself.
    fn note_room(&mut self, dialog: &str, event: &RoomEvent) {
        let is_over = match event {
            // The room's service goes down and comes back.
            RoomEvent::Removed { code: 332, .. } => {
                self.progress.entered.remove(dialog);
                return;
            }
            RoomEvent::Removed { .. } => true,
            RoomEvent::Refused { code, .. } => {
                self.progress.entered.remove(dialog);
                // Not authorised, banned, unknown, members only (XEP-0045 §7.2).
                matches!(code, 401 | 403 | 404 | 407)
            }
            _ => return,
        };
        if is_over {
            self.progress.entered.remove(dialog);
            self.rooms.lock().remove(dialog);
        }
    }

    /// Waits until everything sent is acknowledged.
    async fn drain(&mut self) {
        while !self.connection.is_settled() {
            self.go_on();
            let wake = self.intake.wakes_at();
            tokio::select! {
                event = self.connection.next(), if self.intake.has_room() => match event {
                    Ok(event) => self.take(event),
                    Err(_) => return,
                },
                outcome = finished(&mut self.working) => self.worked(outcome),
                ids = finished(&mut self.leaving) => self.left(ids),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Waits until the store has all that was read, safe from a power cut, and the outbox has
    /// nothing any more that the server has.
    async fn finish(&mut self) {
        loop {
            self.go_on();
            if self.working.is_none() {
                let work = self.intake.last_work();
                self.working = work.map(|work| carry_out(self.store.clone(), work));
            }
            if self.working.is_some() {
                let outcome = finished(&mut self.working).await;
                let is_hopeless = matches!(outcome, Outcome::Safe(Err(_)));
                self.worked(outcome);
                if is_hopeless {
                    break;
                }
            } else if self.leaving.is_some() {
                let ids = finished(&mut self.leaving).await;
                self.left(ids);
            } else {
                break;
            }
        }
    }
}

fn carry_out(store: Store, work: Work) -> BoxFuture<'static, Outcome> {
    async move {
        match work {
            Work::Note(arrived) => Outcome::Noted(store.take_in(arrived).await),
            Work::MakeSafe => Outcome::Safe(store.make_safe().await),
        }
    }
    .boxed()
}

/// Waits for what is under way, if anything is. May be dropped and called again at any time.
async fn finished<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(work) = under_way else {
        return std::future::pending().await;
    };
    let outcome = work.await;
    *under_way = None;
    outcome
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
