//! The notice board: the device's state and its events, written by actors, watched by whoever
//! shows them. It outlives every actor, so the state tells the truth while one is away.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::event::{Event, EventKind, unix_ms};
use super::state::DeviceState;

/// Events a slow listener may lag behind before it misses the oldest.
const EVENT_BACKLOG: usize = 1024;

/// Cheap to clone; every clone is the same board.
#[derive(Clone, Debug)]
pub struct Board {
    state: Arc<watch::Sender<DeviceState>>,
    events: broadcast::Sender<Event>,
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// An idle device.
    pub fn new() -> Self {
        let mut state = DeviceState::default();
        state.device.started = unix_ms();
        Self {
            state: Arc::new(watch::Sender::new(state)),
            events: broadcast::Sender::new(EVENT_BACKLOG),
        }
    }

    /// Changes the state; watchers are woken only if it really differs.
    pub fn update(&self, change: impl FnOnce(&mut DeviceState)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }

    /// Reads something off the state.
    pub fn read<T>(&self, read: impl FnOnce(&DeviceState) -> T) -> T {
        read(&self.state.borrow())
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<DeviceState> {
        self.state.subscribe()
    }

    /// Tells what happened.
    pub fn publish(&self, kind: EventKind) {
        debug_assert!(
            crate::config::device::EVENTS.contains(&kind.topic()),
            "{} is missing in the list of events",
            kind.topic()
        );
        let event = Event::now(kind);
        tracing::info!(topic = event.kind.topic(), id = %event.id, "event");
        // An error only means that nobody listens at the moment.
        let _ = self.events.send(event);
    }

    /// Hears of everything from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
