//! Every attempt to open the door, granted or not.

use rusqlite::params;

use super::database::Durability;
use super::{Store, StoreError};

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DoorAttempt {
    /// When, Unix milliseconds.
    pub at: u64,
    /// Who: `control`, or a user's number.
    pub by: String,
    /// By which way: `control`, `call`, `data_channel`, `code` or `chat`.
    pub how: String,
    /// In which call, if in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Whether the door was opened.
    pub opened: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Store {
    /// Notes an attempt; of more than `keep` the oldest are forgotten. Survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_door(&self, attempt: DoorAttempt, keep: u32) -> Result<(), StoreError> {
        self.run(Durability::PowerCut, move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO door_log (at_ms, who, how, call, is_opened, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    attempt.at as i64,
                    attempt.by,
                    attempt.how,
                    attempt.call,
                    attempt.opened,
                    attempt.reason
                ])?;
            let newest = transaction.last_insert_rowid();
            transaction
                .prepare_cached("DELETE FROM door_log WHERE seq <= ?1")?
                .execute([newest - i64::from(keep)])
                .map(drop)
        })
        .await
    }

    /// The latest `limit` attempts, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn door_log(&self, limit: u32) -> Result<Vec<DoorAttempt>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT at_ms, who, how, call, is_opened, reason FROM door_log
                     ORDER BY seq DESC LIMIT ?1",
                )?
                .query_map([limit], |row| {
                    Ok(DoorAttempt {
                        at: row.get::<_, i64>(0)? as u64,
                        by: row.get(1)?,
                        how: row.get(2)?,
                        call: row.get(3)?,
                        opened: row.get(4)?,
                        reason: row.get(5)?,
                    })
                })?
                .collect()
        })
        .await
    }
}
