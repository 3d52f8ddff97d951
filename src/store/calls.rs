//! The call log.

use rusqlite::types::Type;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::database::Durability;
use super::{Store, StoreError};
use crate::protocol::address::UserId;

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// They called us.
    Incoming,
    /// We called them.
    Outgoing,
}

impl CallDirection {
    fn name(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// A call that has ended. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CallRecord {
    /// The session id of the call's signals.
    pub call: String,
    /// Who called whom.
    pub direction: CallDirection,
    /// The other side; of a group call, whoever started it or was called first.
    pub peer: UserId,
    /// Whether it had pictures.
    pub video: bool,
    /// When it began.
    pub started_ms: u64,
    /// The answer; absent for a missed call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<u64>,
    /// The end.
    pub ended_ms: u64,
    /// Why it ended, in the engine's words.
    pub reason: String,
    /// The rest.
    #[serde(flatten)]
    pub details: CallDetails,
}

/// What else is known of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct CallDetails {
    /// The other side's name, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ring it was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// In which step of the plan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The first ring, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ringing_ms: Option<u64>,
    /// When media came up, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_ms: Option<u64>,
    /// Seconds from the first ring to the answer or the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rang_s: Option<f64>,
    /// Seconds from connected to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talked_s: Option<f64>,
    /// How its media did; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<CallQuality>,
    /// The picture before the answer; absent where nobody saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<CallPreview>,
    /// A picture of who rang: a file below the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What was seen before a call was answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct CallPreview {
    /// How often it was begun.
    pub times: u32,
    /// For how long, all together.
    pub seconds: f64,
    /// Pictures of ours sent.
    pub frames_sent: u64,
    /// Pictures of the other side decoded.
    pub frames_decoded: u64,
}

/// How the media of a call did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct CallQuality {
    /// Pictures sent.
    pub frames_sent: u64,
    /// Pictures of the other side decoded.
    pub frames_decoded: u64,
    /// Milliseconds of the other side's sound decoded.
    pub audio_decoded_ms: u64,
    /// Milliseconds from the answer to the first picture of the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_ms: Option<u64>,
    /// RTP packets sent, of both kinds.
    pub packets_sent: u64,
    /// RTP packets received, of both kinds.
    pub packets_received: u64,
    /// Pictures given up because the network was slower.
    pub frames_dropped: u64,
    /// How often either side lost a picture for good and asked for a fresh one.
    pub key_frames_asked: u64,
    /// Percent of our packets that did not reach the other side, by its reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_sent_percent: Option<f64>,
    /// Percent of the other side's packets that did not reach us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_received_percent: Option<f64>,
    /// To the other side and back, milliseconds: the mean, of the slowest participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u64>,
    /// How often the other side's pictures stood still.
    pub freezes: u64,
    /// For how long in all, milliseconds.
    pub frozen_ms: u64,
}

/// Which calls to list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallFilter {
    /// At most this many.
    pub limit: u32,
    /// Only those of this direction.
    pub direction: Option<CallDirection>,
    /// Only those with this user.
    pub peer: Option<UserId>,
    /// Only those that ended so.
    pub reason: Option<String>,
    /// Only those of this ring.
    pub ring: Option<String>,
    /// Only those that began before, Unix milliseconds.
    pub before: Option<u64>,
}

impl Default for CallFilter {
    fn default() -> Self {
        Self {
            limit: 20,
            direction: None,
            peer: None,
            reason: None,
            ring: None,
            before: None,
        }
    }
}

impl Store {
    /// Adds a call to the log; of more than `keep` the oldest are forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_call(&self, record: CallRecord, keep: u32) -> Result<(), StoreError> {
        self.run(Durability::Process, move |transaction| {
            let details = serde_json::to_string(&record.details)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            transaction
                .prepare_cached(
                    "INSERT INTO calls (call, direction, peer, video, started_ms, answered_ms,
                     ended_ms, reason, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    record.call,
                    record.direction.name(),
                    record.peer as i64,
                    record.video,
                    record.started_ms as i64,
                    record.answered_ms.map(|answered| answered as i64),
                    record.ended_ms as i64,
                    record.reason,
                    details
                ])?;
            let newest = transaction.last_insert_rowid();
            transaction
                .prepare_cached("DELETE FROM calls WHERE seq <= ?1")?
                .execute([newest - i64::from(keep)])?;
            Ok(())
        })
        .await
    }

    /// The latest calls that fit the filter, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn calls(&self, filter: CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT call, direction, peer, video, started_ms, answered_ms, ended_ms,
                            reason, details
                     FROM calls
                     WHERE (?2 IS NULL OR direction = ?2) AND (?3 IS NULL OR peer = ?3)
                       AND (?4 IS NULL OR reason = ?4)
                       AND (?5 IS NULL OR details ->> 'ring' = ?5)
                       AND (?6 IS NULL OR started_ms < ?6)
                     ORDER BY seq DESC LIMIT ?1",
                )?
                .query_map(
                    params![
                        filter.limit,
                        filter.direction.map(CallDirection::name),
                        filter.peer.map(|peer| peer as i64),
                        filter.reason,
                        filter.ring,
                        filter.before.map(|before| before as i64)
                    ],
                    read,
                )?
                .collect()
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    let direction: String = row.get(1)?;
    let details: String = row.get(8)?;
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
        details: serde_json::from_str(&details).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(8, Type::Text, error.into())
        })?,
    })
}
