//! What is done with a stanza before anybody sees it: repetitions are dropped, receipt is
//! confirmed, refusals reach the outbox.

use minidom::Element;

use super::client::ChatEvent;
use crate::base::object_id::ObjectId;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::chat_message::{self, ChatMessage, Incoming, Marker};
use crate::store::Store;

/// The result of taking in one stanza.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// To be told upwards.
    pub(super) event: Option<ChatEvent>,
    /// To be sent: the delivery marker (wire reference B.3).
    pub(super) reply: Option<Element>,
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
            "iq" => Taken {
                event: Some(ChatEvent::Iq(stanza)),
                reply: None,
            },
            "message" => match chat_message::read(self.realm, &stanza) {
                Incoming::Message(message) => self.take_message(message).await,
                Incoming::Error { id, code, text } => self.take_error(id, code, text).await,
                Incoming::Other(reason) => {
                    let id = stanza.attr("id").unwrap_or_default();
                    let kind = stanza.attr("type").unwrap_or_default();
                    let from = stanza.attr("from").unwrap_or_default();
                    tracing::warn!(id, kind, from, reason, "a message is not acted on");
                    Taken::default()
                }
                incoming => Taken {
                    event: Some(ChatEvent::Incoming(incoming)),
                    reply: None,
                },
            },
            // Presence of others is not used yet.
            _ => Taken::default(),
        }
    }

    async fn take_message(&self, message: ChatMessage) -> Taken {
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
        let is_new = message.id.is_empty() || self.is_first_sighting(&message.id).await;
        if !is_new {
            tracing::debug!(id = message.id, "a repetition is dropped");
        }
        Taken {
            event: is_new.then(|| ChatEvent::Incoming(Incoming::Message(message))),
            reply,
        }
    }

    async fn is_first_sighting(&self, id: &str) -> bool {
        self.store.first_sighting(id).await.unwrap_or_else(|error| {
            // Twice is better than never.
            tracing::error!(%error, "cannot tell whether a message is a repetition");
            true
        })
    }

    async fn take_error(&self, id: String, code: u16, text: String) -> Taken {
        let reason = match code {
            0 => text.clone(),
            code => format!("{code} {text}"),
        };
        let event = match self.store.refused(&id, &reason).await {
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
        };
        Taken {
            event: Some(event),
            reply: None,
        }
    }
}
