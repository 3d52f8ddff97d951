//! The history: dialogs and messages as far as this device knows them, to be read and searched
//! without a network. One SQLite file of its own, so that its size and its damage are not those
//! of the outbox.
//!
//! `entry` is what is kept, `arrival` takes messages in, `changes` what happens to them later,
//! `pages` and `search` give them out, `dialogs`, `sync_state` and `vanished` serve the
//! synchronisation, `provisional` stands in for dialogs the server has not told of yet, `retention`
//! bounds it all.
//!
//! Invariant: a message is in here once, whatever ways it came, and is reported upward once.
//! Must not enter: the network, when to synchronise.

mod arrival;
mod changes;
mod dialogs;
mod entry;
mod pages;
mod provisional;
mod retention;
mod search;
mod sync_state;
mod vanished;

use std::path::{Path, PathBuf};

use super::{Store, StoreError};

pub use arrival::Arrival;
pub use entry::{Entry, OwnStatus};
pub use pages::{Bookmark, Page};
pub use provisional::{is_provisional, provisional_user};
pub use retention::Retention;
pub use vanished::Saved;

const SCHEMA: &[&str] = &[include_str!("schema.sql"), include_str!("schema_sync.sql")];

/// A handle on the history, cheap to clone.
#[derive(Clone, Debug)]
pub struct History {
    store: Store,
}

impl History {
    /// Opens `file` or begins it; at most `max_bytes`. Blocks like [`Store::open`], and like it
    /// moves a damaged file aside: see [`History::set_aside`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(file: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let store = Store::open_schema(file, max_bytes, SCHEMA)?;
        Ok(Self { store })
    }

    /// Ends the thread after the requests already accepted.
    pub fn close(&self) {
        self.store.close();
    }

    /// Whether there is a thread that serves requests.
    pub fn is_open(&self) -> bool {
        self.store.is_open()
    }

    /// Starts again on the same file, or on a new one if it is damaged. Blocks.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn reopen(&self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    /// Where a damaged file was moved to when this one was opened.
    pub fn set_aside(&self) -> Option<PathBuf> {
        self.store.set_aside()
    }
}
