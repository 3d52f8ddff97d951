//! The loop behind the handle: connect, serve, wait, again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::client::{ChatEvent, Command, ConnectionStatus, SendError};
use super::connection::{Connection, Event};
use super::credentials::{Credentials, CredentialsError, CredentialsSource};
use super::error::{ConnectionEnd, Fault};
use super::handshake::establish;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::settings::ChatSettings;
use crate::base::backoff::Backoff;
use crate::store::Store;

/// A connection that lasted so long makes the next delay start from the base.
const HEALTHY: Duration = Duration::from_secs(60);
/// The pause, seconds, while the credentials are refused or another connection displaces us.
const SLOW: std::ops::RangeInclusive<u64> = 30..=60;
/// Events the receiver has not taken yet; beyond it nothing more is read from the server.
const MAX_PENDING: usize = 64;
/// Time for acknowledgements to arrive before the goodbye.
const DRAIN: Duration = Duration::from_secs(2);

/// The loop; consumed by [`ChatRunner::run`].
pub struct ChatRunner {
    settings: ChatSettings,
    source: Arc<dyn CredentialsSource>,
    store: Store,
    commands: mpsc::Receiver<Command>,
    queued: Arc<Notify>,
    status: watch::Sender<ConnectionStatus>,
}

impl ChatRunner {
    pub(super) fn new(
        settings: ChatSettings,
        source: Arc<dyn CredentialsSource>,
        store: Store,
        commands: mpsc::Receiver<Command>,
        queued: Arc<Notify>,
        status: watch::Sender<ConnectionStatus>,
    ) -> Self {
        Self {
            settings,
            source,
            store,
            commands,
            queued,
            status,
        }
    }

    /// Keeps the connection until `shutdown`, then gives what is under way two seconds. Ends too
    /// when nobody receives `events` any more.
    pub async fn run(mut self, events: mpsc::Sender<ChatEvent>, shutdown: CancellationToken) {
        let mut backoff = Backoff::standard();
        let mut refused: Option<Credentials> = None;
        loop {
            self.status.send_replace(ConnectionStatus::Connecting);
            let attempt = attempt(self.settings.clone(), self.source.clone(), refused.take());
            let Some(outcome) = self.offline(&shutdown, attempt).await else {
                break;
            };
            let end = match outcome {
                Ok((credentials, connection)) => {
                    let since = Instant::now();
                    let end = self.serve(connection, &credentials, &events, &shutdown);
                    let end = end.await;
                    if since.elapsed() >= HEALTHY {
                        backoff.reset();
                    }
                    end
                }
                Err((credentials, end)) => {
                    refused = credentials;
                    end
                }
            };
            let pause = match &end {
                ConnectionEnd::Shutdown => break,
                ConnectionEnd::Lost(_) => backoff.next_delay(),
                ConnectionEnd::Refused { .. } | ConnectionEnd::Conflict => {
                    Duration::from_secs(rand::rng().random_range(SLOW))
                }
            };
            let reason = end.to_string();
            let pause_ms = pause.as_millis() as u64;
            tracing::warn!(endpoint = %self.settings.endpoint, reason, pause_ms, "chat is offline");
            self.status.send_replace(match end {
                ConnectionEnd::Refused { reason } => ConnectionStatus::Refused { reason },
                _ => ConnectionStatus::Offline {
                    reason: Some(reason),
                },
            });
            let wait = tokio::time::sleep(pause);
            if self.offline(&shutdown, wait).await.is_none() || events.is_closed() {
                break;
            }
        }
        self.status
            .send_replace(ConnectionStatus::Offline { reason: None });
    }

    /// Waits for something while there is no connection, telling everybody so who wants to send.
    async fn offline<T>(
        &mut self,
        shutdown: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(work);
        let mut has_handles = true;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return None,
                value = &mut work => return Some(value),
                command = self.commands.recv(), if has_handles => match command {
                    Some(Command::Send { accepted, .. }) => {
                        let _ = accepted.send(Err(SendError::Offline));
                    }
                    // Dropping its answer tells the asker.
                    Some(Command::Ping { .. }) => {}
                    None => has_handles = false,
                },
            }
        }
    }

    async fn serve(
        &mut self,
        connection: Connection,
        credentials: &Credentials,
        events: &mpsc::Sender<ChatEvent>,
        shutdown: &CancellationToken,
    ) -> ConnectionEnd {
        let user = credentials.user;
        let jid = connection.jid.clone();
        let mut service = Service {
            connection,
            outbox: Outbox::new(),
            pending: VecDeque::new(),
            inbox: Inbox {
                realm: &self.settings.realm,
                store: &self.store,
                user,
            },
        };
        let mut has_handles = true;
        let end = loop {
            if let Err(end) = service.fill().await {
                break end;
            }
            tokio::select! {
                () = shutdown.cancelled() => break ConnectionEnd::Shutdown,
                event = service.connection.next(), if service.pending.len() < MAX_PENDING => {
                    match event {
                        Ok(Event::Online) => {
                            let (endpoint, jid) = (&self.settings.endpoint, jid.clone());
                            tracing::info!(%endpoint, jid, "chat is online");
                            self.status.send_replace(ConnectionStatus::Online { user });
                            service.pending.push_back(ChatEvent::Online { user, jid });
                        }
                        Ok(event) => service.take(event).await,
                        Err(end) => break end,
                    }
                }
                permit = events.reserve(), if !service.pending.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = service.pending.pop_front() {
                            permit.send(event);
                        }
                    }
                    Err(_) => break ConnectionEnd::Shutdown,
                },
                () = self.queued.notified() => service.outbox.nudged(),
                command = self.commands.recv(), if has_handles => match command {
                    Some(command) => service.command(command),
                    None => has_handles = false,
                },
            }
        };
        if end == ConnectionEnd::Shutdown {
            // Bounded in time, so a dead server cannot keep us.
            let _ = tokio::time::timeout(DRAIN, service.drain()).await;
            service.connection.close().await;
        }
        // What has arrived is noted as seen and would not come again, so it is handed over even
        // though the connection is gone.
        for event in service.pending {
            tokio::select! {
                // A receiver that takes events has them; one that is gone for good waits for none.
                biased;
                sent = events.send(event) => if sent.is_err() { break },
                () = shutdown.cancelled() => break,
            }
        }
        end
    }
}

