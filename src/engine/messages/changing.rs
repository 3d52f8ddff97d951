//! Edits, removals, reactions, read marks.

use serde_json::{Value, json};

use super::super::chat_command::{Edit, MarkRead, React, Remove};
use super::super::command::{CommandError, ErrorCode};
use super::super::event::unix_ms;
use super::super::history::report;
use super::super::wiring::Wiring;
use super::{of_rest, of_send, of_store, sending};
use crate::base::object_id::ObjectId;
use crate::protocol::chat_message::{Action, Marker, MessageEdit, OutgoingMessage, Target};
use crate::store::history::{Entry, is_provisional};

/// Queued like a message, so that it also reaches the others after an outage, behind what it
/// edits.
pub(super) async fn edit(wiring: &Wiring, edit: Edit) -> Result<Value, CommandError> {
    let entry = own(wiring, &edit.message).await?;
    let is_last = wiring.history.is_last(&entry).await.map_err(of_store)?;
    let action = Action::Edit {
        message_id: entry.id.clone(),
        is_last,
    };
    let stanza_id = queue(wiring, &entry, edit.text.clone(), action).await?;
    let edited = MessageEdit {
        stanza_id,
        message_id: entry.id.clone(),
        from: entry.sender,
        dialog_id: entry.dialog,
        body: edit.text,
        is_last,
        custom: Vec::new(),
    };
    wiring.history.edited(edited).await.map_err(of_store)?;
    Ok(json!({ "message": entry.id }))
}

pub(super) async fn remove(wiring: &Wiring, remove: Remove) -> Result<Value, CommandError> {
    if remove.for_all {
        match own(wiring, &remove.message).await {
            Ok(entry) => {
                let action = Action::Remove {
                    message_id: entry.id.clone(),
                };
                queue(wiring, &entry, String::new(), action).await?;
            }
            // Somebody else's: an admin of the dialog may, and the hub knows who is one.
            Err(_) => delete(wiring, &remove.message, true).await?,
        }
    } else {
        delete(wiring, &remove.message, false).await?;
    }
    let removed = wiring.history.removed(&remove.message).await;
    removed.map_err(of_store)?;
    Ok(json!({ "message": remove.message }))
}

async fn delete(wiring: &Wiring, message: &str, force: bool) -> Result<(), CommandError> {
    let ids = [message.to_owned()];
    let outcome = wiring.rest.delete_messages(&ids, force).await;
    let outcome = outcome.map_err(of_rest)?;
    if !outcome.forbidden.is_empty() {
        let rule = "the role in this dialog does not allow it";
        return Err(CommandError::new(ErrorCode::NotAllowed, rule));
    }
    if outcome.deleted.is_empty() {
        return Err(unknown(message));
    }
    Ok(())
}

pub(super) async fn react(wiring: &Wiring, react: React) -> Result<Value, CommandError> {
    let (add, remove) = (react.add.as_deref(), react.remove.as_deref());
    wiring
        .rest
        .react(&react.message, add, remove)
        .await
        .map_err(of_rest)?;
    Ok(json!({ "message": react.message }))
}

pub(super) async fn mark_read(wiring: &Wiring, mark: MarkRead) -> Result<Value, CommandError> {
    let dialog = mark.dialog.as_deref();
    let unread = wiring.history.read_by_us(dialog, mark.messages).await;
    let unread = unread.map_err(of_store)?;
    for (message, author, dialog) in &unread {
        report::mark(wiring, *author, message, dialog.as_deref(), Marker::Read).await;
    }
    report::show_unread(wiring).await;
    Ok(json!({ "marked": unread.len() }))
}

/// A message of ours.
async fn own(wiring: &Wiring, message: &str) -> Result<Entry, CommandError> {
    let entry = wiring.history.message(message).await.map_err(of_store)?;
    let entry = entry.ok_or_else(|| unknown(message))?;
    if entry.is_own {
        Ok(entry)
    } else {
        let rule = "message: was written by somebody else";
        Err(CommandError::new(ErrorCode::NotAllowed, rule))
    }
}

fn unknown(message: &str) -> CommandError {
    let text = format!("there is no message {message}");
    CommandError::new(ErrorCode::NotFound, text)
}

/// The id of what was queued.
async fn queue(
    wiring: &Wiring,
    entry: &Entry,
    body: String,
    action: Action,
) -> Result<String, CommandError> {
    let target = match (entry.recipient, &entry.dialog) {
        (Some(user), _) => Target::User(user),
        (None, dialog) => sending::place(wiring, None, dialog.clone()).await?.0,
    };
    let dialog_id = entry.dialog.clone();
    let message = OutgoingMessage {
        id: ObjectId::generate().to_string(),
        target,
        body,
        // The hub knows the dialog, we do not yet.
        dialog_id: dialog_id.filter(|dialog| !is_provisional(dialog)),
        date_sent: unix_ms() / 1000,
        action,
        ..OutgoingMessage::default()
    };
    let id = message.id.clone();
    wiring.chat.client().send(message).await.map_err(of_send)?;
    Ok(id)
}
