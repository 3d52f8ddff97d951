//! What arrives, one by one: into the history, then told of.

use super::super::event::{EventKind, unix_ms};
use super::super::wiring::Wiring;
use super::{Input, report, status};
use crate::protocol::chat_message::{ChatMessage, Marker};
use crate::store::StoreError;
use crate::store::history::{Arrival, Entry, OwnStatus};

pub(super) async fn take(wiring: &Wiring, input: Input) {
    let outcome = match input {
        Input::Online => Ok(()),
        Input::Message(message) => message_arrived(wiring, *message).await,
        Input::Edited(edit) => {
            let event = EventKind::ChatEdited {
                message: edit.message_id.clone(),
                from: edit.from,
                dialog: edit.dialog_id.clone(),
                text: edit.body.clone(),
            };
            wiring.history.edited(edit).await.map(|_| {
                wiring.board.publish(event);
            })
        }
        Input::Removed {
            message_id,
            from,
            dialog_id,
        } => wiring.history.removed(&message_id).await.map(|_| {
            wiring.board.publish(EventKind::ChatRemoved {
                message: message_id,
                from,
                dialog: dialog_id,
            });
        }),
        Input::Reaction(change) => {
            let event = EventKind::ChatReaction {
                message: change.message_id.clone(),
                from: change.user,
                dialog: change.dialog_id.clone(),
                added: change.added.clone(),
                removed: change.removed.clone(),
            };
            let me = wiring.user().unwrap_or(0);
            wiring.history.reacted(change, me).await.map(|()| {
                wiring.board.publish(event);
            })
        }
        Input::Marked {
            marker,
            message_id,
            from,
        } => {
            let noted = wiring.history.marked(&message_id, marker, from).await;
            wiring.board.publish(EventKind::ChatMarker {
                message: message_id,
                from,
                marker: match marker {
                    Marker::Delivered => "delivered",
                    Marker::Read => "read",
                },
            });
            noted.map(drop)
        }
        Input::Own {
            message_id,
            status,
            reason,
        } => {
            let ids = vec![message_id];
            wiring.history.own_status(ids, status, reason).await
        }
    };
    if let Err(error) = outcome {
        status::failed(wiring, &error).await;
    }
}

/// A message as the history keeps it.
fn entry_of(wiring: &Wiring, message: ChatMessage) -> Entry {
    let is_own = message.is_own_copy || wiring.user() == Some(message.sender);
    let now = unix_ms() / 1000;
    Entry {
        id: message.id,
        dialog: message.dialog_id,
        sender: message.sender,
        recipient: message.recipient.filter(|_| !message.is_group),
        date_sent: message.date_sent.unwrap_or(now),
        text: message.body,
        attachments: message.attachments,
        custom: message.custom,
        is_own,
        is_read: is_own,
        status: is_own.then_some(OwnStatus::Sent),
        destroy_at: message.destroy_after.map(|after| now + u64::from(after)),
        ..Entry::default()
    }
}

async fn message_arrived(wiring: &Wiring, message: ChatMessage) -> Result<(), StoreError> {
    let entry = entry_of(wiring, message);
    let arrival = if entry.id.is_empty() {
        // Nothing to know it by: it is told of, and kept nowhere.
        Ok(Arrival::New)
    } else {
        wiring.history.arrived(entry.clone()).await
    };
    let arrival_kind = arrival.as_ref().ok().copied();
    match arrival {
        Ok(Arrival::Known) => {}
        Ok(Arrival::New) if entry.is_own => {}
        // Without a history a message still reaches whoever listens.
        Ok(Arrival::New) | Err(_) => {
            if !entry.is_own {
                report::tell(wiring, &entry);
            }
        }
    }
    let outcome = match arrival {
        Ok(Arrival::New) => wiring.history.reported(vec![entry.id.clone()]).await,
        // Fetched before it came: told of together with what was fetched beside it.
        Ok(Arrival::Known) => Ok(()),
        Err(error) => Err(error),
    };
    // From here on a crash does not bring it back.
    if let Err(error) = wiring.store.taken(&entry.id).await {
        tracing::warn!(%error, id = entry.id, "a message will be told again after a restart");
    }
    if !entry.is_own && !matches!(arrival_kind, Some(Arrival::Known)) {
        report::read(wiring, &entry).await;
        status::show_unread(wiring).await;
    }
    outcome
}

/// Removes what was to disappear by now.
pub(super) async fn destroy(wiring: &Wiring) {
    let now = unix_ms() / 1000;
    match wiring.history.destroy_due(now).await {
        Ok(ids) => {
            for message in ids {
                wiring.board.publish(EventKind::ChatDestroyed { message });
            }
        }
        Err(error) => tracing::warn!(%error, "self-destroying messages are still there"),
    }
}
