//! Messages on their way out: stored before they are sent, kept until the server has them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use serde::{Deserialize, Serialize};

use super::database::Durability;
use super::{Arrived, Noted, Store, StoreError};
use crate::protocol::chat_message::{Action, Attachment, OutgoingMessage, Target};

/// Acknowledged messages kept for a moment: the server may still refuse one after it has
/// acknowledged its receipt, and then the text must be there to be kept as refused.
const KEPT_ACKNOWLEDGED: i64 = 256;
/// How many may be acknowledged before the oldest of them are looked for: looking costs more than
/// the few rows.
const SLACK: usize = 64;
/// Refused messages kept; beyond it the oldest go.
const KEPT_REFUSED: i64 = 10_000;

const WAITING: i64 = 0;
const ACKNOWLEDGED: i64 = 1;
const REFUSED: i64 = 2;
const LATER: i64 = 3;

/// A waiting message with its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Grows with every message queued; the order of sending.
    pub seq: i64,
    /// The message.
    pub message: OutgoingMessage,
}

/// A message the server would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMessage {
    /// The message as it was to be sent.
    pub message: OutgoingMessage,
    /// What the server said.
    pub reason: String,
}

impl Store {
    /// Queues a message; when this returns it is on the disk. A message already queued under the
    /// same id stays as it is, so that a caller may safely repeat itself.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; nothing was stored then.
    pub async fn enqueue(&self, message: OutgoingMessage) -> Result<(), StoreError> {
        let tail = Arc::clone(&self.tail);
        let insert = move |transaction: &Transaction<'_>| {
            let (user, dialog) = match &message.target {
                Target::User(user) => (Some(*user as i64), None),
                Target::Dialog(dialog) => (None, Some(dialog)),
            };
            // A list of pairs, not an object: order and repeated names must survive.
            let custom = serde_json::to_string(&message.custom)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            let details = Details::of(&message).to_json()?;
            let added = transaction
                .prepare_cached(
                    "INSERT INTO outbox (id, user_id, dialog, body, dialog_id, date_sent, custom,
                                         details)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
                )?
                .execute(params![
                    message.id,
                    user,
                    dialog,
                    message.body,
                    message.dialog_id,
                    message.date_sent as i64,
                    custom,
                    details
                ])?;
            let seq = transaction.last_insert_rowid();
            Ok((added == 1).then_some(Queued { seq, message }))
        };
        self.run_then(Durability::PowerCut, insert, move |outcome| {
            if let Some(queued) = outcome? {
                tail.lock().push(queued);
            }
            Ok(())
        })
        .await
    }

    /// The oldest `limit` waiting messages, in the order they were queued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending(&self, limit: u32) -> Result<Vec<OutgoingMessage>, StoreError> {
        let queued = self.pending_after(i64::MIN, limit).await?;
        Ok(queued.into_iter().map(|queued| queued.message).collect())
    }

    /// The oldest `limit` waiting messages behind place `seq`, without those of a dialog in which
    /// an older one is to be tried again later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_after(&self, seq: i64, limit: u32) -> Result<Vec<Queued>, StoreError> {
        if let Some(newest) = self.tail.lock().take_after(seq, limit as usize) {
            return Ok(newest);
        }
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, seq FROM outbox AS waiting
                     WHERE state = {WAITING} AND seq > ?1 AND NOT EXISTS (
                         SELECT 1 FROM outbox AS later WHERE later.state = {LATER}
                         AND later.seq < waiting.seq
                         AND later.user_id IS waiting.user_id AND later.dialog IS waiting.dialog)
                     ORDER BY seq LIMIT ?2"
                ))?
                .query_map(params![seq, limit], |row| {
                    Ok(Queued {
                        message: read(row)?,
                        seq: row.get("seq")?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// Takes a message out of the queue: the server has it. Says whether it was waiting.
    ///
    /// # Errors
    /// [`StoreError`]; the message then stays queued and is sent again, which is harmless.
    pub async fn acknowledged(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.all_acknowledged(vec![id.to_owned()]).await? == 1)
    }

    /// [`Store::acknowledged`] for many messages in one commit; says how many were waiting.
    ///
    /// # Errors
    /// As [`Store::acknowledged`].
    pub async fn all_acknowledged(&self, ids: Vec<String>) -> Result<usize, StoreError> {
        let before = self.acknowledged.fetch_add(ids.len(), Ordering::Relaxed);
        let is_full = before / SLACK != (before + ids.len()) / SLACK;
        // Losing this to a power cut only sends the message again under the same id.
        self.run(Durability::Process, move |transaction| {
            let mut taken = 0;
            let mut take = transaction.prepare_cached(&format!(
                "UPDATE outbox SET state = {ACKNOWLEDGED} WHERE id = ?1 AND state = {WAITING}"
            ))?;
            for id in &ids {
                taken += take.execute([id])?;
            }
            if is_full {
                prune(transaction, ACKNOWLEDGED, KEPT_ACKNOWLEDGED)?;
            }
            Ok(taken)
        })
        .await
    }

    /// The server asks to try this message again later: until [`Store::retry_later_ones`] it and
    /// the later ones of its dialog stay where they are. Says whether there was such a message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn try_later(&self, id: &str) -> Result<bool, StoreError> {
        let noted = self.take_in(vec![Arrived::PutOff { id: id.to_owned() }]);
        Ok(noted.await? == [Noted::Known])
    }

    /// Later is now: messages put off by [`Store::try_later`] wait again, at their old places.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retry_later_ones(&self) -> Result<usize, StoreError> {
        let tail = Arc::clone(&self.tail);
        let retry = |transaction: &Transaction<'_>| {
            transaction
                .prepare_cached(&format!(
                    "UPDATE outbox SET state = {WAITING} WHERE state = {LATER}"
                ))?
                .execute([])
        };
        self.run_then(Durability::Process, retry, move |outcome| {
            let count = outcome?;
            tail.lock().set_held_up(false);
            Ok(count)
        })
        .await
    }

    /// Moves a message, waiting or lately acknowledged, to those the server refused, where it is
    /// kept for people to see. Says whether there was such a message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refused(&self, id: &str, reason: &str) -> Result<bool, StoreError> {
        let refusal = Arrived::Refusal {
            id: id.to_owned(),
            reason: reason.to_owned(),
        };
        Ok(self.take_in(vec![refusal]).await? == [Noted::Known])
    }

    /// The latest `limit` refused messages, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refused_messages(&self, limit: u32) -> Result<Vec<RefusedMessage>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, reason FROM outbox WHERE state = {REFUSED}
                     ORDER BY seq DESC LIMIT ?1"
                ))?
                .query_map([limit], |row| {
                    Ok(RefusedMessage {
                        message: read(row)?,
                        reason: row.get("reason")?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// How many messages wait, those to be tried again later included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_count(&self) -> Result<u64, StoreError> {
        self.run(Durability::Process, |transaction| {
            let sql = format!("SELECT count(*) FROM outbox WHERE state IN ({WAITING}, {LATER})");
            let count: Option<i64> = transaction
                .prepare_cached(&sql)?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok(count.unwrap_or(0) as u64)
        })
        .await
    }
}

/// Notes that the server wants a message later; whether there is such a message.
pub(super) fn put_off(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
    let moved = transaction
        .prepare_cached(&format!(
            "UPDATE outbox SET state = {LATER}
             WHERE id = ?1 AND state IN ({WAITING}, {ACKNOWLEDGED})"
        ))?
        .execute([id])?;
    Ok(moved == 1)
}

/// Notes that the server refuses a message; whether there is such a message.
pub(super) fn refuse(
    transaction: &Transaction<'_>,
    id: &str,
    reason: &str,
) -> rusqlite::Result<bool> {
    let moved = transaction
        .prepare_cached(&format!(
            "UPDATE outbox SET state = {REFUSED}, reason = ?2
             WHERE id = ?1 AND state <> {REFUSED}"
        ))?
        .execute([id, reason])?;
    prune(transaction, REFUSED, KEPT_REFUSED)?;
    Ok(moved == 1)
}

const COLUMNS: &str = "id, user_id, dialog, body, dialog_id, date_sent, custom, details";

fn read(row: &Row<'_>) -> rusqlite::Result<OutgoingMessage> {
    let user: Option<i64> = row.get(1)?;
    let target = match user {
        Some(user) => Target::User(user as u64),
        None => Target::Dialog(row.get(2)?),
    };
    let details: Details = from_json(row, 7)?;
    Ok(OutgoingMessage {
        id: row.get(0)?,
        target,
        body: row.get(3)?,
        dialog_id: row.get(4)?,
        date_sent: row.get::<_, i64>(5)? as u64,
        custom: from_json(row, 6)?,
        attachments: details.attachments,
        is_silent: details.is_silent,
        is_unsaved: details.is_unsaved,
        destroy_after: details.destroy_after,
        action: details.action,
    })
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
    })
}

/// What has no column of its own: nobody asks for messages by it.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Details {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "is_false")]
    is_silent: bool,
    #[serde(skip_serializing_if = "is_false")]
    is_unsaved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    destroy_after: Option<u32>,
    #[serde(skip_serializing_if = "is_creation")]
    action: Action,
}

impl Details {
    fn of(message: &OutgoingMessage) -> Self {
        Self {
            attachments: message.attachments.clone(),
            is_silent: message.is_silent,
            is_unsaved: message.is_unsaved,
            destroy_after: message.destroy_after,
            action: message.action.clone(),
        }
    }

    fn to_json(&self) -> rusqlite::Result<String> {
        serde_json::to_string(self)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_creation(action: &Action) -> bool {
    *action == Action::Create
}

fn prune(transaction: &Transaction<'_>, state: i64, keep: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM outbox WHERE state = ?1 AND seq <=
             (SELECT seq FROM outbox WHERE state = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute([state, keep])?;
    Ok(())
}
