//! A database that is damaged, usually by a power cut on a worn card: a site must come up. What
//! can still be had of it is in the file that is kept.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Store, StoreError};

/// What belongs to one database.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

impl Store {
    /// Like [`Store::open_bounded`]; a damaged file is renamed to `<file>.damaged-<unix seconds>`
    /// and a new one begun. Where the old one is comes back with the store.
    ///
    /// # Errors
    /// As [`Store::open`], and when the damaged file cannot be moved.
    pub fn open_or_begin_anew(
        path: &Path,
        max_bytes: u64,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let opened = check_after_a_cut(path).and_then(|()| Self::open_bounded(path, max_bytes));
        let damage = match opened {
            Err(StoreError::Sqlite(error)) if is_damage(&error) => error,
            outcome => return Ok((outcome?, None)),
        };
        let kept = move_aside(path).map_err(|source| StoreError::Damaged {
            path: path.to_owned(),
            source,
        })?;
        tracing::error!(
            database = %path.display(), kept_as = %kept.display(), %damage,
            "THE DATABASE IS DAMAGED: the hub begins with an empty one, without users and messages. \
             What it held is in the file that is kept: restore a backup, or sign up and enrol anew"
        );
        Ok((Self::open_bounded(path, max_bytes)?, Some(kept)))
    }
}

/// Reads the whole file, which takes a second for some hundred megabytes: only where the last hub
/// did not close it, as after a power cut.
fn check_after_a_cut(path: &Path) -> Result<(), StoreError> {
    let log = with_suffix(path, "-wal");
    let was_closed = std::fs::metadata(log).map_or(true, |log| log.len() == 0);
    if was_closed || !path.exists() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict)).into())
}

/// Whether an error says that the file itself is broken.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let kept = with_suffix(path, &format!(".damaged-{seconds}"));
    for part in PARTS {
        match std::fs::rename(with_suffix(path, part), with_suffix(&kept, part)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(kept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.sqlite");
        Store::open(&path).unwrap().close();
        (folder, path)
    }

    #[test]
    fn what_is_no_database_is_kept_and_a_new_one_begun() {
        let (_folder, path) = database();
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let (store, kept) = Store::open_or_begin_anew(&path, 0).unwrap();
        store.close();
        let kept = kept.unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), vec![b'x'; 8192]);
        let (store, kept) = Store::open_or_begin_anew(&path, 0).unwrap();
        store.close();
        assert_eq!(kept, None);
    }

    #[test]
    fn a_page_that_a_cut_has_torn_is_found_when_the_file_was_not_closed() {
        let (_folder, path) = database();
        let mut bytes = std::fs::read(&path).unwrap();
        // The tables' own pages, not the header, which every opening reads.
        let pages = bytes.len() / 4096;
        assert!(pages > 4, "{pages}");
        bytes[2 * 4096..4 * 4096].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        let log = with_suffix(&path, "-wal");
        std::fs::write(&log, b"left over").unwrap();
        let (store, kept) = Store::open_or_begin_anew(&path, 0).unwrap();
        store.close();
        assert_eq!(std::fs::read(kept.unwrap()).unwrap(), bytes);
    }

    #[test]
    fn a_newer_database_is_no_damage_and_stays_where_it_is() {
        let (folder, path) = database();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute("INSERT INTO migrations VALUES (999, '')", [])
            .unwrap();
        drop(connection);
        let refused = Store::open_or_begin_anew(&path, 0).err().unwrap();
        assert!(refused.to_string().contains("newer cubelet"), "{refused}");
        let names = std::fs::read_dir(folder.path()).unwrap();
        assert!(
            names
                .flatten()
                .all(|name| !name.file_name().to_string_lossy().contains("damaged"))
        );
    }
}
