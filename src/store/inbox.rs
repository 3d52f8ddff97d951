//! What comes in: which ids were seen already, which messages nobody has taken over yet, and what
//! becomes of ours that come back.
//!
//! The server forgets a message once it is acknowledged, so from then on the device alone has it:
//! it stays here, through crashes and power cuts, until [`Store::taken`].

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::database::Durability;
use super::{Store, StoreError, outbox};

/// Ids remembered. A server repeats what connections left unacknowledged, which is far less.
const KEPT: i64 = 16_384;

/// Something from the server that must be noted before it is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// A message, or what changes one. New ones are kept until [`Store::taken`].
    Message {
        /// What it is known by.
        key: String,
        /// The stanza as it came.
        stanza: String,
    },
    /// A message of ours the server does not take; it is kept for people to see.
    Refusal {
        /// The message.
        id: String,
        /// The server's words.
        reason: String,
    },
    /// A message of ours the server wants later, see [`Store::try_later`].
    PutOff {
        /// The message.
        id: String,
    },
}

/// What was found when something was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It came for the first time.
    First,
    /// It came before, or is about a message of ours that is in the outbox.
    Known,
    /// It is about no message that is in the outbox.
    Unknown,
}

/// A message nobody has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// What it is known by.
    pub key: String,
    /// The stanza as it came.
    pub stanza: String,
}

impl Store {
    /// Notes what has come in, all in one commit, in that order. It survives the end of the
    /// process from now on, and a power cut after [`Store::make_safe`]; a refusal, which people
    /// are told of, survives that from now on.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was noted then.
    pub async fn take_in(&self, arrived: Vec<Arrived>) -> Result<Vec<Noted>, StoreError> {
        let is_refusal = |arrived: &Arrived| matches!(arrived, Arrived::Refusal { .. });
        let durability = match arrived.iter().any(is_refusal) {
            true => Durability::PowerCut,
            false => Durability::Process,
        };
        let tail = Arc::clone(&self.tail);
        let is_putting_off = arrived
            .iter()
            .any(|arrived| matches!(arrived, Arrived::PutOff { .. }));
        let note = move |transaction: &Transaction<'_>| {
            let noted = arrived.iter().map(|arrived| note(transaction, arrived));
            let noted = noted.collect::<rusqlite::Result<Vec<Noted>>>()?;
            forget_old_ones(transaction)?;
            Ok(noted)
        };
        self.run_then(durability, note, move |outcome| {
            if is_putting_off {
                tail.lock().set_held_up(true);
            }
            outcome
        })
        .await
    }

    /// Whoever follows the messages has these, so they need not be told again.
    ///
    /// # Errors
    /// [`StoreError`]; they are then told again after a restart.
    pub async fn all_taken(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.run(Durability::Process, move |transaction| {
            let mut forget = transaction.prepare_cached("DELETE FROM inbox WHERE id = ?1")?;
            for key in &keys {
                forget.execute([key])?;
            }
            Ok(())
        })
        .await
    }

    /// [`Store::all_taken`] for one.
    ///
    /// # Errors
    /// As [`Store::all_taken`].
    pub async fn taken(&self, key: &str) -> Result<(), StoreError> {
        self.all_taken(vec![key.to_owned()]).await
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
                        key: row.get(0)?,
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
            let is_first = see(transaction, &id)?;
            forget_old_ones(transaction)?;
            Ok(is_first)
        })
        .await
    }
}

fn note(transaction: &Transaction<'_>, arrived: &Arrived) -> rusqlite::Result<Noted> {
    let of_ours = |is_known| match is_known {
        true => Noted::Known,
        false => Noted::Unknown,
    };
    match arrived {
        Arrived::Message { key, stanza } => {
            if !see(transaction, key)? {
                return Ok(Noted::Known);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO inbox (id, stanza) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                )?
                .execute(params![key, stanza])?;
            Ok(Noted::First)
        }
        Arrived::Refusal { id, reason } => outbox::refuse(transaction, id, reason).map(of_ours),
        Arrived::PutOff { id } => outbox::put_off(transaction, id).map(of_ours),
    }
}

fn see(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
    let added = transaction
        .prepare_cached("INSERT INTO sightings (id) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([id])?;
    Ok(added == 1)
}

fn forget_old_ones(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM sightings WHERE seq <= (SELECT max(seq) FROM sightings) - ?1")?
        .execute([KEPT])
        .map(drop)
}
