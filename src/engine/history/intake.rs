//! What arrives, in order: into the history, then told of. What has come together is kept together,
//! so that a burst of messages does not wait for the disk once each.

use super::super::event::{EventKind, unix_ms};
use super::super::wiring::Wiring;
use super::{Change, Input, report, status};
use crate::protocol::address::UserId;
use crate::protocol::chat_message::{ChatMessage, Marker};
use crate::store::StoreError;
use crate::store::history::{Arrival, Entry, OwnStatus};

pub(super) async fn take(wiring: &Wiring, inputs: Vec<Input>) {
    let mut inputs = inputs.into_iter().peekable();
    while let Some(input) = inputs.next() {
        let outcome = match input {
            Input::Online => Ok(()),
            Input::Message(first) => {
                let mut messages = vec![*first];
                while let Some(Input::Message(next)) =
                    inputs.next_if(|next| matches!(next, Input::Message(_)))
                {
                    messages.push(*next);
                }
                messages_arrived(wiring, messages).await
            }
            Input::Changed { key, change } => changed(wiring, key, change).await,
            Input::Marked {
                marker,
                message_id,
                from,
            } => marked(wiring, marker, message_id, from).await,
            Input::Own {
                message_id,
                status: OwnStatus::Sent,
                ..
            } => {
                let mut ids = vec![message_id];
                let is_sent = |next: &Input| matches!(next, Input::Own { status, .. } if *status == OwnStatus::Sent);
                while let Some(Input::Own { message_id, .. }) = inputs.next_if(is_sent) {
                    ids.push(message_id);
                }
                wiring.history.own_status(ids, OwnStatus::Sent, None).await
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
}

/// Into the history, then told of, then the line need not keep it any more. What the history
/// does not take stays with the line and is tried again after a restart.
async fn changed(wiring: &Wiring, key: Option<String>, change: Change) -> Result<(), StoreError> {
    let event = match change {
        Change::Edited(edit) => {
            let event = EventKind::ChatEdited {
                message: edit.message_id.clone(),
                from: edit.from,
                dialog: edit.dialog_id.clone(),
                text: edit.body.clone(),
            };
            wiring.history.edited(edit).await?;
            event
        }
        Change::Removed {
            message_id,
            from,
            dialog_id,
        } => {
            wiring.history.removed(&message_id).await?;
            EventKind::ChatRemoved {
                message: message_id,
                from,
                dialog: dialog_id,
            }
        }
        Change::Reaction(change) => {
            let event = EventKind::ChatReaction {
                message: change.message_id.clone(),
                from: change.user,
                dialog: change.dialog_id.clone(),
                added: change.added.clone(),
                removed: change.removed.clone(),
            };
            let me = wiring.user().unwrap_or(0);
            wiring.history.reacted(change, me).await?;
            event
        }
    };
    wiring.board.publish(event);
    taken(wiring, key.into_iter().collect()).await;
    Ok(())
}

async fn marked(
    wiring: &Wiring,
    marker: Marker,
    message_id: String,
    from: UserId,
) -> Result<(), StoreError> {
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

/// From here on a crash does not bring these back.
async fn taken(wiring: &Wiring, keys: Vec<String>) {
    if keys.is_empty() {
        return;
    }
    if let Err(error) = wiring.store.all_taken(keys.clone()).await {
        tracing::warn!(%error, ?keys, "these will be told again after a restart");
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
        is_saved: message.is_saved,
        is_own,
        is_read: is_own,
        status: is_own.then_some(OwnStatus::Sent),
        destroy_at: message.destroy_after.map(|after| now + u64::from(after)),
        ..Entry::default()
    }
}

async fn messages_arrived(wiring: &Wiring, messages: Vec<ChatMessage>) -> Result<(), StoreError> {
    let entries = messages
        .into_iter()
        .map(|message| entry_of(wiring, message));
    // Those without an id have nothing to be known by: they are told of, and kept nowhere.
    let (known_by_id, others): (Vec<Entry>, Vec<Entry>) =
        entries.partition(|entry| !entry.id.is_empty());
    let arrivals = wiring.history.all_arrived(known_by_id.clone()).await;
    let keys: Vec<String> = known_by_id.iter().map(|entry| entry.id.clone()).collect();
    let (fresh, outcome) = match arrivals {
        Ok(arrivals) => {
            let both = known_by_id.into_iter().zip(arrivals);
            // Those fetched before they came are told of together with what was fetched beside them.
            let fresh = both.filter(|(_, arrival)| *arrival == Arrival::New);
            (fresh.map(|(entry, _)| entry).collect(), Ok(()))
        }
        // Without a history a message still reaches whoever listens.
        Err(error) => (known_by_id, Err(error)),
    };
    let fresh: Vec<Entry> = fresh;
    let told = fresh.iter().chain(&others).filter(|entry| !entry.is_own);
    for entry in told.clone() {
        report::tell(wiring, entry);
    }
    let outcome = match outcome {
        Ok(()) => {
            let ids = fresh.iter().map(|entry| entry.id.clone()).collect();
            wiring.history.reported(ids).await
        }
        failed => failed,
    };
    taken(wiring, keys).await;
    report::read(wiring, told.clone()).await;
    if told.count() > 0 {
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
