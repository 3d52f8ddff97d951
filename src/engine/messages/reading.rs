//! The history, as far as it is on this device: works without a network.

use serde_json::{Map, Value, json};

use super::super::chat_command::{ReadHistory, Search};
use super::super::command::{CommandError, ErrorCode};
use super::super::wiring::Wiring;
use super::{invalid, of_store};
use crate::store::history::provisional_user;

pub(super) async fn page(wiring: &Wiring, wanted: ReadHistory) -> Result<Value, CommandError> {
    let before = wanted
        .before
        .map(|text| text.parse())
        .transpose()
        .map_err(|rule: String| invalid(format!("before: {rule}")))?;
    let dialog = actual(wiring, wanted.dialog).await?;
    let page = wiring
        .history
        .page(dialog.as_deref(), before, wanted.limit)
        .await;
    Ok(json!(page.map_err(of_store)?))
}

/// The dialog that has taken the place of a provisional one meanwhile.
async fn actual(wiring: &Wiring, dialog: Option<String>) -> Result<Option<String>, CommandError> {
    let Some(user) = dialog.as_deref().and_then(provisional_user) else {
        return Ok(dialog);
    };
    let known = wiring.history.private_dialog(user).await;
    Ok(known.map_err(of_store)?.or(dialog))
}

pub(super) async fn search(wiring: &Wiring, search: Search) -> Result<Value, CommandError> {
    let dialog = actual(wiring, search.dialog).await?;
    let found = wiring
        .history
        .search(&search.text, dialog.as_deref(), search.limit)
        .await
        .map_err(of_store)?;
    Ok(json!({ "messages": found }))
}

pub(super) async fn send_status(wiring: &Wiring, message: &str) -> Result<Value, CommandError> {
    let entry = wiring.history.message(message).await.map_err(of_store)?;
    match entry.filter(|entry| entry.is_own) {
        Some(entry) => Ok(json!({
            "message": entry.id,
            "status": entry.status,
            "reason": entry.reason,
            "delivered_to": entry.delivered_to,
            "read_by": entry.read_by,
        })),
        None => Err(CommandError::new(
            ErrorCode::NotFound,
            format!("there is no own message {message}"),
        )),
    }
}

pub(super) async fn unread(wiring: &Wiring) -> Result<Value, CommandError> {
    let unread = wiring.history.unread().await.map_err(of_store)?;
    let total: u64 = unread.iter().map(|(_, count)| count).sum();
    let dialogs: Map<String, Value> = unread
        .into_iter()
        .map(|(dialog, count)| (dialog, json!(count)))
        .collect();
    Ok(json!({ "total": total, "dialogs": dialogs }))
}
