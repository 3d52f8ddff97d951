//! Contents, each under its SHA-256: the same bytes sent by ten users are kept once.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{FileError, Files, Placing};

/// SHA-256 of a content.
pub type Digest = [u8; 32];

impl Files {
    /// Makes an upload a content: on disk for good, under its digest. `placing` is kept by the
    /// caller until a row names the content.
    ///
    /// # Errors
    /// [`FileError`]; the upload stays for another try.
    pub async fn seal(
        &self,
        uid: &str,
        _placing: &Placing<'_>,
    ) -> Result<(Digest, u64), FileError> {
        let turn = self.turns.take(uid).await?;
        let part = self.parts.join(turn.uid());
        let contents = self.contents.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            place(&part, &contents)
        });
        let panicked = |error| FileError::Io(std::io::Error::other(error));
        Ok(work.await.map_err(panicked)??)
    }

    /// Opens a content for reading.
    ///
    /// # Errors
    /// What the system says; "not found" after the content was swept.
    pub async fn read(&self, digest: &Digest) -> std::io::Result<tokio::fs::File> {
        tokio::fs::File::open(place_of(&self.contents, digest)).await
    }
}

/// Two levels, so that no folder holds more than a 256th of all.
pub(super) fn place_of(contents: &Path, digest: &Digest) -> PathBuf {
    let name = hex::encode(digest);
    contents.join(&name[..2]).join(name)
}

fn place(part: &Path, contents: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = File::open(part)?;
    let (digest, size) = hash(&mut file)?;
    let place = place_of(contents, &digest);
    if place.metadata().is_ok_and(|found| found.len() == size) {
        std::fs::remove_file(part)?;
        return Ok((digest, size));
    }
    // The bytes before the name: after a power cut the name must not lead to fewer.
    file.sync_all()?;
    if let Some(folder) = place.parent() {
        super::make_private_folder(folder)?;
        std::fs::rename(part, &place)?;
        File::open(folder)?.sync_all()?;
        File::open(contents)?.sync_all()?;
    }
    Ok((digest, size))
}

fn hash(file: &mut File) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}
