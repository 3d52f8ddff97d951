//! What the hub remembers: SQLite behind one thread.
//!
//! Invariant: a job's answer is given only after its transaction is on disk. Jobs that wait
//! together share one commit, so that safety costs one `fsync` for all of them. What follows a
//! commit runs on the store's thread in the order of the jobs, so the order in which messages are
//! stored is the order in which they are delivered.
//! Must not enter: stanzas, HTTP, anything asynchronous.

pub mod blobs;
pub mod changes;
mod damage;
pub mod dialog_json;
pub mod dialog_views;
pub mod dialogs;
pub mod enrolments;
mod functions;
#[cfg(test)]
mod history_tests;
pub mod messages;
mod migrations;
pub mod notifications;
pub mod occupants;
pub mod privacy;
pub mod query;
pub mod reactions;
mod reader;
pub mod receipts;
pub mod recipients;
pub mod record_filter;
pub mod record_groups;
pub mod records;
pub mod scram;
pub mod search;
pub mod sessions;
pub mod subscriptions;
pub mod undelivered;
pub mod users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub use damage::is_damage;
use parking_lot::Mutex;
pub use reader::Reader;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::base::disk;

/// Jobs that may wait; beyond that callers wait to hand theirs in.
const QUEUE: usize = 1_024;
/// Jobs that share one commit at most.
const BATCH: usize = 256;

type After = Box<dyn FnOnce(Result<(), &str>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> After + Send>;

/// Why a job gave no result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("database: {0}{remedy}", remedy = remedy(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// The job was done but the commit that would have kept it failed.
    #[error("database: the commit failed: {0}")]
    Commit(String),
    /// A read took longer than it may.
    #[error("database: the read took too long")]
    TookTooLong,
    /// A job panicked; its changes were rolled back.
    #[error("database: a job panicked")]
    Panicked,
    /// The hub is going down.
    #[error("database: closed")]
    Closed,
    /// The file is damaged, and cannot be moved out of the way.
    #[error("{path} is damaged and cannot be moved aside: {source}")]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
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
    health: Arc<AtomicBool>,
}

impl Store {
    /// Opens or creates the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], also for a database of a newer version of cubelet.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_bounded(path, 0)
    }

    /// Like [`Store::open`]; the database takes at most `max_bytes`. 0 leaves that to the disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_bounded(path: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A message that was acknowledged survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // Each job has a savepoint; what undoes it would otherwise go through a file, page by page.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(128);
        functions::add(&connection)?;
        migrations::apply(&mut connection)?;
        if max_bytes > 0 {
            let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let pages = (max_bytes / page.unsigned_abs().max(1)).max(1) as i64;
            // The answer is the bound in force, which is never below what is used already.
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let health = Arc::new(AtomicBool::new(true));
        let worker = Worker {
            connection,
            health: Arc::clone(&health),
        };
        let thread = std::thread::Builder::new()
            .name("hub-store".into())
            .spawn(move || worker.work(queue))
            .map_err(StoreError::Thread)?;
        Ok(Self {
            reader: Reader::new(path),
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            health,
        })
    }

    /// Whether the last change was kept. A full or broken disk makes it `false`, until one is
    /// kept again.
    pub fn is_healthy(&self) -> bool {
        self.health.load(Ordering::Relaxed)
    }

    /// Runs `job` on the store's thread, in a transaction; an error rolls back what it did.
    ///
    /// # Errors
    /// What the job returned, or why it could not be run or kept.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // The asker may have gone; then nobody wants the answer.
        self.run_then(job, |result| drop(answer.send(result))).await;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Like [`Store::run`], but returns when the job is handed in. What came of it is given to
    /// `after` once the transaction is on disk, on the store's thread and in the order in which
    /// jobs were handed in: `after` must neither wait nor take long.
    pub async fn run_then<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let jobs = self.jobs.lock().clone();
        let Some(jobs) = jobs else {
            return after(Err(StoreError::Closed));
        };
        let place = match jobs.reserve().await {
            Ok(place) => place,
            Err(_) => return after(Err(StoreError::Closed)),
        };
        place.send(self.boxed(job, after));
    }

    /// Like [`Store::run_then`] for where nothing can wait, and without an answer. `false` when
    /// there is no place for the job now.
    pub fn try_run(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> bool {
        let jobs = self.jobs.lock();
        let after = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::warn!(%error, "work in the background failed");
            }
        };
        jobs.as_ref()
            .is_some_and(|jobs| jobs.try_send(self.boxed(job, after)).is_ok())
    }

    fn boxed<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Job {
        let health = Arc::clone(&self.health);
        Box::new(move |connection| {
            let result = in_savepoint(connection, job);
            Box::new(move |commit| {
                let result = match commit {
                    Ok(()) => result,
                    Err(error) => result.and(Err(StoreError::Commit(error.to_owned()))),
                };
                if let Err(StoreError::Sqlite(error)) = &result
                    && is_of_the_disk(error)
                {
                    note_failure(&health, error);
                }
                after(result);
            })
        })
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

/// Says once when changes can no longer be kept.
fn note_failure(health: &AtomicBool, error: &rusqlite::Error) {
    if health.swap(false, Ordering::Relaxed) {
        tracing::error!(%error, "nothing can be stored; messages are refused");
    }
}

/// What a person can do about it, if that is known.
fn remedy(error: &rusqlite::Error) -> String {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StorageFull,
        Some(rusqlite::ErrorCode::ReadOnly) => ReadOnlyFilesystem,
        Some(rusqlite::ErrorCode::PermissionDenied) => PermissionDenied,
        _ => return String::new(),
    };
    disk::remedy(&kind.into())
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default()
}

fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    matches!(
        error.sqlite_error_code(),
        Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure)
    )
}

struct Worker {
    connection: Connection,
    health: Arc<AtomicBool>,
}

impl Worker {
    fn work(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            self.batch(first, &mut queue);
        }
        let end = self
            .connection
            .pragma_update(None, "wal_checkpoint", "TRUNCATE");
        if let Err(error) = end {
            tracing::warn!(%error, "checkpoint at the end failed; the next start will do it");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "closing the database failed");
        }
    }

    fn batch(&self, first: Job, queue: &mut mpsc::Receiver<Job>) {
        let before = self.connection.total_changes();
        let mut outcome = run_statement(&self.connection, "BEGIN IMMEDIATE");
        // Without a transaction the jobs fail one by one, and their askers learn why.
        let mut afters = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            afters.push(job(&self.connection));
            // SQLite ends the whole transaction by itself when the disk is full or broken: then
            // what the earlier jobs did is gone, and later ones must not run outside of one.
            if outcome.is_ok() && self.connection.is_autocommit() {
                let gone = "the transaction was rolled back: the disk is full or broken";
                outcome = Err(rusqlite::Error::ToSqlConversionFailure(gone.into()));
            }
            next = (afters.len() < BATCH && outcome.is_ok())
                .then(|| queue.try_recv().ok())
                .flatten();
        }
        let commit = outcome.and_then(|()| run_statement(&self.connection, "COMMIT"));
        if commit.is_err() && !self.connection.is_autocommit() {
            // Nothing of a failed batch may be kept by the next one's commit.
            if let Err(error) = self.connection.execute_batch("ROLLBACK") {
                tracing::error!(%error, "rolling back failed");
            }
        }
        match &commit {
            Err(error) => note_failure(&self.health, error),
            Ok(())
                if self.connection.total_changes() != before
                    && !self.health.swap(true, Ordering::Relaxed) =>
            {
                tracing::info!("storing works again");
            }
            Ok(()) => {}
        }
        let commit = commit.map_err(|error| error.to_string());
        for after in afters {
            let commit = commit.as_ref().map(|&()| ()).map_err(String::as_str);
            // What follows one job must not keep the others from their answers.
            if catch_unwind(AssertUnwindSafe(|| after(commit))).is_err() {
                tracing::error!("what follows a job panicked");
            }
        }
    }
}

/// Runs a statement that is needed for every job, so that it is parsed once.
fn run_statement(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    if connection.is_autocommit() {
        return Err(StoreError::Commit("no transaction could be begun".into()));
    }
    run_statement(connection, "SAVEPOINT job")?;
    // A panic in one job must not end the thread that everybody depends on. The connection is
    // rolled back to the savepoint, so nothing half-done is seen.
    let result = catch_unwind(AssertUnwindSafe(|| job(connection)));
    match result {
        Ok(Ok(value)) => {
            run_statement(connection, "RELEASE job")?;
            Ok(value)
        }
        Ok(Err(error)) => {
            roll_back(connection)?;
            Err(error.into())
        }
        Err(_) => {
            roll_back(connection)?;
            Err(StoreError::Panicked)
        }
    }
}

fn roll_back(connection: &Connection) -> rusqlite::Result<()> {
    // SQLite has done it already after some errors, and has no savepoint any more then.
    if connection.is_autocommit() {
        return Ok(());
    }
    connection.execute_batch("ROLLBACK TO job; RELEASE job")
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
    async fn what_follows_jobs_happens_after_their_commit_in_their_order() {
        let (folder, store) = store();
        let (tell, mut told) = mpsc::unbounded_channel();
        for number in 0..500 {
            let tell = tell.clone();
            let path = folder.path().join("hub.sqlite");
            let after = move |result: Result<usize, StoreError>| {
                // Another connection sees what is committed only.
                let seen = (number % 100 == 0).then(|| {
                    Connection::open(path)
                        .and_then(|other| rows(&other))
                        .unwrap()
                });
                tell.send((number, result.is_ok(), seen)).unwrap();
            };
            let insert = format!(
                "INSERT INTO users (login, created_at, updated_at) VALUES ('{number}', 0, 0)"
            );
            store
                .run_then(move |connection| connection.execute(&insert, []), after)
                .await;
        }
        for number in 0..500 {
            let (came, is_kept, seen) = told.recv().await.unwrap();
            assert_eq!((came, is_kept), (number, true));
            assert!(seen.is_none_or(|seen| seen > number));
        }
    }

    #[tokio::test]
    async fn a_full_disk_fails_what_waits_with_it_and_is_recovered_from() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_bounded(&folder.path().join("hub.sqlite"), 400_000).unwrap();
        let fill = |connection: &Connection| {
            connection.execute(
                "INSERT INTO users (login, full_name, created_at, updated_at)
                 VALUES (hex(randomblob(8)), hex(randomblob(2000)), 0, 0)",
                [],
            )
        };
        let mut kept = 0;
        while store.run(fill).await.is_ok() {
            kept += 1;
        }
        assert!(kept > 10, "{kept}");
        assert!(!store.is_healthy());
        assert_eq!(store.run(rows).await.unwrap(), kept);
        store
            .run(|connection| connection.execute("DELETE FROM users", []))
            .await
            .unwrap();
        assert!(store.is_healthy());
        store.run(fill).await.unwrap();
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
