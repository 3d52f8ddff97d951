//! Which calls are open, kept outside the actor: a new incarnation ends what its predecessor left.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::event::Direction;
use crate::protocol::address::UserId;

/// Who is in an open call.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who started it.
    pub direction: Direction,
    /// Whoever started it, or the first one called.
    pub peer: UserId,
    /// Everybody there was a connection with.
    pub participants: Vec<UserId>,
    /// Whether it has pictures.
    pub is_video: bool,
    /// When it began, Unix milliseconds.
    pub started_ms: u64,
}

/// Cheap to clone; every clone is the same ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<BTreeMap<String, Entry>>>);

impl Ledger {
    pub(super) fn opened(&self, call: &str, entry: Entry) {
        self.0.lock().insert(call.to_owned(), entry);
    }

    pub(super) fn closed(&self, call: &str) {
        self.0.lock().remove(call);
    }

    /// Every open call.
    pub fn calls(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }

    /// Takes every call that was never closed.
    pub(super) fn take_orphans(&self) -> BTreeMap<String, Entry> {
        std::mem::take(&mut *self.0.lock())
    }
}
