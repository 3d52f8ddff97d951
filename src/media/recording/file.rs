//! The file while it grows: `NAME.part` beside where it will be, on the disk after every append.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::boxes::FREE_AT;
use super::muxer::Ending;

/// What is behind the name of a file that is not finished.
pub(super) const PART: &str = "part";

/// The disk does not take the recording.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiskError {
    /// The folder or the file cannot be made or written.
    #[error("{path}: {reason}", path = path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no room, or not as much as must stay free.
    #[error("no room for a recording: {free} bytes are free, {needed} must be")]
    Full {
        /// Bytes free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
}

pub(super) struct PartFile {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    length: u64,
    min_free: u64,
}

impl PartFile {
    /// Begins an empty file. Only its owner may read it: it shows whoever stood at the door.
    pub(super) fn create(whole: &Path, min_free: u64) -> Result<Self, DiskError> {
        let folder = whole.parent().unwrap_or(Path::new("."));
        let mut made = DirBuilder::new();
        made.recursive(true).mode(0o700);
        made.create(folder)
            .map_err(|error| unwritable(folder, &error))?;
        check_room(folder, min_free)?;
        let part = part_of(whole);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| unwritable(&part, &error))?;
        Ok(Self {
            file,
            part,
            whole: whole.to_owned(),
            length: 0,
            min_free,
        })
    }

    /// Appends, and returns when it is on the disk. A failed append leaves what was there before.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let written = self
            .file
            .write_all_at(bytes, self.length)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a fragment is of no use, and its room may be what finishing needs.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::warn!(%error, "a failed write to a recording cannot be taken back");
            }
            return Err(self.failed(&error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes on the disk.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether as much room is left as must be.
    pub(super) fn check_room(&self) -> Result<(), DiskError> {
        check_room(&self.part, self.min_free)
    }

    /// Makes it an ordinary file under its own name. When the index finds no room the file stays
    /// a fragmented one, which plays as well.
    pub(super) fn finish(mut self, ending: &Ending) -> Result<(PathBuf, u64), DiskError> {
        if !ending.fragment.is_empty() {
            self.append(&ending.fragment)?;
        }
        self.seal(&ending.index, &ending.header)
    }

    /// As [`PartFile::finish`] without a last fragment.
    pub(super) fn seal(mut self, index: &[u8], header: &[u8]) -> Result<(PathBuf, u64), DiskError> {
        match self.append(index) {
            Ok(()) => self
                .file
                .write_all_at(header, FREE_AT)
                .map_err(|error| self.failed(&error))?,
            Err(error) => {
                tracing::warn!(%error, file = %self.part.display(), "a recording has no index");
            }
        }
        self.keep()
    }

    /// Gives it its own name as it is.
    pub(super) fn keep(self) -> Result<(PathBuf, u64), DiskError> {
        let renamed = self
            .file
            .sync_all()
            .and_then(|()| std::fs::rename(&self.part, &self.whole))
            .and_then(|()| sync_folder(&self.whole));
        renamed.map_err(|error| self.failed(&error))?;
        Ok((self.whole, self.length))
    }

    /// Leaves it as it is, for the recovery.
    pub(super) fn leave(self) -> PathBuf {
        self.part
    }

    /// Removes it.
    pub(super) fn discard(self) {
        if let Err(error) = std::fs::remove_file(&self.part) {
            tracing::warn!(%error, file = %self.part.display(), "a discarded recording stays");
        }
    }

    /// Takes up a file left behind, of which so much is whole.
    pub(super) fn reopen(part: &Path, length: u64) -> Result<Self, DiskError> {
        let file = OpenOptions::new()
            .write(true)
            .open(part)
            .and_then(|file| file.set_len(length).map(|()| file))
            .map_err(|error| unwritable(part, &error))?;
        Ok(Self {
            file,
            part: part.to_owned(),
            whole: part.with_extension(""),
            length,
            min_free: 0,
        })
    }

    fn failed(&self, error: &std::io::Error) -> DiskError {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => DiskError::Full {
                free: free(&self.part).unwrap_or(0),
                needed: self.min_free,
            },
            _ => unwritable(&self.part, error),
        }
    }
}

fn part_of(whole: &Path) -> PathBuf {
    let mut name = whole.as_os_str().to_owned();
    name.push(".");
    name.push(PART);
    name.into()
}

/// Without it a rename may not survive a power cut.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn check_room(place: &Path, needed: u64) -> Result<(), DiskError> {
    let free = free(place).map_err(|error| unwritable(place, &error))?;
    if free < needed {
        return Err(DiskError::Full { free, needed });
    }
    Ok(())
}

/// Bytes an ordinary user may still write to the disk a place is on.
///
/// # Errors
/// The system's, for instance that there is no such place.
pub fn free_space(place: &Path) -> std::io::Result<u64> {
    free(place)
}

fn free(place: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(place)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn unwritable(path: &Path, error: &std::io::Error) -> DiskError {
    DiskError::Unwritable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
