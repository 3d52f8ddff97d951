//! The meeting point of a microphone and everybody who hears it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::Waker;
use super::demand::Demand;
use super::queue::{AUDIO_CAPACITY, Overflow, Owner, PATIENT_AUDIO_CAPACITY, Queue, Subscription};
use crate::media::rtp::EncodedFrame;
use crate::media::stats::{Level, LevelMeter};

/// The lasting meeting point of one microphone and its consumers: Opus, 48 kHz, 20 ms a packet.
/// Clones are the same fanout.
#[derive(Clone, Default)]
pub struct AudioFanout {
    core: Arc<Core>,
}

struct Core {
    state: Mutex<State>,
    meter: Mutex<LevelMeter>,
    demand: watch::Sender<Demand>,
}

#[derive(Default)]
struct State {
    publisher: u64,
    waker: Option<Waker>,
    queues: Vec<Arc<Queue>>,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            meter: Mutex::default(),
            demand: watch::Sender::new(Demand::default()),
        }
    }
}

impl AudioFanout {
    /// One with neither source nor consumers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins, from the next packet on.
    pub fn subscribe(&self) -> Subscription {
        self.join(AUDIO_CAPACITY)
    }

    /// Joins to record: a queue deep enough for a disk that pauses.
    pub(in crate::media) fn subscribe_patiently(&self) -> Subscription {
        self.join(PATIENT_AUDIO_CAPACITY)
    }

    fn join(&self, capacity: usize) -> Subscription {
        let queue = Queue::new(capacity, Overflow::Oldest);
        self.core.state.lock().queues.push(Arc::clone(&queue));
        self.core.update_demand();
        Subscription {
            queue,
            owner: Arc::clone(&self.core) as Arc<dyn Owner>,
        }
    }

    /// How loud the source is, over the last second; nothing while it does not run. Asking does
    /// not open it.
    pub fn level(&self, now: Instant) -> Option<Level> {
        self.core.meter.lock().level(now)
    }

    /// What consumers want at the moment, and its changes.
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.core.demand.subscribe()
    }

    /// Becomes the source unless there is one.
    pub(in crate::media) fn attach_if_free(&self, waker: Waker) -> Option<AudioPublisher> {
        let state = self.core.state.lock();
        state
            .waker
            .is_none()
            .then(|| self.become_source(state, waker))
    }

    /// Becomes the source. The one before, if it still lives, is no longer heard.
    pub(in crate::media) fn attach(&self, waker: Waker) -> AudioPublisher {
        self.become_source(self.core.state.lock(), waker)
    }

    fn become_source(&self, mut state: MutexGuard<'_, State>, waker: Waker) -> AudioPublisher {
        state.publisher += 1;
        state.waker = Some(waker);
        AudioPublisher {
            core: Arc::clone(&self.core),
            id: state.publisher,
        }
    }
}

impl Core {
    fn update_demand(&self) {
        let waker = {
            let state = self.state.lock();
            let demand = Demand {
                capture: !state.queues.is_empty(),
                ..Demand::default()
            };
            let changed = self.demand.send_if_modified(|current| {
                let differs = *current != demand;
                *current = demand;
                differs
            });
            if !changed {
                return;
            }
            state.waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
    }
}

impl Owner for Core {
    fn restarted(&self) {}

    fn gone(&self, queue: &Arc<Queue>) {
        self.state
            .lock()
            .queues
            .retain(|other| !Arc::ptr_eq(other, queue));
        self.update_demand();
    }
}

/// The source's end. When another source attached later, everything said here is ignored.
pub struct AudioPublisher {
    core: Arc<Core>,
    id: u64,
}

impl AudioPublisher {
    /// What consumers want.
    pub(in crate::media) fn demand(&self) -> Demand {
        *self.core.demand.borrow()
    }

    /// Tells how loud it is now: samples on their way to the encoder.
    pub(in crate::media) fn measure(&self, now: Instant, samples: &[i16]) {
        if self.core.state.lock().publisher == self.id {
            self.core.meter.lock().push(now, samples);
        }
    }

    /// Hands a packet to everybody. Never waits.
    pub(in crate::media) fn publish(&self, frame: EncodedFrame) {
        let frame = Arc::new(frame);
        let state = self.core.state.lock();
        if state.publisher == self.id {
            for queue in &state.queues {
                queue.push(&frame);
            }
        }
    }
}

impl Drop for AudioPublisher {
    fn drop(&mut self) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.waker = None;
        }
    }
}
