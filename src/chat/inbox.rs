//! What is done with a stanza before anybody sees it, sans-IO: what has to be noted is noted
//! first, repetitions are dropped, receipt is confirmed, refusals reach the outbox.

use minidom::Element;

use super::event::ChatEvent;
use crate::base::object_id::ObjectId;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::chat_message::{self, ChatMessage, Incoming, Marker};
use crate::protocol::room_presence;
use crate::store::{Arrived, Noted, Store, StoreError};

/// A stanza, understood.
#[derive(Debug)]
pub(super) enum Read {
    /// To be told, if anything, without a note.
    Ready(Option<ChatEvent>),
    /// To be noted first.
    ToNote(Arrived, Pending),
}

/// What is done with a stanza once it is noted.
#[derive(Debug)]
pub(super) enum Pending {
    /// A message, or what changes one, and the delivery marker to be sent (wire reference B.3).
    Tell {
        incoming: Box<Incoming>,
        reply: Option<Element>,
    },
    /// A message of ours came back.
    Refusal { id: String, code: u16, text: String },
    /// A message of ours came back and is wanted later.
    PutOff { id: String, code: u16, text: String },
}

/// What came of a stanza.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// To be told upwards.
    pub(super) event: Option<ChatEvent>,
    /// To be sent: the delivery marker.
    pub(super) reply: Option<Element>,
    /// The server wants one of our messages later.
    pub(super) is_put_off: bool,
}

impl From<ChatEvent> for Taken {
    fn from(event: ChatEvent) -> Self {
        Self {
            event: Some(event),
            ..Self::default()
        }
    }
}

/// Reads a stanza on behalf of `user`.
pub(super) fn read(realm: &Realm, user: UserId, stanza: Element) -> Read {
    match stanza.name() {
        "iq" => return Read::Ready(Some(ChatEvent::Iq(stanza))),
        "presence" => {
            let event = room_presence::read(realm, user, &stanza);
            return Read::Ready(event.map(|(dialog, event)| ChatEvent::Room { dialog, event }));
        }
        _ => {}
    }
    let incoming = chat_message::read(realm, &stanza);
    match (incoming.key(), incoming) {
        (Some(key), incoming) => {
            let reply = match &incoming {
                Incoming::Message(message) => receipt(realm, user, message),
                _ => None,
            };
            let stanza = String::from(&stanza);
            let arrived = Arrived::Message { key, stanza };
            let incoming = Box::new(incoming);
            Read::ToNote(arrived, Pending::Tell { incoming, reply })
        }
        (None, Incoming::Error { id, code, text }) if asks_to_wait(&stanza) => {
            let arrived = Arrived::PutOff { id: id.clone() };
            Read::ToNote(arrived, Pending::PutOff { id, code, text })
        }
        (None, Incoming::Error { id, code, text }) => {
            let reason = reason(code, &text);
            let arrived = Arrived::Refusal {
                id: id.clone(),
                reason,
            };
            Read::ToNote(arrived, Pending::Refusal { id, code, text })
        }
        (None, Incoming::Other(reason)) => {
            let id = stanza.attr("id").unwrap_or_default();
            let kind = stanza.attr("type").unwrap_or_default();
            let from = stanza.attr("from").unwrap_or_default();
            tracing::warn!(id, kind, from, reason, "a message is not acted on");
            Read::Ready(None)
        }
        (None, incoming) => Read::Ready(Some(ChatEvent::Incoming(incoming))),
    }
}

/// The confirmation that a message is here. A repetition is confirmed again: the first
/// confirmation may be what was lost.
fn receipt(realm: &Realm, user: UserId, message: &ChatMessage) -> Option<Element> {
    let dialog = message.dialog_id.as_deref()?;
    let is_from_other = message.sender != user && !message.is_own_copy;
    is_from_other.then(|| {
        let id = ObjectId::generate().to_string();
        let (author, message) = (message.sender, message.id.as_str());
        chat_message::marker(realm, Marker::Delivered, &id, author, message, Some(dialog))
    })
}

impl Pending {
    /// It was noted, or could not be.
    pub(super) fn noted(self, noted: Result<Noted, &StoreError>) -> Taken {
        match self {
            Self::Tell { incoming, reply } => {
                let is_new = match noted {
                    Ok(noted) => noted == Noted::First,
                    Err(error) => {
                        // Twice is better than never.
                        let key = incoming.key();
                        tracing::error!(%error, ?key, "a message cannot be kept; it is told at once");
                        true
                    }
                };
                if !is_new {
                    tracing::debug!(key = ?incoming.key(), "a repetition is dropped");
                }
                Taken {
                    event: is_new.then(|| ChatEvent::Incoming(*incoming)),
                    reply,
                    is_put_off: false,
                }
            }
            Self::Refusal { id, code, text } => match noted {
                Ok(Noted::Known) => {
                    let reason = reason(code, &text);
                    ChatEvent::Refused {
                        message_id: id,
                        reason,
                    }
                    .into()
                }
                // Not one of the stored messages: a call signal or a marker.
                Ok(_) => ChatEvent::Incoming(Incoming::Error { id, code, text }).into(),
                Err(error) => {
                    tracing::error!(%error, id, text, "a refused message cannot be set aside");
                    ChatEvent::Incoming(Incoming::Error { id, code, text }).into()
                }
            },
            Self::PutOff { id, code, text } => match noted {
                Ok(Noted::Known) => {
                    tracing::info!(id, code, text, "the server asks to send a message later");
                    Taken {
                        is_put_off: true,
                        ..Taken::default()
                    }
                }
                Ok(_) => ChatEvent::Incoming(Incoming::Error { id, code, text }).into(),
                Err(error) => {
                    tracing::error!(%error, id, text, "a message cannot be put off");
                    ChatEvent::Incoming(Incoming::Error { id, code, text }).into()
                }
            },
        }
    }
}

/// Why a message came back, for people.
fn reason(code: u16, text: &str) -> String {
    match code {
        0 => text.to_owned(),
        code => format!("{code} {text}"),
    }
}

/// Messages of an earlier run nobody has taken over, and what changes some, in the order they
/// came.
pub(super) async fn left_over(realm: &Realm, store: &Store) -> Vec<ChatEvent> {
    let untaken = store.untaken().await.unwrap_or_else(|error| {
        tracing::error!(%error, "messages of the last run stay untold");
        Vec::new()
    });
    let read = untaken.into_iter().filter_map(|untaken| {
        let stanza: Element = untaken.stanza.parse().ok()?;
        let incoming = chat_message::read(realm, &stanza);
        // Nothing else is ever kept.
        incoming.key().map(|_| ChatEvent::Incoming(incoming))
    });
    read.collect()
}

/// RFC 6120 §8.3.2: the same will be taken after a while.
fn asks_to_wait(stanza: &Element) -> bool {
    let error = stanza.children().find(|child| child.name() == "error");
    error.is_some_and(|error| error.attr("type") == Some("wait"))
}
