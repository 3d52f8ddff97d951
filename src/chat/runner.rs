//! The loop behind the handle: connect, serve, wait, again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::client::{Command, Link, SendError};
use super::connection::Connection;
use super::credentials::{Credentials, CredentialsError, CredentialsSource};
use super::error::{ConnectionEnd, Fault};
use super::event::{ChatEvent, ConnectionStatus};
use super::handshake::{Established, establish};
use super::inbox;
use super::network::Network;
use super::resumption::Suspended;
use super::service::{Service, StreamProgress};
use super::settings::ChatSettings;
use crate::base::backoff::{Backoff, NOBODY_THERE};
use crate::store::Store;

/// A connection that lasted so long makes the next delay start from the base.
const HEALTHY: Duration = Duration::from_secs(60);
/// The pause, seconds, while the credentials are refused or another connection displaces us.
const SLOW: std::ops::RangeInclusive<u64> = 30..=60;

/// The loop; consumed by [`ChatRunner::run`].
pub struct ChatRunner {
    settings: ChatSettings,
    source: Arc<dyn CredentialsSource>,
    store: Store,
    link: Link,
    network: Network,
}

impl ChatRunner {
    pub(super) fn new(
        settings: ChatSettings,
        source: Arc<dyn CredentialsSource>,
        store: Store,
        link: Link,
    ) -> Self {
        Self {
            settings,
            source,
            store,
            link,
            network: Network::default(),
        }
    }

    /// Has the line tested or the pause before the next try cut short whenever `changes` changes,
    /// as [`super::network_changes`] does.
    #[must_use]
    pub fn heeding(mut self, changes: watch::Receiver<u64>) -> Self {
        self.network = Network::of(changes);
        self
    }

    /// Keeps the connection until `shutdown`, then gives what is under way two seconds. Ends too
    /// when nobody receives `events` any more. Begins with the messages nobody has taken over in
    /// an earlier run.
    pub async fn run(mut self, events: mpsc::Sender<ChatEvent>, shutdown: CancellationToken) {
        let left_over = inbox::left_over(&self.settings.realm, &self.store).await;
        if tell(left_over, &events, &shutdown).await.is_ok() {
            self.keep_connected(&events, &shutdown).await;
        }
        self.link.status.send_replace(ConnectionStatus::Closed);
    }

    async fn keep_connected(
        &mut self,
        events: &mpsc::Sender<ChatEvent>,
        shutdown: &CancellationToken,
    ) {
        let tuning = self.settings.tuning.clone();
        let backoff = Backoff::new(tuning.retry_first, tuning.retry_longest);
        let mut backoff = backoff.unwrap_or_else(|_| Backoff::standard());
        let mut refused: Option<Credentials> = None;
        let mut suspended: Option<Suspended> = None;
        let mut progress = StreamProgress::default();
        loop {
            self.link.status.send_replace(ConnectionStatus::Connecting);
            self.network.mark_seen();
            let (settings, source) = (self.settings.clone(), self.source.clone());
            let status = self.link.status.clone();
            let attempt = attempt(&settings, &*source, refused.take(), &mut suspended, &status);
            let Some(outcome) = self.offline(shutdown, attempt).await else {
                return;
            };
            let end = match outcome {
                Ok((credentials, established)) => {
                    let since = Instant::now();
                    let served = self.serve(established, &credentials, progress, events, shutdown);
                    let end;
                    (end, suspended, progress) = served.await;
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
                ConnectionEnd::Shutdown => return,
                ConnectionEnd::Lost(Fault::Abandoned) => Duration::ZERO,
                ConnectionEnd::Lost(Fault::Unreachable { .. }) => {
                    backoff.next_delay_within(NOBODY_THERE)
                }
                ConnectionEnd::Lost(_) => backoff.next_delay(),
                ConnectionEnd::Refused { .. } | ConnectionEnd::Conflict => {
                    Duration::from_secs(rand::rng().random_range(SLOW))
                }
            };
            let is_network_to_blame = matches!(end, ConnectionEnd::Lost(_));
            self.report(end, pause);
            match self.pause(shutdown, pause, is_network_to_blame).await {
                Pause::Over => {}
                Pause::CutShort => backoff.reset(),
                Pause::Shutdown => return,
            }
            if events.is_closed() {
                return;
            }
        }
    }

    fn report(&self, end: ConnectionEnd, pause: Duration) {
        let reason = end.to_string();
        let pause_ms = pause.as_millis() as u64;
        tracing::warn!(endpoint = %self.settings.endpoint, reason, pause_ms, "chat is offline");
        self.link.status.send_replace(match end {
            ConnectionEnd::Refused { reason } => ConnectionStatus::Refused { reason },
            ConnectionEnd::Conflict => ConnectionStatus::Displaced,
            _ => ConnectionStatus::Offline {
                reason,
                retry_in: pause,
            },
        });
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
                command = self.link.commands.recv(), if has_handles => match command {
                    Some(command) => refuse(command),
                    None => has_handles = false,
                },
            }
        }
    }

    /// Waits until the next try.
    async fn pause(
        &mut self,
        shutdown: &CancellationToken,
        pause: Duration,
        is_network_to_blame: bool,
    ) -> Pause {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        let mut has_handles = true;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Pause::Shutdown,
                () = &mut over => return Pause::Over,
                () = self.network.changed(), if is_network_to_blame => {
                    tracing::info!("the network has changed, trying again at once");
                    return Pause::CutShort;
                }
                command = self.link.commands.recv(), if has_handles => match command {
                    Some(Command::Reconnect) => return Pause::CutShort,
                    Some(command) => refuse(command),
                    None => has_handles = false,
                },
            }
        }
    }

    async fn serve(
        &mut self,
        established: Established,
        credentials: &Credentials,
        progress: StreamProgress,
        events: &mpsc::Sender<ChatEvent>,
        shutdown: &CancellationToken,
    ) -> (ConnectionEnd, Option<Suspended>, StreamProgress) {
        let user = credentials.user;
        let mut established = established;
        let acknowledged = std::mem::take(&mut established.acknowledged);
        let connection = Connection::new(established, user, &self.settings.tuning);
        let rooms = self.link.rooms.clone();
        let (settings, store) = (&self.settings, &self.store);
        let mut service = Service::new(settings, store, rooms, user, connection, progress);
        service.acknowledged(acknowledged);
        let end = service
            .run(&mut self.link, &mut self.network, events, shutdown)
            .await;
        let (suspended, progress, untold) = service.end(&end).await;
        // What has arrived is noted as seen and would not come again in this run, so it is handed
        // over even though the connection is gone.
        let _ = tell(untold, events, shutdown).await;
        (end, suspended, progress)
    }
}

