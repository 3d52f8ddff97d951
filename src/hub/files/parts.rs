//! Uploads under way: one file each, appended to until it is whole.

use std::path::PathBuf;

use tokio::io::AsyncWriteExt;

use super::turn::Turn;
use super::{FileError, Files};

/// The right to append to one upload. What was written stays when the line is cut.
pub struct PartWriter {
    file: tokio::fs::File,
    path: PathBuf,
    length: u64,
    turn: Turn,
}

impl Files {
    /// Opens an upload for writing; whoever wrote to it is ended. With `offset` writing goes on
    /// there, without it begins anew. `expected` bytes, if known, must find room.
    ///
    /// # Errors
    /// [`FileError::Offset`] when the upload has not that many bytes, [`FileError::Full`].
    pub async fn write_part(
        &self,
        uid: &str,
        offset: Option<u64>,
        expected: Option<u64>,
    ) -> Result<PartWriter, FileError> {
        let turn = self.turns.take(uid).await?;
        self.check_space(expected.unwrap_or(0))?;
        let path = self.parts.join(turn.uid());
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).mode(0o600);
        let file = match offset {
            None => options.write(true).truncate(true).open(&path).await?,
            Some(_) => options.append(true).open(&path).await?,
        };
        let length = file.metadata().await?.len();
        if offset.is_some_and(|offset| offset != length) {
            return Err(FileError::Offset(length));
        }
        Ok(PartWriter {
            file,
            path,
            length,
            turn,
        })
    }

    /// The bytes an upload has; whoever wrote to it is ended, so the number stands.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn part_length(&self, uid: &str) -> Result<u64, FileError> {
        let turn = self.turns.take(uid).await?;
        match tokio::fs::metadata(self.parts.join(turn.uid())).await {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn check_space(&self, expected: u64) -> Result<(), FileError> {
        let disk = rustix::fs::statvfs(&self.parts).map_err(std::io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.reserve.saturating_add(expected) {
            return Err(FileError::Full);
        }
        Ok(())
    }
}

impl PartWriter {
    /// The bytes written in all, those of earlier connections included.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends. On a full disk the upload is removed, to leave the room to others.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let outcome = self.file.write_all(bytes).await;
        self.length += bytes.len() as u64;
        self.keep_or_remove(outcome).await
    }

    /// Ends when another connection takes the upload over.
    pub async fn superseded(&self) {
        self.turn.ended().await;
    }

    /// Hands what was written to the system. Not yet safe from a power cut: sealing makes it so.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn flush(&mut self) -> Result<(), FileError> {
        let outcome = self.file.flush().await;
        self.keep_or_remove(outcome).await
    }

    /// Removes what was written: a form that was cut begins anew.
    pub async fn discard(self) {
        if let Err(error) = tokio::fs::remove_file(&self.path).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a failed upload could not be removed");
        }
    }

    async fn keep_or_remove(&self, outcome: std::io::Result<()>) -> Result<(), FileError> {
        if outcome.is_err()
            && let Err(error) = tokio::fs::remove_file(&self.path).await
        {
            tracing::warn!(%error, "a failed upload could not be removed");
        }
        outcome.map_err(Into::into)
    }
}
