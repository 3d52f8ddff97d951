//! Messages on their way in: which ids were seen already, and which messages nobody has taken over
//! yet.
//!
//! The server forgets a message once it is acknowledged, so from then on the device alone has it:
//! it stays here, through crashes and power cuts, until [`Store::taken`].

use rusqlite::{Transaction, params};

use super::database::Durability;
use super::{Store, StoreError};

/// Ids remembered. A server repeats what connections left unacknowledged, which is far less.
const KEPT: i64 = 16_384;

/// Whether a message came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is new.
    First,
    /// It was received before.
    Repetition,
}

/// A message nobody has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// Its id.
    pub id: String,
    /// The stanza as it came.
    pub stanza: String,
}

impl Store {
    /// Notes a message that has come in; a new one is kept until [`Store::taken`]. It survives
    /// the end of the process from now on, and a power cut after [`Store::make_safe`].
    ///
    /// # Errors
    /// [`StoreError`]; nothing was noted then.
    pub async fn received(&self, id: &str, stanza: String) -> Result<Sighting, StoreError> {
        let id = id.to_owned();
        self.run(Durability::Process, move |transaction| {
            if !see(transaction, &id)? {
                return Ok(Sighting::Repetition);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO inbox (id, stanza) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                )?
                .execute(params![id, stanza])?;
            Ok(Sighting::First)
        })
        .await
    }

    /// Whoever follows the messages has this one, so it need not be told again.
    ///
    /// # Errors
    /// [`StoreError`]; it is then told again after a restart.
    pub async fn taken(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("DELETE FROM inbox WHERE id = ?1")?
                .execute([id])
                .map(drop)
        })
        .await
    }

    /// Messages nobody has taken over, in the order they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn untaken(&self) -> Result<Vec<Untaken>, StoreError> {
        self.run(Durability::Process, |transaction| {
            transaction
                .prepare_cached("SELECT id, stanza FROM inbox ORDER BY seq")?
                .query_map([], |row| {
                    Ok(Untaken {
                        id: row.get(0)?,
                        stanza: row.get(1)?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// Drives everything stored so far to the disk. One call covers many messages, which is what
    /// makes this affordable on an SD card.
    ///
    /// # Errors
    /// [`StoreError`]; a power cut may then undo the latest changes.
    pub async fn make_safe(&self) -> Result<(), StoreError> {
        // With a write-ahead log a synchronous commit takes all earlier ones along.
        self.run(Durability::PowerCut, |transaction| {
            transaction
                .prepare_cached("UPDATE barrier SET count = count + 1")?
                .execute([])
                .map(drop)
        })
        .await
    }

    /// Whether this id is seen for the first time; from now on it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_sighting(&self, message_id: &str) -> Result<bool, StoreError> {
        let id = message_id.to_owned();
        self.run(Durability::Process, move |transaction| {
            see(transaction, &id)
        })
        .await
    }
}

fn see(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
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
}
