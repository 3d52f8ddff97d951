//! What can go wrong with the device's database.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// An operation on the store failed. Every kind names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the size allowed to the database, is used up. Reading still works.
    #[error("no room left for {file}; if its disk is full, make room")]
    Full {
        /// The database file.
        file: PathBuf,
    },
    /// The file is damaged. The next [`super::Store::open`] moves it aside and begins a new one.
    #[error("{file} is damaged: {reason}")]
    Corrupt {
        /// The database file.
        file: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// The file was written by a newer cubelet. It is left untouched.
    #[error("{file} has schema {found}, this version knows up to {known}")]
    Newer {
        /// The database file.
        file: PathBuf,
        /// The file's schema version.
        found: i64,
        /// The newest schema this version can use.
        known: i64,
    },
    /// The file or its folder cannot be read or written.
    #[error("cannot use {file}: {reason}")]
    Io {
        /// The database file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A statement failed for a reason that is a fault of ours.
    #[error("a statement on {file} failed: {reason}")]
    Statement {
        /// The database file.
        file: PathBuf,
        /// What SQLite said; never the values bound to the statement.
        reason: String,
    },
    /// The store's thread has ended.
    #[error("the store of {file} is closed")]
    Closed {
        /// The database file.
        file: PathBuf,
    },
}

impl StoreError {
    /// Sorts SQLite's result codes into what a caller can act on.
    pub(super) fn of(file: &Path, error: &rusqlite::Error) -> Self {
        let file = file.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { file },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { file, reason }
            }
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => Self::Io { file, reason },
            _ => Self::Statement { file, reason },
        }
    }
}
