//! One lane for each receiving user: handing a message over and keeping it for later are one step,
//! and so are ending a connection and keeping what it had not delivered.
//!
//! Without it a message that arrives while a connection is being cleared away would be kept ahead
//! of older ones still in that connection's queue, and so arrive out of order.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::protocol::address::UserId;

/// The lanes in use.
#[derive(Default)]
pub struct Lanes {
    lanes: Mutex<HashMap<UserId, Arc<tokio::sync::Mutex<()>>>>,
}

/// The lane is free again when this is dropped.
pub type Lane = OwnedMutexGuard<()>;

/// Lanes kept before those nobody uses are cleared away.
const SWEEP_AT: usize = 1_024;

impl Lanes {
    /// Waits until the user's lane is free.
    pub async fn enter(&self, user: UserId) -> Lane {
        let lane = {
            let mut lanes = self.lanes.lock();
            if lanes.len() >= SWEEP_AT {
                lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
            }
            Arc::clone(lanes.entry(user).or_default())
        };
        lane.lock_owned().await
    }
}
