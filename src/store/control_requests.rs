//! Requests over MQTT by their id, so that none is carried out twice, also not after a restart.

use rusqlite::params;

use super::database::Durability;
use super::{Store, StoreError};
use crate::base::moment::Moment;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// What is asked: a verb, or `<part>/set`.
    pub name: String,
    /// Its id as JSON.
    pub request: String,
    /// Of its fields.
    pub fingerprint: Vec<u8>,
    /// The answer as JSON; none while it is being carried out.
    pub reply: Option<String>,
    /// When it began or was answered.
    pub at: Moment,
}

impl Store {
    /// Notes that a request is about to be carried out, or its answer; of more than `keep` the
    /// oldest are forgotten. Survives the end of the process; a power cut may undo the last ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_request(&self, request: ControlRequest, keep: u32) -> Result<(), StoreError> {
        self.run(Durability::Process, move |transaction| {
            // Replacing gives a new seq: the order is that of the answers.
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO control_requests
                         (name, request, fingerprint, reply, unix_ms, boot, up_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    request.name,
                    request.request,
                    request.fingerprint,
                    request.reply,
                    request.at.unix_ms as i64,
                    request.at.boot,
                    request.at.up_ms as i64,
                ])?;
            transaction
                .prepare_cached(
                    "DELETE FROM control_requests WHERE seq <=
                         (SELECT seq FROM control_requests ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
                )?
                .execute([keep])
                .map(drop)
        })
        .await
    }

    /// All that are kept, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept_requests(&self) -> Result<Vec<ControlRequest>, StoreError> {
        self.run(Durability::Process, |transaction| {
            transaction
                .prepare_cached(
                    "SELECT name, request, fingerprint, reply, unix_ms, boot, up_ms
                     FROM control_requests ORDER BY seq",
                )?
                .query_map([], |row| {
                    Ok(ControlRequest {
                        name: row.get(0)?,
                        request: row.get(1)?,
                        fingerprint: row.get(2)?,
                        reply: row.get(3)?,
                        at: Moment {
                            unix_ms: row.get::<_, i64>(4)? as u64,
                            boot: row.get(5)?,
                            up_ms: row.get::<_, i64>(6)? as u64,
                        },
                    })
                })?
                .collect()
        })
        .await
    }
}
