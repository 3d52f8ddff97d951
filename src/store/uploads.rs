//! Files on their way to the file store, each with the message that leaves once it is there.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, params};

use super::database::Durability;
use super::{Store, StoreError};
use crate::protocol::chat_message::OutgoingMessage;

const WAITING: i64 = 0;
const REFUSED: i64 = 1;

/// A file to be uploaded.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedUpload {
    /// Where the file is.
    pub file: PathBuf,
    /// Bytes.
    pub size: u64,
    /// MIME type.
    pub content_type: String,
    /// The name it gets, 1 to 100 characters.
    pub name: String,
    /// Whether it is ours to delete once it is sent.
    pub is_temporary: bool,
    /// What is sent once it is there; its last attachment gets the file's uid.
    pub message: OutgoingMessage,
    /// What the file store has told so far, as JSON; none before the upload is begun.
    pub ticket: Option<String>,
}

impl Store {
    /// Queues a file with its message; when this returns both are noted on the disk. A message
    /// already queued under the same id stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is noted then.
    pub async fn queue_upload(&self, upload: QueuedUpload) -> Result<(), StoreError> {
        self.run(Durability::PowerCut, move |transaction| {
            let message = serde_json::to_string(&upload.message)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            transaction
                .prepare_cached(
                    "INSERT INTO uploads (id, file, size, content_type, name, is_public,
                                          is_temporary, message)
                     VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7) ON CONFLICT (id) DO NOTHING",
                )?
                .execute(params![
                    upload.message.id,
                    upload.file.to_string_lossy(),
                    upload.size as i64,
                    upload.content_type,
                    upload.name,
                    upload.is_temporary,
                    message
                ])?;
            Ok(())
        })
        .await
    }

    /// The oldest file waiting.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_upload(&self) -> Result<Option<QueuedUpload>, StoreError> {
        self.run(Durability::Process, |transaction| {
            transaction
                .prepare_cached(
                    "SELECT file, size, content_type, name, is_temporary, message, progress
                     FROM uploads WHERE state = ?1 ORDER BY seq LIMIT 1",
                )?
                .query_row([WAITING], |row| {
                    let message: String = row.get(5)?;
                    let message = serde_json::from_str(&message).map_err(|error| {
                        let kind = rusqlite::types::Type::Text;
                        rusqlite::Error::FromSqlConversionFailure(5, kind, error.into())
                    })?;
                    Ok(QueuedUpload {
                        file: row.get::<_, String>(0)?.into(),
                        size: row.get::<_, i64>(1)? as u64,
                        content_type: row.get(2)?,
                        name: row.get(3)?,
                        is_temporary: row.get(4)?,
                        message,
                        ticket: row.get(6)?,
                    })
                })
                .optional()
        })
        .await
    }

    /// Notes what is needed to go on with an upload; with `None`, that it must begin anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_upload_ticket(
        &self,
        id: &str,
        ticket: Option<String>,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("UPDATE uploads SET progress = ?2 WHERE id = ?1")?
                .execute(params![id, ticket])
                .map(drop)
        })
        .await
    }

    /// The file is there and its message queued: nothing is left to do.
    ///
    /// # Errors
    /// [`StoreError`]; the message is then queued once more, under its id.
    pub async fn upload_done(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("DELETE FROM uploads WHERE id = ?1")?
                .execute([id])
                .map(drop)
        })
        .await
    }

    /// The file cannot be uploaded, now or ever; it is kept with the reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload_refused(&self, id: &str, reason: &str) -> Result<(), StoreError> {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        self.run(Durability::PowerCut, move |transaction| {
            transaction
                .prepare_cached("UPDATE uploads SET state = ?2, reason = ?3 WHERE id = ?1")?
                .execute(params![id, REFUSED, reason])
                .map(drop)
        })
        .await
    }
}
