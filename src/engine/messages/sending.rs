//! New messages, typing notices, system messages.

use std::path::Path;

use serde_json::{Value, json};

use super::super::attachments;
use super::super::chat_command::{Check, Draft, SendSystem, Typing};
use super::super::command::{CommandError, UserRef};
use super::super::directory::resolve;
use super::super::event::unix_ms;
use super::super::history::sync::place as place_in_dialog;
use super::super::wiring::Wiring;
use super::{invalid, of_send, of_store};
use crate::base::object_id::ObjectId;
use crate::protocol::chat_message::{
    self, Contact, OutgoingMessage, Target, params_from_json, system_params_from_json,
};
use crate::store::QueuedUpload;
use crate::store::history::{Entry, OwnStatus, provisional_user};

/// Stores a message and sends it as soon as there is a connection.
///
/// # Errors
/// [`CommandError`]; nothing is kept then.
pub async fn send(wiring: &Wiring, draft: Draft) -> Result<Value, CommandError> {
    send_with(wiring, draft, None).await
}

/// Like [`send`], with a picture of our own that stays where it is.
///
/// # Errors
/// As [`send`].
pub async fn send_with(
    wiring: &Wiring,
    draft: Draft,
    picture: Option<&Path>,
) -> Result<Value, CommandError> {
    draft.check().map_err(invalid)?;
    let custom = params_from_json(&draft.custom).map_err(invalid)?;
    let (target, dialog_id) = place(wiring, draft.to.as_ref(), draft.dialog).await?;
    let contacts = draft.contacts.iter().map(Contact::to_attachment);
    let attachments = draft.attachments.into_iter().chain(contacts).collect();
    let message = OutgoingMessage {
        id: match draft.message {
            Some(id) => id,
            None => ObjectId::generate().to_string(),
        },
        target,
        body: draft.text,
        dialog_id,
        date_sent: unix_ms() / 1000,
        custom,
        attachments,
        is_silent: draft.silent,
        is_unsaved: draft.unsaved,
        destroy_after: draft.destroy_after,
        ..OutgoingMessage::default()
    };
    let id = message.id.clone();
    let entry = entry_of(wiring, &message);
    if draft.snapshot || draft.file.is_some() || picture.is_some() {
        let upload = match picture {
            Some(picture) => attachments::prepare_picture(wiring, message, picture).await?,
            None => attachments::prepare(wiring, message, draft.file.as_deref()).await?,
        };
        queue_file(wiring, upload).await?;
        return Ok(json!({ "message": id }));
    }
    // The outbox first: what is in it is sent, whatever becomes of the copy for reading.
    wiring.chat.client().send(message).await.map_err(of_send)?;
    keep(wiring, entry).await;
    Ok(json!({ "message": id }))
}

/// Queues a file with its message; both are on the disk when this returns. The same message once
/// more changes nothing.
///
/// # Errors
/// [`CommandError`] when the disk does not take it.
pub async fn queue_file(wiring: &Wiring, upload: QueuedUpload) -> Result<(), CommandError> {
    let entry = entry_of(wiring, &upload.message);
    wiring.store.queue_upload(upload).await.map_err(of_store)?;
    keep(wiring, entry).await;
    wiring.upload_signal.wake();
    Ok(())
}

async fn keep(wiring: &Wiring, entry: Entry) {
    let id = entry.id.clone();
    let without_dialog = entry.recipient.filter(|_| entry.dialog.is_none());
    if let Err(error) = wiring.history.arrived(entry).await {
        tracing::warn!(%error, id, "a message being sent is not in the history");
        return;
    }
    let Some(user) = without_dialog else { return };
    // It is in a provisional dialog meanwhile. Without a network the next synchronisation asks.
    let wiring = wiring.clone();
    actix::spawn(async move {
        if let Err(error) = place_in_dialog(&wiring, user).await {
            tracing::debug!(%error, user, "the dialog with somebody is not known yet");
        }
    });
}

fn entry_of(wiring: &Wiring, message: &OutgoingMessage) -> Entry {
    Entry {
        id: message.id.clone(),
        dialog: message.dialog_id.clone(),
        sender: wiring.user().unwrap_or(0),
        recipient: match message.target {
            Target::User(user) => Some(user),
            Target::Dialog(_) => None,
        },
        date_sent: message.date_sent,
        text: message.body.clone(),
        attachments: message.attachments.clone(),
        custom: message.custom.clone(),
        is_own: true,
        is_read: true,
        is_saved: !message.is_unsaved && message.destroy_after.is_none(),
        status: Some(OwnStatus::Queued),
        destroy_at: message
            .destroy_after
            .map(|after| message.date_sent + u64::from(after)),
        ..Entry::default()
    }
}

/// Where a message goes, and its dialog where known. A private dialog's messages go to the other
/// user, also when the dialog is named.
pub(in crate::engine) async fn place(
    wiring: &Wiring,
    to: Option<&UserRef>,
    dialog: Option<String>,
) -> Result<(Target, Option<String>), CommandError> {
    let known = |error| {
        tracing::warn!(%error, "the history cannot be asked for a dialog");
    };
    if let Some(user) = to {
        let user = resolve(wiring, user).await?;
        let dialog = wiring.history.private_dialog(user).await;
        return Ok((Target::User(user), dialog.map_err(known).unwrap_or(None)));
    }
    let dialog = dialog.ok_or_else(|| invalid("to or dialog: one is required".into()))?;
    if let Some(user) = provisional_user(&dialog) {
        let dialog = wiring.history.private_dialog(user).await;
        return Ok((Target::User(user), dialog.map_err(known).unwrap_or(None)));
    }
    let found = wiring.history.dialog(&dialog).await.map_err(known);
    let partner = match found {
        Ok(Some(found)) if found.kind == 3 => {
            let me = wiring.user();
            let mut others = found.occupants_ids.into_iter();
            others.find(|&user| Some(user) != me)
        }
        _ => None,
    };
    let target = match partner {
        Some(user) => Target::User(user),
        None => Target::Dialog(dialog.clone()),
    };
    Ok((target, Some(dialog)))
}

pub(super) async fn typing(wiring: &Wiring, typing: Typing) -> Result<Value, CommandError> {
    let (target, _) = place(wiring, typing.to.as_ref(), typing.dialog).await?;
    let element = chat_message::typing(&wiring.realm, &target, typing.composing);
    wiring.chat.client().now(element).await.map_err(of_send)?;
    Ok(json!({}))
}

pub(super) async fn system(wiring: &Wiring, system: SendSystem) -> Result<Value, CommandError> {
    let to = resolve(wiring, &system.to).await?;
    let params = system_params_from_json(&system.params).map_err(invalid)?;
    let id = ObjectId::generate().to_string();
    let body = system.body.as_deref();
    let element = chat_message::system_message(&wiring.realm, &id, to, body, &params);
    wiring.chat.client().now(element).await.map_err(of_send)?;
    Ok(json!({ "message": id }))
}
