//! Long reads beside the store's thread.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{StoreError, functions};

/// Long reads at a time; more wait, so that searching cannot take the whole machine.
const AT_A_TIME: usize = 2;

/// Opens a connection of its own for each read: it sees what is committed, and neither waits for
/// the store's thread nor makes it wait.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    slots: Semaphore,
}

impl Reader {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            slots: Semaphore::new(AT_A_TIME),
        }
    }

    /// Runs a read on a thread for blocking work.
    ///
    /// # Errors
    /// What the read returned, or why it could not be run.
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _slot = self.slots.acquire().await.map_err(|_| StoreError::Closed)?;
        let path = self.path.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Query only, rather than opened read-only: reading a WAL needs to write its index.
            let connection = Connection::open_with_flags(
                &path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            functions::add(&connection)?;
            connection.pragma_update(None, "query_only", "ON")?;
            read(&connection)
        });
        let result = work.await.map_err(|_| StoreError::Panicked)?;
        Ok(result?)
    }
}
