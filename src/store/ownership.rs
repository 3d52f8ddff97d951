//! One daemon a state folder: two would send every message twice and answer for each other.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::base::disk::Explained;

/// The file whose lock says that somebody works in the folder. It stays when the owner is gone;
/// the kernel ends the lock with the process, however that ends.
const LOCK_FILE: &str = "lock";

/// Why the folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// Another process works in it.
    #[error(
        "{} is in use by another daemon{}; two on one state folder would send every message twice: \
         stop that one, or give this one a `device.state_dir` of its own",
        .folder.display(),
        .pid.as_deref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The number the other process left in the file.
        pid: Option<String>,
    },
    /// The lock's file cannot be made or locked, usually a read-only or full disk.
    #[error("the state folder cannot be used: {}: {}", .file.display(), Explained(.source))]
    Io {
        /// The lock's file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The right to work in a state folder, until it is dropped.
#[derive(Debug)]
pub struct Ownership {
    // Open for as long as the lock is to hold.
    _file: File,
}

impl Ownership {
    /// Takes the folder, which must exist.
    ///
    /// # Errors
    /// [`OwnershipError`].
    pub fn take(folder: &Path) -> Result<Self, OwnershipError> {
        let path = folder.join(LOCK_FILE);
        let io = |source| OwnershipError::Io {
            file: path.clone(),
            source,
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let known = (&file).take(16).read_to_string(&mut pid).is_ok();
                let pid = pid.trim().to_owned();
                return Err(OwnershipError::InUse {
                    folder: folder.to_owned(),
                    pid: (known && !pid.is_empty()).then_some(pid),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // The number is for people only; a full disk is no reason not to run.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, file = %path.display(), "the process number was not noted");
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ownership::take(folder.path()).unwrap();
        let refused = Ownership::take(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        Ownership::take(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Ownership::take(&folder.path().join("absent")).unwrap_err();
        assert!(refused.to_string().contains("absent/lock"), "{refused}");
    }
}
