//! What is done with a stanza before anybody sees it: repetitions are dropped, receipt is
//! confirmed, refusals reach the outbox.

use minidom::Element;

use super::event::ChatEvent;
use crate::base::object_id::ObjectId;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::chat_message::{self, ChatMessage, Incoming, Marker};
use crate::protocol::room_presence;
use crate::store::{Sighting, Store};

/// The result of taking in one stanza.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// To be told upwards.
    pub(super) event: Option<ChatEvent>,
    /// To be sent: the delivery marker (wire reference B.3).
    pub(super) reply: Option<Element>,
    /// Something was stored that must be safe before the server may forget it.
    pub(super) is_noted: bool,
    /// The server wants one of our messages later.
    pub(super) is_put_off: bool,
}

impl Taken {
    fn told(event: ChatEvent) -> Self {
        Self {
            event: Some(event),
            ..Self::default()
        }
    }
}

/// Reads stanzas on behalf of one user.
pub(super) struct Inbox<'a> {
    pub(super) realm: &'a Realm,
    pub(super) store: &'a Store,
    pub(super) user: UserId,
}

impl Inbox<'_> {
    /// Takes in one stanza. A message is noted as seen before this returns.
    pub(super) async fn take(&self, stanza: Element) -> Taken {
        match stanza.name() {
            "iq" => Taken::told(ChatEvent::Iq(stanza)),
            "presence" => {
                let event = room_presence::read(self.realm, self.user, &stanza);
                Taken {
                    event: event.map(|(dialog, event)| ChatEvent::Room { dialog, event }),
                    ..Taken::default()
                }
            }
            _ => match chat_message::read(self.realm, &stanza) {
                Incoming::Message(message) => self.take_message(message, &stanza).await,
                Incoming::Error { id, code, text } if asks_to_wait(&stanza) => {
                    self.put_off(id, code, text).await
                }
                Incoming::Error { id, code, text } => self.take_error(id, code, text).await,
                Incoming::Other(reason) => {
                    let id = stanza.attr("id").unwrap_or_default();
                    let kind = stanza.attr("type").unwrap_or_default();
                    let from = stanza.attr("from").unwrap_or_default();
                    tracing::warn!(id, kind, from, reason, "a message is not acted on");
                    Taken::default()
                }
                incoming => Taken::told(ChatEvent::Incoming(incoming)),
            },
        }
    }

    async fn take_message(&self, message: ChatMessage, stanza: &Element) -> Taken {
        let is_from_other = message.sender != self.user && !message.is_own_copy;
        let reply = match &message.dialog_id {
            // A repetition is confirmed again: the first confirmation may be what was lost.
            Some(dialog) if is_from_other && !message.id.is_empty() => Some(chat_message::marker(
                self.realm,
                Marker::Delivered,
                &ObjectId::generate().to_string(),
                message.sender,
                &message.id,
                Some(dialog),
            )),
            _ => None,
        };
        let is_new = message.id.is_empty() || self.note(&message.id, stanza).await;
        if !is_new {
            tracing::debug!(id = message.id, "a repetition is dropped");
        }
        Taken {
            event: is_new.then(|| ChatEvent::Incoming(Incoming::Message(message))),
            reply,
            is_noted: true,
            is_put_off: false,
        }
    }

    /// Keeps a message until somebody has taken it over; says whether it is new.
    async fn note(&self, id: &str, stanza: &Element) -> bool {
        let noted = self.store.received(id, String::from(stanza)).await;
        match noted {
            Ok(sighting) => sighting == Sighting::First,
            Err(error) => {
                // Twice is better than never.
                tracing::error!(%error, id, "a message cannot be kept; it is told at once");
                true
            }
        }
    }

    async fn put_off(&self, id: String, code: u16, text: String) -> Taken {
        match self.store.try_later(&id).await {
            Ok(true) => {
                tracing::info!(id, code, text, "the server asks to send a message later");
                Taken {
                    is_put_off: true,
                    ..Taken::default()
                }
            }
            Ok(false) => Taken::told(ChatEvent::Incoming(Incoming::Error { id, code, text })),
            Err(error) => {
                tracing::error!(%error, id, text, "a message cannot be put off");
                self.take_error(id, code, text).await
            }
        }
    }

    async fn take_error(&self, id: String, code: u16, text: String) -> Taken {
        let reason = match code {
            0 => text.clone(),
            code => format!("{code} {text}"),
        };
        Taken::told(match self.store.refused(&id, &reason).await {
            Ok(true) => ChatEvent::Refused {
                message_id: id,
                reason,
            },
            // Not one of the stored messages: a call signal or a marker.
            Ok(false) => ChatEvent::Incoming(Incoming::Error { id, code, text }),
            Err(error) => {
                tracing::error!(%error, id, reason, "a refused message cannot be set aside");
                ChatEvent::Incoming(Incoming::Error { id, code, text })
            }
        })
    }
}

/// Messages of an earlier run nobody has taken over, in the order they came.
pub(super) async fn left_over(realm: &Realm, store: &Store) -> Vec<ChatEvent> {
    let untaken = store.untaken().await.unwrap_or_else(|error| {
        tracing::error!(%error, "messages of the last run stay untold");
        Vec::new()
    });
    let read = untaken.into_iter().filter_map(|untaken| {
        let stanza: Element = untaken.stanza.parse().ok()?;
        match chat_message::read(realm, &stanza) {
            incoming @ Incoming::Message(_) => Some(ChatEvent::Incoming(incoming)),
            _ => None,
        }
    });
    read.collect()
}

/// RFC 6120 §8.3.2: the same will be taken after a while.
fn asks_to_wait(stanza: &Element) -> bool {
    let error = stanza.children().find(|child| child.name() == "error");
    error.is_some_and(|error| error.attr("type") == Some("wait"))
}
