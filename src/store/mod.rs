//! The device's memory across power cuts: messages not yet sent, messages already seen, the call
//! log, known users, settings. One SQLite file, one thread that owns it; requests over MQTT have a
//! log of their own beside it (`request_log`).
//!
//! Invariant: when [`Store::enqueue`] has returned, the message is on the disk.
//! Must not enter: decisions about what to send or whom to call, sockets, actors.

mod calls;
mod control_log;
mod database;
mod door_log;
mod error;
mod group_commit;
pub mod history;
mod inbox;
mod migrations;
mod outbox;
mod outbox_tail;
mod ownership;
mod request_log;
mod settings;
mod uploads;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

use database::{Database, Durability};
use group_commit::{MAX_GROUP, Pending, Request, carry_out};
use migrations::Schema;
use outbox_tail::OutboxTail;

pub use calls::{CallDetails, CallDirection, CallFilter, CallPreview, CallQuality, CallRecord};
pub use control_log::ControlEntry;
pub use door_log::DoorAttempt;
pub use error::StoreError;
pub use inbox::{Arrived, Noted, Untaken};
pub use outbox::{Queued, RefusedMessage};
pub use ownership::{Ownership, OwnershipError};
pub use request_log::{ControlRequest, RequestLog, Written};
pub use uploads::QueuedUpload;
pub use users::KnownUser;

/// The size a database may grow to, bytes, unless told otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// Requests waiting for the store's thread; beyond it callers wait.
const QUEUE: usize = 256;

type Job = Box<dyn Request>;

/// A handle on the store, cheap to clone. The thread ends with the last handle, after the
/// requests already accepted.
#[derive(Clone)]
pub struct Store {
    // None between `close` and `reopen`.
    jobs: Arc<RwLock<Option<mpsc::Sender<Job>>>>,
    file: Arc<PathBuf>,
    max_bytes: u64,
    schema: Schema,
    set_aside: Arc<RwLock<Option<PathBuf>>>,
    tail: Arc<Mutex<OutboxTail>>,
    // Messages acknowledged since the start.
    acknowledged: Arc<AtomicUsize>,
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
        Self::open_schema(file, max_bytes, migrations::DEVICE)
    }

    fn open_schema(file: &Path, max_bytes: u64, schema: Schema) -> Result<Self, StoreError> {
        Self::of(Database::open(file, max_bytes, schema)?, max_bytes, schema)
    }

    fn of(database: Database, max_bytes: u64, schema: Schema) -> Result<Self, StoreError> {
        Ok(Self {
            file: Arc::new(database.file.clone()),
            set_aside: Arc::new(RwLock::new(database.set_aside.clone())),
            jobs: Arc::new(RwLock::new(Some(start(database)?))),
            max_bytes,
            schema,
            tail: Arc::default(),
            acknowledged: Arc::default(),
        })
    }

    /// Where a damaged file was moved to when this one was last opened.
    pub fn set_aside(&self) -> Option<PathBuf> {
        self.set_aside.read().clone()
    }

    /// Whether there is a thread that serves requests.
    pub fn is_open(&self) -> bool {
        self.jobs
            .read()
            .as_ref()
            .is_some_and(|jobs| !jobs.is_closed())
    }

    /// Ends the thread after the requests already accepted. Every handle answers
    /// [`StoreError::Closed`] until [`Store::reopen`].
    pub fn close(&self) {
        *self.jobs.write() = None;
    }

    /// Starts a new thread on the same file, for all handles. Blocks like [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`]; the store stays closed.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let database = Database::open(&self.file, self.max_bytes, self.schema)?;
        *self.set_aside.write() = database.set_aside.clone();
        *self.tail.lock() = OutboxTail::default();
        let jobs = start(database)?;
        *self.jobs.write() = Some(jobs);
        Ok(())
    }

    /// A store without a file, gone with its last handle.
    ///
    /// # Errors
    /// When SQLite cannot allocate.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::of(
            Database::in_memory()?,
            DEFAULT_MAX_BYTES,
            migrations::DEVICE,
        )
    }

    /// A file beside the database, with this ending; none for a store in memory.
    pub fn beside(&self, ending: &str) -> Option<PathBuf> {
        let in_memory = self.file.as_os_str() == database::IN_MEMORY;
        (!in_memory).then(|| self.file.with_extension(ending))
    }

    /// Runs `work` on the store's thread, in a transaction it may share with others that wait.
    async fn run<T, W>(&self, durability: Durability, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_then(durability, work, |outcome| outcome).await
    }

    /// Like [`Store::run`]; `then` is called on the store's thread once the transaction has ended,
    /// in the order of the requests, and what it makes of the outcome is the answer.
    async fn run_then<T, W, A, N>(
        &self,
        durability: Durability,
        work: W,
        then: N,
    ) -> Result<A, StoreError>
    where
        T: Send + 'static,
        A: Send + 'static,
        W: FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        N: FnOnce(Result<T, StoreError>) -> Result<A, StoreError> + Send + 'static,
    {
        let closed = || StoreError::Closed {
            file: (*self.file).clone(),
        };
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(Pending::new(durability, work, move |outcome| {
            // A caller that gave up waiting does not undo the work.
            let _ = answer.send(then(outcome));
        }));
        let jobs = self.jobs.read().clone().ok_or_else(closed)?;
        jobs.send(job).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Starts the thread that serves one database.
fn start(mut database: Database) -> Result<mpsc::Sender<Job>, StoreError> {
    let file = database.file.clone();
    let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
    std::thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut group = vec![first];
                while group.len() < MAX_GROUP
                    && let Ok(next) = waiting.try_recv()
                {
                    group.push(next);
                }
                carry_out(&mut database, group);
            }
        })
        .map_err(|error| StoreError::Io {
            file,
            reason: format!("its thread did not start: {error}"),
        })?;
    Ok(jobs)
}
