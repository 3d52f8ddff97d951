//! Which messages the server must still have, to find out which of them were removed there.

use rusqlite::params;

use super::History;
use crate::protocol::address::UserId;
use crate::store::StoreError;
use crate::store::database::Durability;

/// A message that is in the server's history, unless it was removed from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The message.
    pub id: String,
    /// Who wrote it.
    pub sender: UserId,
    /// Unix seconds.
    pub date_sent: u64,
}

impl History {
    /// The latest `limit` messages of a dialog that the server keeps in its history: not those
    /// on their way, refused, removed, or not to be saved.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn latest_saved(&self, dialog: &str, limit: u32) -> Result<Vec<Saved>, StoreError> {
        let dialog = dialog.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached(
                        "SELECT id, sender, date_sent FROM messages
                         WHERE dialog = ?1 AND is_saved = 1 AND is_removed = 0
                           AND coalesce(status, 1) BETWEEN 1 AND 3
                         ORDER BY date_sent DESC, seq DESC LIMIT ?2",
                    )?
                    .query_map(params![dialog, limit], |row| {
                        Ok(Saved {
                            id: row.get(0)?,
                            sender: row.get::<_, i64>(1)? as UserId,
                            date_sent: row.get::<_, i64>(2)? as u64,
                        })
                    })?
                    .collect()
            })
            .await
    }
}
