//! How far the copy goes.

use rusqlite::{OptionalExtension, params};

use super::History;
use crate::store::StoreError;
use crate::store::database::Durability;

/// Set once everything the server has was seen: from then on what is unknown is new.
const IS_COMPLETE: &str = "is_complete";

impl History {
    /// Up to which `updated_at`, Unix seconds, a dialog's messages are known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn synced_to(&self, dialog: &str) -> Result<Option<u64>, StoreError> {
        let dialog = dialog.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached("SELECT synced_to FROM cursors WHERE dialog = ?1")?
                    .query_row([dialog], |row| Ok(row.get::<_, i64>(0)? as u64))
                    .optional()
            })
            .await
    }

    /// Whether everything the server has was seen once. Before that, what is unknown is old.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_complete(&self) -> Result<bool, StoreError> {
        self.store
            .run(Durability::Process, |transaction| {
                transaction
                    .prepare_cached("SELECT 1 FROM facts WHERE name = ?1")?
                    .query_row([IS_COMPLETE], |_| Ok(()))
                    .optional()
            })
            .await
            .map(|found: Option<()>| found.is_some())
    }

    /// Everything was seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_complete(&self) -> Result<(), StoreError> {
        self.store
            .run(Durability::Process, |transaction| {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO facts (name, value) VALUES (?1, 1)")?
                    .execute(params![IS_COMPLETE])
                    .map(drop)
            })
            .await
    }
}
