//! Taking messages in: from the line, from ourselves, from the server's history.

use rusqlite::{OptionalExtension, Transaction, params};

use super::entry::{Details, Entry, OwnStatus, to_json};
use super::{History, provisional};
use crate::store::StoreError;
use crate::store::database::Durability;

/// Those above are to be told of a message.
const DUE: i64 = 0;
/// They were, or it is ours.
const TOLD: i64 = 1;
/// It was taken in as old.
const OLD: i64 = 2;

/// What became of a message taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nobody above has heard of it.
    New,
    /// They have, or will together with what was fetched beside it.
    Known,
}

impl History {
    /// Takes in a message from the line, not yet reported upward if it is somebody else's. A
    /// known one stays as it is, but learns its dialog; if it was fetched and taken for old, it
    /// is new after all: the line brings each message once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn arrived(&self, entry: Entry) -> Result<Arrival, StoreError> {
        let arrivals = self.all_arrived(vec![entry]).await?;
        Ok(arrivals.first().copied().unwrap_or(Arrival::Known))
    }

    /// [`History::arrived`] for many, in one commit.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was taken in then.
    pub async fn all_arrived(&self, entries: Vec<Entry>) -> Result<Vec<Arrival>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                let arrive = |entry| arrive(transaction, entry);
                entries.into_iter().map(arrive).collect()
            })
            .await
    }

    /// Takes in messages of one dialog as the server has them, in the order they were written,
    /// and notes up to where the dialog is known then. Those unknown, not ours, and for which
    /// `is_report_due` of the page says so will be in [`History::unreported`]. One commit.
    /// Returns how many were not known.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was taken in then.
    pub async fn synchronised(
        &self,
        dialog: &str,
        entries: Vec<(Entry, bool)>,
        synced_to: Option<u64>,
    ) -> Result<usize, StoreError> {
        let dialog = dialog.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                let mut added = 0;
                for (entry, is_report_due) in &entries {
                    let report = match (entry.is_own, is_report_due) {
                        (true, _) => TOLD,
                        (false, true) => DUE,
                        (false, false) => OLD,
                    };
                    if insert(transaction, entry, report)? {
                        added += 1;
                    } else {
                        refresh(transaction, entry)?;
                    }
                }
                if let Some(synced_to) = synced_to {
                    transaction
                        .prepare_cached(
                            "INSERT INTO cursors (dialog, synced_to) VALUES (?1, ?2)
                             ON CONFLICT (dialog) DO UPDATE
                             SET synced_to = max(synced_to, excluded.synced_to)",
                        )?
                        .execute(params![dialog, synced_to as i64])?;
                }
                Ok(added)
            })
            .await
    }

    /// Messages of others nobody above was told of, in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unreported(&self, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                let columns = super::entry::COLUMNS;
                transaction
                    .prepare_cached(&format!(
                        "SELECT {columns} FROM messages m WHERE m.is_reported = 0
                         ORDER BY m.seq LIMIT ?1"
                    ))?
                    .query_map([limit], super::entry::read)?
                    .collect()
            })
            .await
    }

    /// Those above know of these.
    ///
    /// # Errors
    /// [`StoreError`]; they are told again after a restart.
    pub async fn reported(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                for id in &ids {
                    transaction
                        .prepare_cached("UPDATE messages SET is_reported = 1 WHERE id = ?1")?
                        .execute([id])?;
                }
                Ok(())
            })
            .await
    }
}

fn arrive(transaction: &Transaction<'_>, mut entry: Entry) -> rusqlite::Result<Arrival> {
    let report = if entry.is_own { TOLD } else { DUE };
    if entry.is_own && entry.dialog.is_none() {
        entry.dialog = provisional::dialog_of(transaction, &entry)?;
    }
    if insert(transaction, &entry, report)? {
        return Ok(Arrival::New);
    }
    let was_taken_for_old = transaction
        .prepare_cached("UPDATE messages SET is_reported = ?2 WHERE id = ?1 AND is_reported = ?3")?
        .execute(params![entry.id, report, OLD])?;
    transaction
        .prepare_cached(
            "UPDATE messages SET is_saved = max(is_saved, ?3), dialog = CASE
                 WHEN dialog IS NULL OR dialog LIKE 'new:%' THEN coalesce(?2, dialog)
                 ELSE dialog END
             WHERE id = ?1",
        )?
        .execute(params![entry.id, entry.dialog, entry.is_saved])?;
    Ok(if was_taken_for_old == 1 {
        Arrival::New
    } else {
        Arrival::Known
    })
}

fn insert(transaction: &Transaction<'_>, entry: &Entry, report: i64) -> rusqlite::Result<bool> {
    let details = Details {
        attachments: entry.attachments.clone(),
        custom: entry.custom.clone(),
    };
    let added = transaction
        .prepare_cached(
            "INSERT INTO messages (id, dialog, sender, recipient, date_sent, body, details,
                                   delivered_to, read_by, reactions, is_own, status, is_read,
                                   is_reported, destroy_at, is_saved)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            entry.id,
            entry.dialog,
            entry.sender as i64,
            entry.recipient.map(|user| user as i64),
            entry.date_sent as i64,
            entry.text,
            to_json(&details)?,
            to_json(&entry.delivered_to)?,
            to_json(&entry.read_by)?,
            entry.reactions.as_ref().map(to_json).transpose()?,
            entry.is_own,
            entry.status.map(OwnStatus::number),
            entry.is_own || entry.is_read,
            report,
            entry.destroy_at.map(|at| at as i64),
            entry.is_saved,
        ])?;
    Ok(added == 1)
}

/// Takes over what the server knows better. What was removed here stays removed: the page may
/// have been read before.
fn refresh(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let text: Option<String> = transaction
        .prepare_cached("SELECT body FROM messages WHERE id = ?1 AND is_removed = 0")?
        .query_row([&entry.id], |row| row.get(0))
        .optional()?;
    let Some(text) = text else {
        return Ok(());
    };
    transaction
        .prepare_cached(
            "UPDATE messages SET dialog = coalesce(?2, dialog), delivered_to = ?3, read_by = ?4,
                    reactions = ?5, is_read = max(is_read, ?6), is_saved = 1,
                    status = CASE WHEN ?7 IS NULL THEN status
                             WHEN status = 4 THEN ?7 ELSE max(coalesce(status, 0), ?7) END
             WHERE id = ?1",
        )?
        .execute(params![
            entry.id,
            entry.dialog,
            to_json(&entry.delivered_to)?,
            to_json(&entry.read_by)?,
            entry.reactions.as_ref().map(to_json).transpose()?,
            entry.is_read,
            entry.status.map(OwnStatus::number),
        ])?;
    if text != entry.text {
        transaction
            .prepare_cached("UPDATE messages SET body = ?2, is_edited = 1 WHERE id = ?1")?
            .execute(params![entry.id, entry.text])?;
    }
    Ok(())
}
