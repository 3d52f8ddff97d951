//! Which ring is under way and which calls it made, kept outside the actor: its next life ends
//! what is left, and a call's record says of which ring it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The ring a call belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingOf {
    /// The ring's id.
    pub ring: String,
    /// In which step of its plan, from 1.
    pub step: usize,
}

#[derive(Debug, Default)]
struct Rings {
    open: Option<String>,
    calls: BTreeMap<String, RingOf>,
}

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct RingLedger(Arc<Mutex<Rings>>);

impl RingLedger {
    pub(super) fn begun(&self, ring: &str) {
        self.0.lock().open = Some(ring.to_owned());
    }

    pub(super) fn dialled(&self, call: &str, ring: &str, step: usize) {
        let of = RingOf {
            ring: ring.to_owned(),
            step,
        };
        self.0.lock().calls.insert(call.to_owned(), of);
    }

    pub(super) fn over(&self) {
        self.0.lock().open = None;
    }

    /// The ring nobody ended, and its calls.
    pub(super) fn take_orphan(&self) -> Option<(String, Vec<String>)> {
        let mut rings = self.0.lock();
        let ring = rings.open.take()?;
        let calls = rings
            .calls
            .iter()
            .filter(|(_, of)| of.ring == ring)
            .map(|(call, _)| call.clone())
            .collect();
        Some((ring, calls))
    }

    /// The ring of a call that is over; asked once.
    pub fn take(&self, call: &str) -> Option<RingOf> {
        self.0.lock().calls.remove(call)
    }
}
