//! What was ordered over MQTT: everything refused, and what was carried out that matters.

use rusqlite::params;

use super::database::Durability;
use super::{Store, StoreError};

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ControlEntry {
    /// When, Unix milliseconds by the device's clock.
    pub at: u64,
    /// Who, as far as is known; empty if nobody said.
    pub requester: String,
    /// How that is known: `topic` (the broker's access list guards it), `property` or
    /// `response_topic` (what the requester says), `none`.
    pub way: String,
    /// Where it was ordered, without the base.
    pub topic: String,
    /// The request's id as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `ok`, or the code of the error, or `retained`.
    pub outcome: String,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Store {
    /// Notes orders, all with one fsync; of more than `keep` the oldest are forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_control(
        &self,
        entries: Vec<ControlEntry>,
        keep: u32,
    ) -> Result<(), StoreError> {
        self.run(Durability::PowerCut, move |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO control_log
                     (at_ms, requester, way, topic, request, outcome, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for entry in entries {
                insert.execute(params![
                    entry.at as i64,
                    entry.requester,
                    entry.way,
                    entry.topic,
                    entry.request,
                    entry.outcome,
                    entry.reason
                ])?;
            }
            let newest = transaction.last_insert_rowid();
            transaction
                .prepare_cached("DELETE FROM control_log WHERE seq <= ?1")?
                .execute([newest - i64::from(keep)])
                .map(drop)
        })
        .await
    }

    /// The latest `limit` orders, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn control_log(&self, limit: u32) -> Result<Vec<ControlEntry>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT at_ms, requester, way, topic, request, outcome, reason
                     FROM control_log ORDER BY seq DESC LIMIT ?1",
                )?
                .query_map([limit], |row| {
                    Ok(ControlEntry {
                        at: row.get::<_, i64>(0)? as u64,
                        requester: row.get(1)?,
                        way: row.get(2)?,
                        topic: row.get(3)?,
                        request: row.get(4)?,
                        outcome: row.get(5)?,
                        reason: row.get(6)?,
                    })
                })?
                .collect()
        })
        .await
    }
}
