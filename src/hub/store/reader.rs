//! Long reads beside the store's thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, interval_at};

use super::{StoreError, functions};

/// Long reads at a time; more wait, so that searching cannot take the whole machine.
const AT_A_TIME: usize = 2;
/// Between one word to stop and the next, to a read that has taken too long.
const AGAIN: Duration = Duration::from_millis(100);

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
        self.read(None, read).await
    }

    /// Like [`Reader::run`], with so much time from when its turn has come.
    ///
    /// # Errors
    /// As [`Reader::run`], and [`StoreError::TookTooLong`].
    pub async fn run_within<T: Send + 'static>(
        &self,
        most: Duration,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = self.read(Some(most), read).await;
        result.map_err(|error| match error {
            StoreError::Sqlite(error) if is_interrupted(&error) => StoreError::TookTooLong,
            error => error,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        most: Option<Duration>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _slot = self.slots.acquire().await.map_err(|_| StoreError::Closed)?;
        let path = self.path.clone();
        let (opened, handle) = oneshot::channel();
        let mut work = tokio::task::spawn_blocking(move || {
            // Query only, rather than opened read-only: reading a WAL needs to write its index.
            let connection = Connection::open_with_flags(
                &path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(Duration::from_secs(5))?;
            functions::add(&connection)?;
            connection.pragma_update(None, "query_only", "ON")?;
            // Who asked may have gone.
            let _ = opened.send(connection.get_interrupt_handle());
            read(&connection)
        });
        let result = match most {
            None => work.await,
            Some(most) => tokio::select! {
                result = &mut work => result,
                never = stop_after(most, handle) => match never {},
            },
        };
        Ok(result.map_err(|_| StoreError::Panicked)??)
    }
}

/// Interrupts a read when its time is over, and again until it has ended: between two statements
/// nobody hears it.
async fn stop_after(
    most: Duration,
    handle: oneshot::Receiver<InterruptHandle>,
) -> std::convert::Infallible {
    let Ok(handle) = handle.await else {
        // It has not begun, and its end is near.
        return std::future::pending().await;
    };
    let mut over = interval_at(Instant::now() + most, AGAIN);
    loop {
        over.tick().await;
        handle.interrupt();
    }
}

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;

    #[tokio::test]
    async fn a_read_that_takes_longer_than_it_may_is_ended_and_the_next_one_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.db")).unwrap();
        let reads = |sql: &'static str| {
            let read = move |db: &Connection| db.query_row(sql, [], |row| row.get::<_, i64>(0));
            store.reader.run_within(Duration::from_millis(50), read)
        };
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                       SELECT count(*) FROM n";
        // As often as there are slots, and once more.
        for _ in 0..=AT_A_TIME {
            let result = reads(endless).await;
            assert!(matches!(result, Err(StoreError::TookTooLong)), "{result:?}");
        }
        assert_eq!(reads("SELECT 1").await.unwrap(), 1);
    }
}
