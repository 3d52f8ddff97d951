//! What goes when it is too old or too much.

use rusqlite::params;

use super::History;
use crate::store::StoreError;
use crate::store::database::Durability;

/// The bounds of the history. What was not reported upward is never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Seconds since it was written; 0 for no bound.
    pub max_age_s: u64,
    /// Messages in all.
    pub max_messages: u64,
    /// Bytes of the file; beyond it the oldest tenth goes.
    pub max_bytes: u64,
}

/// Messages removed in one transaction: enough to come down, few enough that a writer on a slow
/// card is not kept waiting.
const BATCH: i64 = 500;

impl History {
    /// Removes what is beyond the bounds, in pieces; how many messages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retain(&self, retention: Retention, now: u64) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let batch = self.retain_some(retention, now).await?;
            removed += batch;
            if batch == 0 {
                return Ok(removed);
            }
        }
    }

    async fn retain_some(&self, retention: Retention, now: u64) -> Result<u64, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                let number = |sql: &str| -> rusqlite::Result<u64> {
                    transaction.query_row(sql, [], |row| Ok(row.get::<_, i64>(0)? as u64))
                };
                let count = number("SELECT count(*) FROM messages")?;
                let size = number("PRAGMA page_size")?
                    * (number("PRAGMA page_count")? - number("PRAGMA freelist_count")?);
                let mut surplus = count.saturating_sub(retention.max_messages);
                // Room must remain for what is to come.
                if size > retention.max_bytes / 10 * 9 {
                    surplus = surplus.max(count / 10);
                }
                let oldest = match retention.max_age_s {
                    0 => i64::MIN,
                    age => now.saturating_sub(age) as i64,
                };
                let removed = transaction
                    .prepare_cached(
                        "DELETE FROM messages WHERE seq IN
                             (SELECT seq FROM messages WHERE is_reported <> 0
                              AND coalesce(status, 1) <> 0
                              AND (date_sent < ?1 OR seq IN
                                  (SELECT seq FROM messages ORDER BY date_sent, seq LIMIT ?2))
                              ORDER BY date_sent, seq LIMIT ?3)",
                    )?
                    .execute(params![oldest, surplus.min(BATCH as u64) as i64, BATCH])?;
                Ok(removed as u64)
            })
            .await
    }
}