enum Pause {
    Over,
    CutShort,
    Shutdown,
}

/// The receiver of events is gone, or there was no time left for it.
struct Untold;

async fn tell(
    told: impl IntoIterator<Item = ChatEvent>,
    events: &mpsc::Sender<ChatEvent>,
    shutdown: &CancellationToken,
) -> Result<(), Untold> {
    for event in told {
        tokio::select! {
            // A receiver that takes events has them; one that is gone for good waits for none.
            biased;
            sent = events.send(event) => sent.map_err(|_| Untold)?,
            () = shutdown.cancelled() => return Err(Untold),
        }
    }
    Ok(())
}

fn refuse(command: Command) {
    match command {
        Command::Send { accepted, .. } => {
            let _ = accepted.send(Err(SendError::Offline));
        }
        // Dropping its answer tells the asker.
        Command::Request { .. } => {}
        // There is no connection to give up; rooms are entered when there is one.
        Command::Reconnect | Command::Room { .. } => {}
    }
}

/// Gets credentials and connects with them. A token that had merely expired is replaced right
/// here; credentials refused for good are returned, so that the source hears of them next time.
async fn attempt(
    settings: &ChatSettings,
    source: &dyn CredentialsSource,
    refused: Option<Credentials>,
    suspended: &mut Option<Suspended>,
    status: &watch::Sender<ConnectionStatus>,
) -> Result<(Credentials, Established), (Option<Credentials>, ConnectionEnd)> {
    let reached = || drop(status.send_replace(ConnectionStatus::Authenticated));
    let first = match ask(source, refused.as_ref()).await {
        Ok(credentials) => credentials,
        Err(end) => return Err((refused, end)),
    };
    let end = match establish(settings, &first, suspended, reached).await {
        Err(end @ ConnectionEnd::Refused { .. }) => end,
        Err(end) => return Err((None, end)),
        Ok(established) => return Ok((first, established)),
    };
    match ask(source, Some(&first)).await {
        // The same would be refused again.
        Ok(second) if second == first => Err((Some(first), end)),
        Ok(second) => match establish(settings, &second, suspended, reached).await {
            Ok(established) => Ok((second, established)),
            Err(end) => Err((Some(second), end)),
        },
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
        CredentialsError::Unreachable { endpoint, reason } => {
            Fault::Unreachable { endpoint, reason }.into()
        }
    })
}
