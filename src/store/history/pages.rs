//! Reading the history in pages that stay put while messages arrive.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::entry::{COLUMNS, Entry, read};
use super::{History, provisional};
use crate::protocol::address::UserId;
use crate::store::StoreError;
use crate::store::database::Durability;

/// A place between two messages of a dialog. Text: `<unix seconds>-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookmark {
    date_sent: i64,
    seq: i64,
}

impl std::fmt::Display for Bookmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.date_sent, self.seq)
    }
}

impl std::str::FromStr for Bookmark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (date_sent, seq) = text
            .split_once('-')
            .ok_or("is no bookmark of an earlier page")?;
        let number = |text: &str| {
            text.parse()
                .map_err(|_| "is no bookmark of an earlier page".to_owned())
        };
        Ok(Self {
            date_sent: number(date_sent)?,
            seq: number(seq)?,
        })
    }
}

/// A page of messages, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Entry>,
    /// Where the next, older page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl History {
    /// The latest messages, of one dialog or of all, older than `before`. Removed ones are in it,
    /// without text: a reader must see that something was taken back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        dialog: Option<&str>,
        before: Option<Bookmark>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let dialog = dialog.map(str::to_owned);
        let before = before.unwrap_or(Bookmark {
            date_sent: i64::MAX,
            seq: i64::MAX,
        });
        let messages: Vec<Entry> = self
            .store
            .run(Durability::Process, move |transaction| {
                let condition = match dialog {
                    Some(_) => "m.dialog = ?1",
                    None => "?1 IS NULL",
                };
                transaction
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM messages m
                         WHERE {condition} AND (m.date_sent, m.seq) < (?2, ?3)
                         ORDER BY m.date_sent DESC, m.seq DESC LIMIT ?4"
                    ))?
                    .query_map(params![dialog, before.date_sent, before.seq, limit], read)?
                    .collect()
            })
            .await?;
        let is_full = messages.len() == limit as usize;
        let next = messages.last().filter(|_| is_full).map(|last| {
            let bookmark = Bookmark {
                date_sent: last.date_sent as i64,
                seq: last.seq,
            };
            bookmark.to_string()
        });
        Ok(Page { messages, next })
    }

    /// One message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn message(&self, id: &str) -> Result<Option<Entry>, StoreError> {
        let id = id.to_owned();
        self.store
            .run(Durability::Process, move |transaction| {
                transaction
                    .prepare_cached(&format!("SELECT {COLUMNS} FROM messages m WHERE m.id = ?1"))?
                    .query_row([id], read)
                    .optional()
            })
            .await
    }

    /// Whether a message is the latest of its dialog.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_last(&self, entry: &Entry) -> Result<bool, StoreError> {
        let last = self.page(entry.dialog.as_deref(), None, 1).await?;
        Ok(last
            .messages
            .first()
            .is_some_and(|last| last.id == entry.id))
    }

    /// How many messages we have not read, per dialog.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unread(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.store
            .run(Durability::Process, |transaction| {
                transaction
                    .prepare_cached(
                        "SELECT dialog, count(*) FROM messages
                         WHERE is_read = 0 AND is_removed = 0 AND dialog IS NOT NULL
                         GROUP BY dialog",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
                    .collect()
            })
            .await
    }

    /// The private dialog with somebody, if the server has told of one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn private_dialog(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.store
            .run(Durability::Process, move |transaction| {
                provisional::private_dialog(transaction, user)
            })
            .await
    }
}
