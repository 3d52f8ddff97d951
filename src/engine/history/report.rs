//! Telling of messages: the event, then the note that it was told, then the read marker.

use super::super::attachments;
use super::super::event::{EventKind, MessageDetails};
use super::super::wiring::Wiring;
use super::status;
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::{
    Action, Contact, Marker, OutgoingMessage, Target, params_to_json,
};
use crate::store::history::Entry;

/// Messages told of between two notes.
const BATCH: u32 = 100;

/// Tells of everything nobody was told of: what was fetched, and what an earlier run left.
pub(super) async fn untold(wiring: &Wiring) {
    loop {
        let entries = match wiring.history.unreported(BATCH).await {
            Ok(entries) => entries,
            Err(error) => return status::failed(wiring, &error).await,
        };
        if entries.is_empty() {
            return;
        }
        let ids = entries.iter().map(|entry| entry.id.clone()).collect();
        for entry in &entries {
            if !entry.is_removed {
                tell(wiring, entry);
            }
        }
        if let Err(error) = wiring.history.reported(ids).await {
            // Going on would tell of the same ones again and again.
            return status::failed(wiring, &error).await;
        }
        for entry in &entries {
            confirm(wiring, entry, Marker::Delivered).await;
            read(wiring, entry).await;
        }
    }
}

/// Tells of one message.
pub(super) fn tell(wiring: &Wiring, entry: &Entry) {
    attachments::save_by_itself(wiring, entry);
    wiring.board.publish(EventKind::ChatMessage {
        message: entry.id.clone(),
        from: entry.sender,
        dialog: entry.dialog.clone(),
        text: entry.text.clone(),
        details: Box::new(MessageDetails {
            date_sent: entry.date_sent,
            attachments: entry.attachments.clone(),
            contacts: entry.attachments.iter().filter_map(Contact::of).collect(),
            custom: params_to_json(&entry.custom),
            destroy_at: entry.destroy_at,
        }),
    });
}

/// Whoever follows the events is this device's reader, unless the configuration says that reading
/// is ordered.
pub(super) async fn read(wiring: &Wiring, entry: &Entry) {
    if !wiring.config.history.read_on_arrival || entry.is_removed {
        return;
    }
    if let Err(error) = wiring
        .history
        .read_by_us(None, vec![entry.id.clone()])
        .await
    {
        tracing::warn!(%error, "a message stays unread in the history");
    }
    confirm(wiring, entry, Marker::Read).await;
}

async fn confirm(wiring: &Wiring, entry: &Entry, marker: Marker) {
    let dialog = entry.dialog.as_deref();
    mark(wiring, entry.sender, &entry.id, dialog, marker).await;
}

pub use super::status::show_unread;

/// Sends a marker now, or with the queue once there is a connection.
pub async fn mark(
    wiring: &Wiring,
    author: UserId,
    message_id: &str,
    dialog: Option<&str>,
    marker: Marker,
) {
    let client = wiring.chat.client();
    if client
        .marker(marker, author, message_id, dialog)
        .await
        .is_ok()
    {
        return;
    }
    let queued = OutgoingMessage {
        id: ObjectId::generate().to_string(),
        target: Target::User(author),
        dialog_id: dialog.map(str::to_owned),
        action: Action::Mark {
            message_id: message_id.to_owned(),
            marker,
        },
        ..OutgoingMessage::default()
    };
    if let Err(error) = client.send(queued).await {
        tracing::warn!(%error, message_id, "a marker was not sent");
    }
}
