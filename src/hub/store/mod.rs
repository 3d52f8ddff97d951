//! What the hub remembers: SQLite behind one thread.
//!
//! Invariant: a job's answer is given only after its transaction is on disk. Jobs that wait
//! together share one commit, so that safety costs one `fsync` for all of them.
//! Must not enter: stanzas, HTTP, anything asynchronous.

pub mod blobs;
pub mod changes;
pub mod dialog_json;
pub mod dialog_views;
pub mod dialogs;
#[cfg(test)]
mod history_tests;
pub mod messages;
mod migrations;
pub mod occupants;
pub mod offline;
pub mod query;
pub mod reactions;
mod reader;
pub mod receipts;
pub mod search;
pub mod sessions;
pub mod users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::JoinHandle;

use parking_lot::Mutex;
pub use reader::Reader;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; beyond that callers wait to hand theirs in.
const QUEUE: usize = 256;
/// Jobs that share one commit at most.
const BATCH: usize = 64;

type Answer = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;

/// Why a job gave no result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The job was done but the commit that would have kept it failed.
    #[error("database: the commit failed: {0}")]
    Commit(String),
    /// A job panicked; its changes were rolled back.
    #[error("database: a job panicked")]
    Panicked,
    /// The hub is going down, or the disk refuses even to begin.
    #[error("database: closed")]
    Closed,
    /// The thread could not be started.
    #[error("database thread: {0}")]
    Thread(std::io::Error),
}

/// The handle to the store's thread.
pub struct Store {
    /// For long reads, which must not make writers wait.
    pub reader: Reader,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or creates the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], also for a database of a newer version of cubelet.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A message that was acknowledged survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(128);
        migrations::apply(&mut connection)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("hub-store".into())
            .spawn(move || work(connection, queue))
            .map_err(StoreError::Thread)?;
        Ok(Self {
            reader: Reader::new(path),
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `job` on the store's thread, in a transaction; an error rolls back what it did.
    ///
    /// # Errors
    /// What the job returned, or why it could not be run or kept.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let jobs = self.jobs.lock().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = in_savepoint(connection, job);
            Box::new(move |commit| {
                let result = match commit {
                    Ok(()) => result,
                    Err(error) => result.and(Err(StoreError::Commit(error.to_string()))),
                };
                // The asker may have gone; then nobody wants the answer.
                let _ = answer.send(result);
            })
        });
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes waiting jobs, writes the WAL back and closes the file. Blocks.
    pub fn close(&self) {
        self.jobs.lock().take();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread had panicked");
        }
    }
}

fn work(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let transaction = match connection.transaction() {
            Ok(transaction) => transaction,
            Err(error) => {
                // Dropping the job tells its asker.
                tracing::error!(%error, "cannot begin a transaction");
                continue;
            }
        };
        let mut answers = vec![first(&transaction)];
        while answers.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            answers.push(job(&transaction));
        }
        let commit = transaction.commit();
        if let Err(error) = &commit {
            tracing::error!(%error, jobs = answers.len(), "commit failed");
        }
        for answer in answers {
            answer(commit.as_ref().map(|&()| ()));
        }
    }
    if let Err(error) = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
        tracing::warn!(%error, "checkpoint at the end failed; the next start will do it");
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "closing the database failed");
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT job")?;
    // A panic in one job must not end the thread that everybody depends on. The connection is
    // rolled back to the savepoint, so nothing half-done is seen.
    let result = catch_unwind(AssertUnwindSafe(|| job(connection)));
    match result {
        Ok(Ok(value)) => {
            connection.execute_batch("RELEASE job")?;
            Ok(value)
        }
        Ok(Err(error)) => {
            connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            Err(error.into())
        }
        Err(_) => {
            connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            Err(StoreError::Panicked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        (folder, store)
    }

    fn rows(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))
    }

    const INSERT: &str = "INSERT INTO users (login, created_at, updated_at) VALUES ('a', 0, 0)";

    #[tokio::test]
    async fn a_failing_or_panicking_job_leaves_nothing_behind_and_the_store_alive() {
        let (_folder, store) = store();
        let failed = store
            .run(|connection| {
                connection.execute(INSERT, [])?;
                connection.execute("nonsense", [])
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Sqlite(_))));
        let panicked = store
            .run(|connection| -> rusqlite::Result<()> {
                connection.execute(INSERT, [])?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(panicked, Err(StoreError::Panicked)));
        assert_eq!(store.run(rows).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_closing_and_the_wal_is_empty() {
        let (folder, store) = store();
        store
            .run(|connection| connection.execute(INSERT, []))
            .await
            .unwrap();
        store.close();
        assert!(matches!(store.run(rows).await, Err(StoreError::Closed)));
        let wal = folder.path().join("hub.sqlite-wal");
        assert_eq!(wal.metadata().map_or(0, |file| file.len()), 0);
        let again = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        assert_eq!(again.run(rows).await.unwrap(), 1);
    }
}
