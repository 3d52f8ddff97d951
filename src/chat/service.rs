//! One connection being served: stored messages out, stanzas in, commands of the handle.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::{Command, Link, SendError};
use super::connection::{Connection, Event};
use super::error::{ConnectionEnd, Fault};
use super::event::{ChatEvent, ConnectionStatus};
use super::inbox::Inbox;
use super::network::Network;
use super::outbox::Outbox;
use super::resumption::{Purpose, Suspended};
use super::settings::ChatSettings;
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::room_presence::{self, RoomEvent};
use crate::store::Store;

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

/// One connection being served.
pub(super) struct Service<'a> {
    settings: &'a ChatSettings,
    connection: Connection,
    progress: StreamProgress,
    pending: VecDeque<ChatEvent>,
    inbox: Inbox<'a>,
    /// Something was noted that a power cut might undo.
    needs_safety: bool,
}

impl<'a> Service<'a> {
    /// `progress` is that of the last connection; a new stream begins with nothing.
    pub(super) fn new(
        settings: &'a ChatSettings,
        store: &'a Store,
        user: UserId,
        connection: Connection,
        progress: StreamProgress,
    ) -> Self {
        Self {
            settings,
            progress: if connection.is_resumed {
                progress
            } else {
                StreamProgress::default()
            },
            connection,
            pending: VecDeque::new(),
            inbox: Inbox {
                realm: &settings.realm,
                store,
                user,
            },
            needs_safety: false,
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
        if let Err(end) = self.begin(link).await {
            return end;
        }
        let mut has_handles = true;
        loop {
            if let Err(end) = self.fill().await {
                return end;
            }
            let retry = self.progress.outbox.retry_at();
            let retry = retry.filter(|at| *at > Instant::now());
            tokio::select! {
                () = shutdown.cancelled() => return ConnectionEnd::Shutdown,
                event = self.connection.next(), if self.pending.len() < MAX_PENDING => match event {
                    Ok(Event::Online) => self.online(link),
                    Ok(event) => self.take(event, link).await,
                    Err(end) => return end,
                },
                permit = events.reserve(), if !self.pending.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.pending.pop_front() {
                            permit.send(event);
                        }
                    }
                    Err(_) => return ConnectionEnd::Shutdown,
                },
                () = link.queued.notified() => self.progress.outbox.nudged(),
                () = network.changed() => {
                    tracing::info!("the network has changed, the line is tested");
                    self.connection.probe();
                }
                // Only to go round: `fill` sees that it is time.
                () = sleep_until(retry) => {}
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
            self.make_safe().await;
            self.connection.close().await;
            return (None, self.progress, self.pending);
        }
        // The count is told when the stream is resumed.
        self.make_safe().await;
        (self.connection.suspend(end), self.progress, self.pending)
    }

    /// The server has these messages.
    pub(super) async fn acknowledged(&mut self, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        self.progress.outbox.settled(ids.len());
        if let Err(error) = self.inbox.store.all_acknowledged(ids.clone()).await {
            tracing::error!(%error, "acknowledged messages stay queued and go out again");
        }
        let events = ids.into_iter();
        self.pending
            .extend(events.map(|message_id| ChatEvent::Acknowledged { message_id }));
    }

    async fn begin(&mut self, link: &Link) -> Result<(), ConnectionEnd> {
        if !self.connection.is_resumed {
            let retried = self.inbox.store.retry_later_ones().await;
            retried.map_err(|error| Fault::Store(error.to_string()))?;
        }
        // Before the first message: a standard server takes none for a room we are not in.
        let wanted = link.rooms.lock().clone();
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
        let (user, resumed) = (self.inbox.user, self.connection.is_resumed);
        let jid = self.connection.jid.clone();
        tracing::info!(endpoint = %self.settings.endpoint, jid, resumed, "chat is online");
        let status = ConnectionStatus::Online { user, resumed };
        link.status.send_replace(status);
        self.pending
            .push_back(ChatEvent::Online { user, jid, resumed });
    }

    /// Sends stored messages as far as the window allows.
    async fn fill(&mut self) -> Result<(), ConnectionEnd> {
        let failed = |error: crate::store::StoreError| Fault::Store(error.to_string());
        let now = Instant::now();
        if self.progress.outbox.is_retry_due(now) {
            let retried = self.inbox.store.retry_later_ones().await;
            retried.map_err(failed)?;
            self.progress.outbox.retries();
        }
        while let Some((after, limit)) = self.progress.outbox.wants(now) {
            let queued = self.inbox.store.pending_after(after, limit).await;
            let queued = queued.map_err(failed)?;
            self.progress.outbox.taken(&queued, limit);
            for queued in queued {
                let element = queued.message.to_element(self.inbox.realm);
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

    async fn take(&mut self, event: Event, link: &Link) {
        match event {
            // Too late to matter: this is the drain.
            Event::Online => {}
            Event::Stanza(stanza) => {
                let taken = self.inbox.take(stanza).await;
                self.needs_safety |= taken.is_noted;
                if taken.is_put_off {
                    self.progress.outbox.put_off(Instant::now());
                }
                if let Some(ChatEvent::Room { dialog, event }) = &taken.event {
                    self.note_room(dialog, event, link);
                }
                self.pending.extend(taken.event);
                if let Some(reply) = taken.reply
                    && self.connection.send(reply, Purpose::Marker).is_err()
                {
                    tracing::warn!("a delivery marker is dropped, the network takes nothing more");
                }
            }
            Event::CountAsked => {
                if self.make_safe().await {
                    self.connection.answer();
                }
            }
            Event::Acknowledged(ids) => self.acknowledged(ids).await,
            Event::Unsendable { message_id, reason } => {
                self.progress.outbox.settled(1);
                if let Err(error) = self.inbox.store.refused(&message_id, &reason).await {
                    tracing::error!(%error, message_id, "an unsendable message cannot be set aside");
                }
                self.pending
                    .push_back(ChatEvent::Refused { message_id, reason });
            }
        }
    }

    /// Drives what was noted to the disk; says whether the server may be told that we have it.
    async fn make_safe(&mut self) -> bool {
        if !self.needs_safety {
            return true;
        }
        let outcome = self.inbox.store.make_safe().await;
        self.needs_safety = outcome.is_err();
        if let Err(error) = outcome {
            // The server keeps them meanwhile and asks again.
            tracing::error!(%error, "received messages are not safe from a power cut");
            return false;
        }
        true
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
        let (realm, user) = (self.inbox.realm, self.inbox.user);
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
    fn note_room(&mut self, dialog: &str, event: &RoomEvent, link: &Link) {
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
            link.rooms.lock().remove(dialog);
        }
    }

    /// Waits until everything sent is acknowledged.
    async fn drain(&mut self) {
        while !self.connection.is_settled() {
            match self.connection.next().await {
                Ok(Event::Acknowledged(ids)) => self.acknowledged(ids).await,
                Ok(Event::Stanza(stanza)) => {
                    let taken = self.inbox.take(stanza).await;
                    self.needs_safety |= taken.is_noted;
                    self.pending.extend(taken.event);
                }
                Ok(Event::CountAsked) => {
                    if self.make_safe().await {
                        self.connection.answer();
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
