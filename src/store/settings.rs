//! Small values that outlive a restart: volume, do-not-disturb, the last greeting.

use rusqlite::OptionalExtension;

use super::database::Durability;
use super::{Store, StoreError};

impl Store {
    /// The value last set for a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("SELECT value FROM settings WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
        .await
    }

    /// Sets a value, or removes it with `None`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.run(Durability::PowerCut, move |transaction| {
            match value {
                Some(value) => transaction
                    .prepare_cached(
                        "INSERT INTO settings (key, value) VALUES (?1, ?2)
                         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    )?
                    .execute([key, value])?,
                None => transaction
                    .prepare_cached("DELETE FROM settings WHERE key = ?1")?
                    .execute([key])?,
            };
            Ok(())
        })
        .await
    }
}
