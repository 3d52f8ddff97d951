//! Dialogs as the server last told them.

use rusqlite::{OptionalExtension, params};

use super::entry::{from_json, to_json};
use super::{History, provisional};
use crate::protocol::rest::Dialog;
use crate::store::StoreError;
use crate::store::database::Durability;

impl History {
    /// Keeps dialogs, in the place of provisional ones; returns those that are new or changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_dialogs(&self, dialogs: Vec<Dialog>) -> Result<Vec<Dialog>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                let mut changed = Vec::new();
                for dialog in dialogs {
                    provisional::replace(transaction, &dialog)?;
                    let json = to_json(&dialog)?;
                    let known: Option<String> = transaction
                        .prepare_cached("SELECT json FROM dialogs WHERE id = ?1")?
                        .query_row([&dialog.id], |row| row.get(0))
                        .optional()?;
                    if known.as_deref() == Some(json.as_str()) {
                        continue;
                    }
                    transaction
                        .prepare_cached(
                            "INSERT OR REPLACE INTO dialogs
                                 (id, type, name, occupants, last_date, json)
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        )?
                        .execute(params![
                            dialog.id,
                            dialog.kind,
                            dialog.name.as_deref().unwrap_or_default(),
                            to_json(&dialog.occupants_ids)?,
                            dialog.last_message_date_sent.unwrap_or(0) as i64,
                            json
                        ])?;
                    changed.push(dialog);
                }
                Ok(changed)
            })
            .await
    }

    /// The dialogs, the latest message first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dialogs(&self, limit: u32, skip: u32) -> Result<Vec<Dialog>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached(
                        "SELECT json FROM dialogs ORDER BY last_date DESC, id LIMIT ?1 OFFSET ?2",
                    )?
                    .query_map([limit, skip], |row| from_json(row.get(0)?))?
                    .collect()
            })
            .await
    }

    /// One dialog.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dialog(&self, id: &str) -> Result<Option<Dialog>, StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached("SELECT json FROM dialogs WHERE id = ?1")?
                    .query_row([id], |row| from_json(row.get(0)?))
                    .optional()
            })
            .await
    }

    /// We are not in this dialog any more: it and its messages go.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_dialog(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                for table in ["cursors", "messages"] {
                    transaction
                        .execute(&format!("DELETE FROM {table} WHERE dialog = ?1"), [&id])?;
                }
                transaction
                    .execute("DELETE FROM dialogs WHERE id = ?1", [&id])
                    .map(drop)
            })
            .await
    }

    /// Its messages go, the dialog stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_dialog(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .execute("DELETE FROM messages WHERE dialog = ?1", [&id])
                    .map(drop)
            })
            .await
    }
}
