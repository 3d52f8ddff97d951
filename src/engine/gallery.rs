//! Pictures received in the last call, for whoever wants to see that it really happened (the
//! demo's contact sheet). Empty unless the device was started to keep them.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Cheap to clone; every clone is the same gallery.
#[derive(Clone, Debug, Default)]
pub struct Gallery(Arc<Mutex<Vec<Bytes>>>);

impl Gallery {
    /// Replaces the pictures of the call before.
    pub fn hang(&self, jpegs: Vec<Bytes>) {
        if !jpegs.is_empty() {
            *self.0.lock() = jpegs;
        }
    }

    /// The pictures, as JPEG, in the order received.
    pub fn pictures(&self) -> Vec<Bytes> {
        self.0.lock().clone()
    }
}
