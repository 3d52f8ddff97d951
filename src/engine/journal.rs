//! What control remembers across restarts: requests it has carried out, and its log.

use std::path::Path;

use crate::base::moment::Moment;
pub use crate::store::{ControlEntry, ControlRequest, Written};
use crate::store::{RequestLog, Store, StoreError};

/// How many requests are remembered.
pub const REMEMBERED_MAX: usize = 512;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    store: Store,
    requests: RequestLog,
    keep_log: u32,
}

impl Journal {
    /// In the device's store and in a file beside it; of the log the newest `keep_log` lines. There
    /// must be one for a store.
    pub fn new(store: Store, keep_log: u32) -> Self {
        let requests = RequestLog::new(store.beside("requests"), REMEMBERED_MAX);
        Self {
            store,
            requests,
            keep_log,
        }
    }

    /// In a database of its own.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(file: &Path, keep_log: u32) -> Result<Self, StoreError> {
        Ok(Self::new(Store::open(file)?, keep_log))
    }

    /// The latest lines of the log, newest first; empty while the store is away.
    pub async fn log(&self, limit: u32) -> Vec<ControlEntry> {
        self.store.control_log(limit).await.unwrap_or_default()
    }

    /// Writes down that a request is about to be carried out; wait for it before it is.
    pub fn begin(&self, request: ControlRequest) -> Written {
        self.requests.begin(request)
    }

    /// Writes down how it was answered. Nobody waits for it.
    pub fn answered(&self, request: ControlRequest) {
        if !self.requests.answered(request) {
            tracing::error!("the disk is too slow; the answer to an order is not written down");
        }
    }

    /// All that is kept, oldest first, each with how many milliseconds ago it was, if known.
    pub async fn kept(&self) -> Vec<(ControlRequest, Option<u64>)> {
        match self.requests.kept().await {
            Ok(requests) => {
                let now = Moment::now();
                let aged = requests.into_iter().map(|request| {
                    let age = request.at.age_ms(&now);
                    (request, age)
                });
                aged.collect()
            }
            Err(error) => {
                tracing::warn!(%error, "requests of before are not known");
                Vec::new()
            }
        }
    }

    /// Adds lines to the log.
    pub async fn note(&self, entries: Vec<ControlEntry>) {
        let lines = entries.len();
        if let Err(error) = self.store.log_control(entries, self.keep_log).await {
            tracing::error!(%error, lines, "orders were not noted");
        }
    }
}
