//! Which messages were already received: a server that was not told of our receipt sends again.

use super::database::Durability;
use super::{Store, StoreError};

/// Ids remembered. A server repeats what one connection left unacknowledged, which is far less.
const KEPT: i64 = 4096;

impl Store {
    /// Whether this id is seen for the first time; from now on it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_sighting(&self, message_id: &str) -> Result<bool, StoreError> {
        let id = message_id.to_owned();
        // Losing the latest ids to a power cut shows a message twice, which beats an fsync each.
        self.run(Durability::Process, move |transaction| {
            let added = transaction
                .prepare_cached("INSERT INTO sightings (id) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute([id])?;
            if added == 1 {
                let newest = transaction.last_insert_rowid();
                transaction
                    .prepare_cached("DELETE FROM sightings WHERE seq <= ?1")?
                    .execute([newest - KEPT])?;
            }
            Ok(added == 1)
        })
        .await
    }
}
