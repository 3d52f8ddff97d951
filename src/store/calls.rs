//! The call log.

use rusqlite::{Row, params};

use super::database::Durability;
use super::{Store, StoreError};
use crate::protocol::address::UserId;

/// Calls remembered; beyond it the oldest go.
const KEPT: i64 = 10_000;

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// They called us.
    Incoming,
    /// We called them.
    Outgoing,
}

/// A call that has ended. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallRecord {
    /// The session id of the call's signals.
    pub call: String,
    /// Who called whom.
    pub direction: CallDirection,
    /// The other side; of a group call, whoever started it or was called first.
    pub peer: UserId,
    /// Whether it had pictures.
    pub video: bool,
    /// The first ring.
    pub started_ms: u64,
    /// The answer; absent for a missed call.
    pub answered_ms: Option<u64>,
    /// The end.
    pub ended_ms: u64,
    /// Why it ended, in the engine's words.
    pub reason: String,
}

impl Store {
    /// Adds a call to the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_call(&self, record: CallRecord) -> Result<(), StoreError> {
        self.run(Durability::Process, move |transaction| {
            let direction = match record.direction {
                CallDirection::Incoming => "incoming",
                CallDirection::Outgoing => "outgoing",
            };
            transaction
                .prepare_cached(
                    "INSERT INTO calls (call, direction, peer, video, started_ms, answered_ms,
                     ended_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    record.call,
                    direction,
                    record.peer as i64,
                    record.video,
                    record.started_ms as i64,
                    record.answered_ms.map(|answered| answered as i64),
                    record.ended_ms as i64,
                    record.reason
                ])?;
            let newest = transaction.last_insert_rowid();
            transaction
                .prepare_cached("DELETE FROM calls WHERE seq <= ?1")?
                .execute([newest - KEPT])?;
            Ok(())
        })
        .await
    }

    /// The latest `limit` calls, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn calls(&self, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT call, direction, peer, video, started_ms, answered_ms, ended_ms, reason
                     FROM calls ORDER BY seq DESC LIMIT ?1",
                )?
                .query_map([limit], read)?
                .collect()
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    let direction: String = row.get(1)?;
    Ok(CallRecord {
        call: row.get(0)?,
        direction: match direction.as_str() {
            "incoming" => CallDirection::Incoming,
            _ => CallDirection::Outgoing,
        },
        peer: row.get::<_, i64>(2)? as UserId,
        video: row.get(3)?,
        started_ms: row.get::<_, i64>(4)? as u64,
        answered_ms: row
            .get::<_, Option<i64>>(5)?
            .map(|answered| answered as u64),
        ended_ms: row.get::<_, i64>(6)? as u64,
        reason: row.get(7)?,
    })
}