/// Gets credentials and connects with them. A token that had merely expired is replaced right
/// here; credentials refused for good are returned, so that the source hears of them next time.
async fn attempt(
    settings: ChatSettings,
    source: Arc<dyn CredentialsSource>,
    refused: Option<Credentials>,
) -> Result<(Credentials, Connection), (Option<Credentials>, ConnectionEnd)> {
    let first = match ask(&*source, refused.as_ref()).await {
        Ok(credentials) => credentials,
        Err(end) => return Err((refused, end)),
    };
    let end = match connect(&settings, first.clone()).await {
        Err(end @ ConnectionEnd::Refused { .. }) => end,
        Err(end) => return Err((None, end)),
        Ok(connected) => return Ok(connected),
    };
    match ask(&*source, Some(&first)).await {
        // The same would be refused again.
        Ok(second) if second == first => Err((Some(first), end)),
        Ok(second) => connect(&settings, second.clone())
            .await
            .map_err(|end| (Some(second), end)),
        Err(end) => Err((Some(first), end)),
    }
}

async fn ask(
    source: &dyn CredentialsSource,
    refused: Option<&Credentials>,
) -> Result<Credentials, ConnectionEnd> {
    let credentials = source.credentials(refused).await;
    credentials.map_err(|error| match error {
        CredentialsError::Refused(reason) => ConnectionEnd::Refused { reason },
        CredentialsError::Unavailable(reason) => Fault::Session(reason).into(),
    })
}

async fn connect(
    settings: &ChatSettings,
    credentials: Credentials,
) -> Result<(Credentials, Connection), ConnectionEnd> {
    let established = establish(settings, &credentials).await?;
    Ok((credentials, Connection::new(established)))
}

/// One connection being served.
struct Service<'a> {
    connection: Connection,
    outbox: Outbox,
    pending: VecDeque<ChatEvent>,
    inbox: Inbox<'a>,
}

impl Service<'_> {
    /// Sends stored messages as far as the window allows.
    async fn fill(&mut self) -> Result<(), ConnectionEnd> {
        while let Some((after, limit)) = self.outbox.wants() {
            let queued = self
                .inbox
                .store
                .pending_after(after, limit)
                .await
                .map_err(|error| Fault::Store(error.to_string()))?;
            self.outbox.taken(&queued, limit);
            for queued in queued {
                let element = queued.message.to_element(self.inbox.realm);
                if self
                    .connection
                    .send(element, Some(queued.message.id))
                    .is_err()
                {
                    // The window is far below the connection's room; if signals have used that
                    // up, this connection is no good any more.
                    return Err(Fault::Broken("the network takes nothing more".into()).into());
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) {
        match event {
            // Too late to matter: this is the drain.
            Event::Online => {}
            Event::Stanza(stanza) => {
                let taken = self.inbox.take(stanza).await;
                self.pending.extend(taken.event);
                if let Some(reply) = taken.reply
                    && self.connection.send(reply, None).is_err()
                {
                    tracing::warn!("a delivery marker is dropped, the network takes nothing more");
                }
            }
            Event::Acknowledged(ids) => {
                self.outbox.settled(ids.len());
                if let Err(error) = self.inbox.store.all_acknowledged(ids.clone()).await {
                    tracing::error!(%error, "acknowledged messages stay queued and go out again");
                }
                let events = ids.into_iter();
                self.pending
                    .extend(events.map(|message_id| ChatEvent::Acknowledged { message_id }));
            }
            Event::Unsendable { message_id, reason } => {
                self.outbox.settled(1);
                if let Err(error) = self.inbox.store.refused(&message_id, &reason).await {
                    tracing::error!(%error, message_id, "an unsendable message cannot be set aside");
                }
                self.pending
                    .push_back(ChatEvent::Refused { message_id, reason });
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Send { element, accepted } => {
                let outcome = self.connection.send(element, None);
                // The asker may have given up.
                let _ = accepted.send(outcome.map_err(|_| SendError::Busy));
            }
            Command::Ping { answer } => {
                let host = &self.inbox.realm.chat_host;
                self.connection.ping(host, answer);
            }
        }
    }

    /// Waits until everything sent is acknowledged.
    async fn drain(&mut self) {
        while !self.connection.is_settled() {
            match self.connection.next().await {
                Ok(event) => self.take(event).await,
                Err(_) => return,
            }
        }
    }
}
