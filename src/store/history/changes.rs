//! What happens to messages after they were written.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::History;
use super::entry::{OwnStatus, from_json, to_json};
use crate::protocol::address::UserId;
use crate::protocol::chat_message::{Marker, MessageEdit, ReactionChange};
use crate::protocol::rest::Reactions;
use crate::store::StoreError;
use crate::store::database::Durability;

/// Changes of reactions remembered. Only those that the line still keeps can come again.
const KEPT_CHANGES: i64 = 1_024;

impl History {
    /// A message has another text. Only its author's word counts. Says whether it changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn edited(&self, edit: MessageEdit) -> Result<bool, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                let changed = transaction
                    .prepare_cached(
                        "UPDATE messages SET body = ?3, is_edited = 1
                         WHERE id = ?1 AND sender = ?2 AND is_removed = 0 AND body <> ?3",
                    )?
                    .execute(params![edit.message_id, edit.from as i64, edit.body])?;
                Ok(changed == 1)
            })
            .await
    }

    /// A message was taken back, for everybody or for us alone: its text goes. The server decides
    /// who may. Says whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn removed(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                let changed = transaction
                    .prepare_cached(
                        "UPDATE messages SET body = '', details = '{}', is_removed = 1,
                                reactions = NULL, is_read = 1
                         WHERE id = ?1 AND is_removed = 0",
                    )?
                    .execute([id])?;
                Ok(changed == 1)
            })
            .await
    }

    /// Somebody's reactions changed; `me` is our user. A change known by its id is not counted
    /// again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reacted(&self, change: ReactionChange, me: UserId) -> Result<(), StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                if !is_first(transaction, &change.stanza_id)? {
                    return Ok(());
                }
                let known: Option<Option<String>> = transaction
                    .prepare_cached("SELECT reactions FROM messages WHERE id = ?1")?
                    .query_row([&change.message_id], |row| row.get(0))
                    .optional()?;
                let Some(known) = known else {
                    return Ok(());
                };
                let known: Reactions = known.map(from_json).transpose()?.unwrap_or_default();
                let changed = apply(known, &change, change.user == me);
                transaction
                    .prepare_cached("UPDATE messages SET reactions = ?2 WHERE id = ?1")?
                    .execute(params![change.message_id, to_json(&changed)?])?;
                Ok(())
            })
            .await
    }

    /// Somebody reports that a message of ours was delivered or read. Says whether it was news.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn marked(&self, id: &str, marker: Marker, by: UserId) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                let is_news = add_user(transaction, &id, "delivered_to", by)?
                    | (marker == Marker::Read && add_user(transaction, &id, "read_by", by)?);
                let status = match marker {
                    Marker::Delivered => OwnStatus::Delivered,
                    Marker::Read => OwnStatus::Read,
                };
                advance(transaction, &id, status)?;
                Ok(is_news)
            })
            .await
    }

    /// A message of ours has come so far, or was refused for a reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn own_status(
        &self,
        ids: Vec<String>,
        status: OwnStatus,
        reason: Option<String>,
    ) -> Result<(), StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                for id in &ids {
                    advance(transaction, id, status)?;
                    if let Some(reason) = &reason {
                        transaction
                            .prepare_cached("UPDATE messages SET reason = ?2 WHERE id = ?1")?
                            .execute(params![id, reason])?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// We have read these, or the whole dialog up to its newest message; those that were unread,
    /// with their authors, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_by_us(
        &self,
        dialog: Option<&str>,
        ids: Vec<String>,
    ) -> Result<Vec<(String, UserId, Option<String>)>, StoreError> {
        let dialog = dialog.map(str::to_owned);
        self.store
            .run(Durability::Process, move |transaction| {
                let mut unread = transaction.prepare_cached(
                    "SELECT id, sender, dialog FROM messages
                     WHERE is_read = 0 AND is_removed = 0
                       AND (?1 IS NULL OR dialog = ?1)
                       AND (?2 = '[]' OR id IN (SELECT value FROM json_each(?2)))
                     ORDER BY date_sent, seq",
                )?;
                let found = unread
                    .query_map(params![dialog, to_json(&ids)?], |row| {
                        let sender = row.get::<_, i64>(1)? as UserId;
                        Ok((row.get(0)?, sender, row.get(2)?))
                    })?
                    .collect::<rusqlite::Result<Vec<(String, UserId, Option<String>)>>>()?;
                for (id, ..) in &found {
                    transaction
                        .prepare_cached("UPDATE messages SET is_read = 1 WHERE id = ?1")?
                        .execute([id])?;
                }
                Ok(found)
            })
            .await
    }

    /// Removes what was to disappear by now (RT-38); their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn destroy_due(&self, now: u64) -> Result<Vec<String>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached(
                        "DELETE FROM messages WHERE destroy_at <= ?1 AND is_reported <> 0
                         RETURNING id",
                    )?
                    .query_map([now as i64], |row| row.get(0))?
                    .collect()
            })
            .await
    }
}

/// Whether a change comes for the first time; one without an id always does.
fn is_first(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
    if id.is_empty() {
        return Ok(true);
    }
    let added = transaction
        .prepare_cached("INSERT INTO changes (id) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([id])?;
    transaction
        .prepare_cached("DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1")?
        .execute([KEPT_CHANGES])?;
    Ok(added == 1)
}

fn apply(mut reactions: Reactions, change: &ReactionChange, is_ours: bool) -> Reactions {
    for reaction in &change.added {
        // The hub repeats what we asked for over REST; ours counts once.
        if is_ours && reactions.own.contains(reaction) {
            continue;
        }
        *reactions.total.entry(reaction.clone()).or_default() += 1;
        if is_ours {
            reactions.own.push(reaction.clone());
        }
    }
    for reaction in &change.removed {
        if is_ours && !reactions.own.contains(reaction) {
            continue;
        }
        reactions.own.retain(|own| !(is_ours && own == reaction));
        if let Some(count) = reactions.total.get_mut(reaction) {
            *count = count.saturating_sub(1);
        }
    }
    reactions.total.retain(|_, count| *count > 0);
    reactions
}

/// Adds a user to a list of a message; says whether it was not on it.
fn add_user(
    transaction: &Transaction<'_>,
    id: &str,
    column: &'static str,
    user: UserId,
) -> rusqlite::Result<bool> {
    let known: Option<String> = transaction
        .prepare_cached(&format!("SELECT {column} FROM messages WHERE id = ?1"))?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(known) = known else {
        return Ok(false);
    };
    let mut users: BTreeSet<UserId> = from_json(known)?;
    if !users.insert(user) {
        return Ok(false);
    }
    transaction
        .prepare_cached(&format!("UPDATE messages SET {column} = ?2 WHERE id = ?1"))?
        .execute(params![id, to_json(&users)?])?;
    Ok(true)
}

/// A status only goes forward: a delivery marker may arrive after the read marker.
fn advance(transaction: &Transaction<'_>, id: &str, status: OwnStatus) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE messages SET status = ?2 WHERE id = ?1 AND is_own = 1
             AND coalesce(status, 0) < ?2",
        )?
        .execute(params![id, status.number()])?;
    Ok(())
}
