//! The device's memory across power cuts: messages not yet sent, messages already seen, the call
//! log, known users, settings. One SQLite file, one thread that owns it.
//!
//! Invariant: when [`Store::enqueue`] has returned, the message is on the disk.
//! Must not enter: decisions about what to send or whom to call, sockets, actors.

mod calls;
mod database;
mod error;
mod migrations;
mod outbox;
mod settings;
mod sightings;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use database::{Database, Durability};

pub use calls::{CallDirection, CallRecord};
pub use error::StoreError;
pub use outbox::{Queued, RefusedMessage};
pub use users::KnownUser;

/// The size a database may grow to, bytes, unless told otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// Requests waiting for the store's thread; beyond it callers wait.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// A handle on the store, cheap to clone. The thread ends with the last handle, after the
/// requests already accepted.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    file: Arc<PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `file` or begins it. Blocks for the time of a quick integrity check, so call it at
    /// start-up. A damaged file is moved aside (see `docs/design/store.md`): a kiosk must come up.
    ///
    /// # Errors
    /// [`StoreError`] names the file: it or its folder cannot be used, or it is from a newer version.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_bounded(file, DEFAULT_MAX_BYTES)
    }

    /// Like [`Store::open`] with the size in bytes the file may grow to; what does not fit is
    /// refused with [`StoreError::Full`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_bounded(file: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        Self::start(Database::open(file, max_bytes)?)
    }

    /// A store without a file, gone with its last handle.
    ///
    /// # Errors
    /// When SQLite cannot allocate.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::start(Database::in_memory()?)
    }

    fn start(mut database: Database) -> Result<Self, StoreError> {
        let file = Arc::new(database.file.clone());
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut database);
                }
            })
            .map_err(|error| StoreError::Io {
                file: (*file).clone(),
                reason: format!("its thread did not start: {error}"),
            })?;
        Ok(Self { jobs, file })
    }

    /// Runs `work` in one transaction on the store's thread.
    async fn run<T, W>(&self, durability: Durability, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let closed = || StoreError::Closed {
            file: (*self.file).clone(),
        };
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let outcome = transact(database, durability, work)
                .map_err(|error| StoreError::of(&database.file, &error));
            // A caller that gave up waiting does not undo the work.
            let _ = answer.send(outcome);
        });
        self.jobs.send(job).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn transact<T>(
    database: &mut Database,
    durability: Durability,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    database.require(durability)?;
    let transaction = database.connection.transaction()?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
