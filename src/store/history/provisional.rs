//! Dialogs that stand in for those the server makes with a first message to somebody (CH-09),
//! until it tells of them: so the message has its place in the history at once, also offline.

use rusqlite::{OptionalExtension, Transaction, params};

use super::History;
use super::entry::{Entry, to_json};
use crate::protocol::address::UserId;
use crate::protocol::rest::Dialog;
use crate::store::StoreError;
use crate::store::database::Durability;

/// What their ids begin with; the other user's number follows. No id of a server has a colon.
const PREFIX: &str = "new:";
/// The type of a private dialog.
const PRIVATE: u8 = 3;

/// The user a provisional dialog is with, if this is the id of one.
pub fn provisional_user(dialog: &str) -> Option<UserId> {
    dialog.strip_prefix(PREFIX)?.parse().ok()
}

/// Whether this is the id of a provisional dialog, which means nothing to a server.
pub fn is_provisional(dialog: &str) -> bool {
    provisional_user(dialog).is_some()
}

impl History {
    /// With whom there are provisional dialogs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn provisional_users(&self) -> Result<Vec<UserId>, StoreError> {
        self.store
            .run(Durability::Process, |transaction| {
                transaction
                    .prepare_cached("SELECT id FROM dialogs WHERE id LIKE 'new:%'")?
                    .query_map([], |row| row.get::<_, String>(0))?
                    .filter_map(|id| id.map(|id| provisional_user(&id)).transpose())
                    .collect()
            })
            .await
    }
}

/// The private dialog with somebody the server has told of.
pub(super) fn private_dialog(
    transaction: &Transaction<'_>,
    user: UserId,
) -> rusqlite::Result<Option<String>> {
    transaction
        .prepare_cached(
            "SELECT id FROM dialogs WHERE type = 3 AND id NOT LIKE 'new:%' AND EXISTS
                 (SELECT 1 FROM json_each(occupants) WHERE value = ?1)",
        )?
        .query_row([user as i64], |row| row.get(0))
        .optional()
}

/// Where a message of ours to one user belongs: the dialog with that user, or a provisional one.
pub(super) fn dialog_of(
    transaction: &Transaction<'_>,
    own: &Entry,
) -> rusqlite::Result<Option<String>> {
    let Some(user) = own.recipient else {
        return Ok(None);
    };
    if let Some(dialog) = private_dialog(transaction, user)? {
        return Ok(Some(dialog));
    }
    let dialog = Dialog {
        id: format!("{PREFIX}{user}"),
        kind: PRIVATE,
        name: None,
        occupants_ids: vec![own.sender, user],
        unread_messages_count: 0,
        user_id: Some(own.sender),
        updated_at: None,
        last_message_date_sent: Some(own.date_sent),
        other: serde_json::Map::new(),
    };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO dialogs (id, type, name, occupants, last_date, json)
             VALUES (?1, ?2, '', ?3, ?4, ?5)",
        )?
        .execute(params![
            dialog.id,
            dialog.kind,
            to_json(&dialog.occupants_ids)?,
            own.date_sent as i64,
            to_json(&dialog)?
        ])?;
    Ok(Some(dialog.id))
}

/// The server tells of a dialog: it takes the place of a provisional one, with its messages.
pub(super) fn replace(transaction: &Transaction<'_>, dialog: &Dialog) -> rusqlite::Result<()> {
    if dialog.kind != PRIVATE || is_provisional(&dialog.id) {
        return Ok(());
    }
    for user in &dialog.occupants_ids {
        let provisional = format!("{PREFIX}{user}");
        transaction
            .prepare_cached("UPDATE messages SET dialog = ?2 WHERE dialog = ?1")?
            .execute([&provisional, &dialog.id])?;
        transaction
            .prepare_cached("DELETE FROM dialogs WHERE id = ?1")?
            .execute([&provisional])?;
    }
    Ok(())
}
