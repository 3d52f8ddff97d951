//! What control remembers across restarts: requests it has carried out, and its log.

use std::path::Path;

use crate::base::moment::Moment;
pub use crate::store::{ControlEntry, ControlRequest};
use crate::store::{Store, StoreError};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    store: Store,
    keep_log: u32,
}

impl Journal {
    /// In the device's store; of the log the newest `keep_log` lines.
    pub fn new(store: Store, keep_log: u32) -> Self {
        Self { store, keep_log }
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

    /// Keeps a request, or its answer; of all the newest `keep`. A store that is away costs the
    /// memory, not the request: a door must open with a full disk, too.
    pub async fn keep(&self, request: ControlRequest, keep: u32) {
        if let Err(error) = self.store.keep_request(request, keep).await {
            tracing::warn!(%error, "a request is not remembered over a restart");
        }
    }

    /// All that is kept, oldest first, each with how many milliseconds ago it was, if known.
    pub async fn kept(&self) -> Vec<(ControlRequest, Option<u64>)> {
        match self.store.kept_requests().await {
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

    /// Adds a line to the log.
    pub async fn note(&self, entry: ControlEntry) {
        if let Err(error) = self.store.log_control(entry, self.keep_log).await {
            tracing::error!(%error, "an order was not noted");
        }
    }
}
