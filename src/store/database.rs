//! Opening the database file, and what happens when it is damaged.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::migrations::{self, Schema};

/// How hard a change is driven to the disk before the caller hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The change survives a power cut (`synchronous=FULL`): one fsync per commit.
    PowerCut,
    /// The change survives the end of the process; a power cut may undo the latest ones
    /// (`synchronous=NORMAL`), which spares an SD card.
    Process,
}

/// An open connection with its file's name for errors.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
    durability: Option<Durability>,
    /// Where the damaged file that was here before is now.
    pub(super) set_aside: Option<PathBuf>,
}

/// SQLite's name for a database without a file.
pub(super) const IN_MEMORY: &str = ":memory:";

/// SQLite's page size for new files, bytes.
const PAGE: u64 = 4096;

impl Database {
    /// Opens `file`, making it and its tables when absent. A damaged file is renamed to
    /// `<file>.damaged-<unix seconds>` and a new one begun.
    pub(super) fn open(file: &Path, max_bytes: u64, schema: Schema) -> Result<Self, StoreError> {
        match Self::open_checked(file, max_bytes, schema) {
            Err(StoreError::Corrupt { reason, .. }) => {
                let aside = move_aside(file)?;
                tracing::error!(file = %file.display(), kept_as = %aside.display(), reason,
                    "the database was damaged; what it held is in the old file");
                let mut database = Self::open_checked(file, max_bytes, schema)?;
                database.set_aside = Some(aside);
                Ok(database)
            }
            outcome => outcome,
        }
    }

    /// A database that lives as long as the process.
    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let file = PathBuf::from(IN_MEMORY);
        let connection =
            Connection::open_in_memory().map_err(|error| StoreError::of(&file, &error))?;
        Self::prepare(connection, file, u64::MAX, migrations::DEVICE)
    }

    fn open_checked(file: &Path, max_bytes: u64, schema: Schema) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)
            .map_err(|error| StoreError::of(file, &error))?;
        Self::prepare(connection, file.to_owned(), max_bytes, schema)
    }

    fn prepare(
        mut connection: Connection,
        file: PathBuf,
        max_bytes: u64,
        schema: Schema,
    ) -> Result<Self, StoreError> {
        let refuse = |error: rusqlite::Error| StoreError::of(&file, &error);
        // Another process holding the file for a moment (a backup) is no reason to fail.
        connection
            .busy_timeout(Duration::from_secs(2))
            .map_err(refuse)?;
        // All there are, so that none is parsed twice.
        connection.set_prepared_statement_cache_capacity(128);
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .map_err(refuse)?;
        // Each request of a group has a savepoint; what undoes it would otherwise go through a file.
        connection
            .pragma_update(None, "temp_store", "MEMORY")
            .map_err(refuse)?;
        let max_pages = (max_bytes / PAGE).clamp(1, i64::from(u32::MAX) as u64 - 1) as i64;
        connection
            .pragma_update_and_check(None, "max_page_count", max_pages, |_| Ok(()))
            .map_err(refuse)?;
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(refuse)?;
        if verdict != "ok" {
            let reason = verdict;
            return Err(StoreError::Corrupt { file, reason });
        }
        let found = migrations::migrate(&mut connection, schema).map_err(refuse)?;
        let known = schema.len() as i64;
        if found > known {
            return Err(StoreError::Newer { file, found, known });
        }
        Ok(Self {
            connection,
            file,
            durability: None,
            set_aside: None,
        })
    }

    /// Sets how hard the following commits are driven to the disk.
    pub(super) fn require(&mut self, durability: Durability) -> rusqlite::Result<()> {
        if self.durability != Some(durability) {
            let level = match durability {
                Durability::PowerCut => "FULL",
                Durability::Process => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.durability = Some(durability);
        }
        Ok(())
    }
}

/// Renames a damaged database together with its write-ahead log, which belongs to it alone.
fn move_aside(file: &Path) -> Result<PathBuf, StoreError> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let with_suffix = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = with_suffix(file, &format!(".damaged-{seconds}"));
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::rename(with_suffix(file, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io {
                    file: file.to_owned(),
                    reason: format!("it is damaged and cannot be moved aside: {error}"),
                });
            }
            _ => {}
        }
    }
    Ok(aside)
}
