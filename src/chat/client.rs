//! The handle others hold: send, watch the status.

use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::credentials::CredentialsSource;
use super::runner::ChatRunner;
use super::settings::ChatSettings;
use crate::base::object_id::ObjectId;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::call_signal::CallSignal;
use crate::protocol::chat_message::{self, Incoming, Marker, OutgoingMessage};
use crate::store::{Store, StoreError};

/// Commands waiting for the connection; beyond it they are refused as [`SendError::Busy`].
const QUEUE: usize = 64;
/// Bytes of one stanza of ours. A server closes the stream on a longer one, and a message in the
/// outbox would do so again after every reconnection.
const MAX_STANZA: usize = 64 << 10;
/// Time for the answer to a ping.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// What the chat has to tell.
#[derive(Debug)]
pub enum ChatEvent {
    /// The server has our presence; messages and calls flow.
    Online {
        /// Our user.
        user: UserId,
        /// Our full address.
        jid: String,
    },
    /// Something arrived; a message only the first time. Errors for stored messages come as
    /// [`ChatEvent::Refused`] instead.
    Incoming(Incoming),
    /// The server has this message; it left the outbox.
    Acknowledged {
        /// The message's id.
        message_id: String,
    },
    /// The server refuses this message; it is kept among the refused ones.
    Refused {
        /// The message's id.
        message_id: String,
        /// The server's words.
        reason: String,
    },
    /// An answer or push nobody here asked for.
    Iq(Element),
}

/// Where the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// Not connected; trying again after a delay.
    Offline {
        /// Why; nothing before the first try and after the end.
        reason: Option<String>,
    },
    /// On the way.
    Connecting,
    /// The server has our presence: others reach us.
    Online {
        /// Our user.
        user: UserId,
    },
    /// The server refuses our credentials; tried again every 30 to 60 s.
    Refused {
        /// The server's words.
        reason: String,
    },
}

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no connection, and this is not worth keeping for later.
    #[error("the chat is offline")]
    Offline,
    /// More is being sent than the network takes.
    #[error("too much is being sent already")]
    Busy,
    /// It cannot be written as XML, such as a parameter with a space in its name.
    #[error("it cannot be sent: {0}")]
    Unsendable(String),
    /// It is longer than servers take.
    #[error("{bytes} bytes are more than the {limit} a stanza may have")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// No answer to a ping.
    #[error("no answer")]
    NoAnswer,
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the handle asks of the runner.
pub(super) enum Command {
    /// Send now or not at all.
    Send {
        element: Element,
        accepted: oneshot::Sender<Result<(), SendError>>,
    },
    /// Measure the way to the server.
    Ping { answer: oneshot::Sender<Duration> },
}

/// Makes a client and the loop behind it. Nothing happens until [`ChatRunner::run`].
pub fn chat(
    settings: ChatSettings,
    source: Arc<dyn CredentialsSource>,
    store: Store,
) -> (ChatClient, ChatRunner) {
    let (commands, waiting) = mpsc::channel(QUEUE);
    let (status_sender, status) = watch::channel(ConnectionStatus::Offline { reason: None });
    let queued = Arc::new(Notify::new());
    let client = ChatClient {
        realm: settings.realm.clone(),
        store: store.clone(),
        commands,
        queued: queued.clone(),
        status,
    };
    let runner = ChatRunner::new(settings, source, store, waiting, queued, status_sender);
    (client, runner)
}

/// A handle on the chat, cheap to clone.
#[derive(Clone)]
pub struct ChatClient {
    realm: Realm,
    store: Store,
    commands: mpsc::Sender<Command>,
    queued: Arc<Notify>,
    status: watch::Receiver<ConnectionStatus>,
}

impl std::fmt::Debug for ChatClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatClient")
            .field("realm", &self.realm)
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

impl ChatClient {
    /// Stores a message and sends it as soon as there is a connection, once, in order. When this
    /// returns it survives a power cut.
    ///
    /// # Errors
    /// [`SendError::Store`], [`SendError::TooLong`], [`SendError::Unsendable`]; nothing is kept
    /// then.
    pub async fn send(&self, message: OutgoingMessage) -> Result<(), SendError> {
        check(&message.to_element(&self.realm))?;
        self.store.enqueue(message).await?;
        self.queued.notify_one();
        Ok(())
    }

    /// Sends a call signal now and returns its stanza's id, under which an error would come back.
    /// It is not kept for later: an old signal would ring a call long over.
    ///
    /// # Errors
    /// [`SendError::Offline`] at once without a connection. Success means that it was given to
    /// the network, not that it arrived.
    pub async fn signal(&self, to: UserId, signal: &CallSignal) -> Result<String, SendError> {
        let id = ObjectId::generate().to_string();
        let element = signal.to_element(&self.realm, &id, to);
        self.send_now(element).await.map(|()| id)
    }

    /// Sends a system message (wire reference B.6) now and returns its stanza's id.
    ///
    /// # Errors
    /// As [`ChatClient::signal`].
    pub async fn system(&self, to: UserId, params: &[(&str, &str)]) -> Result<String, SendError> {
        let id = ObjectId::generate().to_string();
        let element = chat_message::system(&self.realm, &id, to, params);
        self.send_now(element).await.map(|()| id)
    }

    /// Sends a marker now. Delivery is confirmed by itself; this is for reading.
    ///
    /// # Errors
    /// As [`ChatClient::signal`].
    pub async fn marker(
        &self,
        marker: Marker,
        author: UserId,
        message_id: &str,
        dialog_id: Option<&str>,
    ) -> Result<(), SendError> {
        let id = ObjectId::generate().to_string();
        let realm = &self.realm;
        let element = chat_message::marker(realm, marker, &id, author, message_id, dialog_id);
        self.send_now(element).await
    }

    /// The time to the server and back.
    ///
    /// # Errors
    /// [`SendError::Offline`], or [`SendError::NoAnswer`] within 10 s.
    pub async fn ping(&self) -> Result<Duration, SendError> {
        self.check_online()?;
        let (answer, answered) = oneshot::channel();
        self.command(Command::Ping { answer })?;
        match tokio::time::timeout(PING_LIMIT, answered).await {
            Ok(Ok(time)) => Ok(time),
            _ => Err(SendError::NoAnswer),
        }
    }

    /// The status now.
    pub fn status(&self) -> ConnectionStatus {
        self.status.borrow().clone()
    }

    /// The status to wait on.
    pub fn watch_status(&self) -> watch::Receiver<ConnectionStatus> {
        self.status.clone()
    }

    async fn send_now(&self, element: Element) -> Result<(), SendError> {
        check(&element)?;
        self.check_online()?;
        let (accepted, outcome) = oneshot::channel();
        self.command(Command::Send { element, accepted })?;
        outcome.await.unwrap_or(Err(SendError::Offline))
    }

    fn check_online(&self) -> Result<(), SendError> {
        match *self.status.borrow() {
            ConnectionStatus::Online { .. } => Ok(()),
            _ => Err(SendError::Offline),
        }
    }

    fn command(&self, command: Command) -> Result<(), SendError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::Busy,
                mpsc::error::TrySendError::Closed(_) => SendError::Offline,
            })
    }
}

/// Refuses what the stream would choke on, before anything is stored.
fn check(element: &Element) -> Result<(), SendError> {
    let mut bytes = Vec::new();
    element
        .write_to(&mut bytes)
        .map_err(|error| SendError::Unsendable(error.to_string()))?;
    match bytes.len() {
        bytes if bytes > MAX_STANZA => Err(SendError::TooLong {
            bytes,
            limit: MAX_STANZA,
        }),
        _ => Ok(()),
    }
}
