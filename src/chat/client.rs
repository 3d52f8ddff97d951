//! The handle others hold: send, watch the status.

use std::collections::BTreeSet;
use std::sync::Arc;

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::credentials::CredentialsSource;
use super::event::ConnectionStatus;
use super::resumption::Purpose;
use super::runner::ChatRunner;
use super::settings::ChatSettings;
use crate::base::object_id::ObjectId;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::call_signal::CallSignal;
use crate::protocol::chat_message::{self, Marker, OutgoingMessage};
use crate::store::{Store, StoreError};

/// Commands waiting for the connection; beyond it they are refused as [`SendError::Busy`].
const QUEUE: usize = 64;
/// Bytes of one stanza of ours. A server closes the stream on a longer one, and a message in the
/// outbox would do so again after every reconnection.
const MAX_STANZA: usize = 64 << 10;
/// Rooms a device may be in.
const MAX_ROOMS: usize = 1000;

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
    /// No answer to a request.
    #[error("no answer")]
    NoAnswer,
    /// The answer to a request is an error.
    #[error("{code} {text}")]
    Answered {
        /// Legacy numeric code, 0 when absent.
        code: u16,
        /// The server's words, or the condition's name.
        text: String,
    },
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the handle asks of the runner.
pub(super) enum Command {
    /// Send now or not at all.
    Send {
        element: Element,
        purpose: Purpose,
        accepted: oneshot::Sender<Result<(), SendError>>,
    },
    /// Ask something under the element's id.
    Request {
        iq: Element,
        answer: oneshot::Sender<Element>,
    },
    /// Give this connection up, or the pause before the next one.
    Reconnect,
    /// The rooms to be in have changed: enter or leave this one.
    Room { dialog: String, is_wanted: bool },
}

/// Dialogs whose rooms we want to be in.
pub(super) type Rooms = Arc<Mutex<BTreeSet<String>>>;

/// The runner's end of the handle.
pub(super) struct Link {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) queued: Arc<Notify>,
    pub(super) status: watch::Sender<ConnectionStatus>,
    pub(super) rooms: Rooms,
}

/// Makes a client and the loop behind it. Nothing happens until [`ChatRunner::run`].
pub fn chat(
    settings: ChatSettings,
    source: Arc<dyn CredentialsSource>,
    store: Store,
) -> (ChatClient, ChatRunner) {
    let (commands, waiting) = mpsc::channel(QUEUE);
    let (status_sender, status) = watch::channel(ConnectionStatus::Idle);
    let queued = Arc::new(Notify::new());
    let rooms = Rooms::default();
    let client = ChatClient {
        realm: settings.realm.clone(),
        store: store.clone(),
        commands,
        queued: queued.clone(),
        status,
        rooms: rooms.clone(),
    };
    let link = Link {
        commands: waiting,
        queued,
        status: status_sender,
        rooms,
    };
    let runner = ChatRunner::new(settings, source, store, link);
    (client, runner)
}

/// A handle on the chat, cheap to clone.
#[derive(Clone)]
pub struct ChatClient {
    pub(super) realm: Realm,
    store: Store,
    commands: mpsc::Sender<Command>,
    queued: Arc<Notify>,
    status: watch::Receiver<ConnectionStatus>,
    rooms: Rooms,
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
        self.send_now(element, Purpose::Signal).await.map(|()| id)
    }

    /// Sends a system message (wire reference B.6) now and returns its stanza's id.
    ///
    /// # Errors
    /// As [`ChatClient::signal`].
    pub async fn system(&self, to: UserId, params: &[(&str, &str)]) -> Result<String, SendError> {
        let id = ObjectId::generate().to_string();
        let element = chat_message::system(&self.realm, &id, to, params);
        self.send_now(element, Purpose::Signal).await.map(|()| id)
    }

    /// Sends a stanza made by [`crate::protocol`] now: typing, a system message, a question.
    ///
    /// # Errors
    /// As [`ChatClient::signal`].
    pub async fn now(&self, element: Element) -> Result<(), SendError> {
        self.send_now(element, Purpose::Signal).await
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
        self.send_now(element, Purpose::Marker).await
    }

    /// Enters a dialog's room (RT-25), now or as soon as there is a connection, and again on every
    /// new stream until [`ChatClient::leave`]. What comes of it is told as [`ChatEvent::Room`].
    /// The cloud and the hub bring group messages without it, standard servers do not.
    ///
    /// # Errors
    /// [`SendError::Busy`] beyond a thousand rooms.
    pub fn join(&self, dialog: &str) -> Result<(), SendError> {
        {
            let mut rooms = self.rooms.lock();
            if rooms.len() >= MAX_ROOMS && !rooms.contains(dialog) {
                return Err(SendError::Busy);
            }
            rooms.insert(dialog.to_owned());
        }
        self.room(dialog, true)
    }

    /// Leaves a dialog's room.
    ///
    /// # Errors
    /// [`SendError::Busy`]: the server is not told, but the room is not entered again.
    pub fn leave(&self, dialog: &str) -> Result<(), SendError> {
        self.rooms.lock().remove(dialog);
        self.room(dialog, false)
    }

    fn room(&self, dialog: &str, is_wanted: bool) -> Result<(), SendError> {
        let dialog = dialog.to_owned();
        match self.command(Command::Room { dialog, is_wanted }) {
            // Entered with the next connection.
            Err(SendError::Offline) => Ok(()),
            outcome => outcome,
        }
    }

    /// Gives the present connection up and makes a new one at once, or cuts the pause before the
    /// next try short (RT-14, RT-18). The stream is resumed: nothing is lost by it.
    pub fn reconnect(&self) {
        // A full queue means that the runner is busy; it is not asleep then.
        let _ = self.command(Command::Reconnect);
    }

    /// The status now.
    pub fn status(&self) -> ConnectionStatus {
        self.status.borrow().clone()
    }

    /// The status to wait on.
    pub fn watch_status(&self) -> watch::Receiver<ConnectionStatus> {
        self.status.clone()
    }

    async fn send_now(&self, element: Element, purpose: Purpose) -> Result<(), SendError> {
        check(&element)?;
        self.check_online()?;
        let (accepted, outcome) = oneshot::channel();
        self.command(Command::Send {
            element,
            purpose,
            accepted,
        })?;
        outcome.await.unwrap_or(Err(SendError::Offline))
    }

    pub(super) fn check_online(&self) -> Result<(), SendError> {
        match *self.status.borrow() {
            ConnectionStatus::Online { .. } => Ok(()),
            _ => Err(SendError::Offline),
        }
    }

    pub(super) fn command(&self, command: Command) -> Result<(), SendError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::Busy,
                mpsc::error::TrySendError::Closed(_) => SendError::Offline,
            })
    }
}

/// Refuses what the stream would choke on, before anything is stored.
pub(super) fn check(element: &Element) -> Result<(), SendError> {
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
