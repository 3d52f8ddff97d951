//! One consumer's bounded queue.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::media::rtp::EncodedFrame;

/// What a full queue gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Video: everything, and then nothing until a key frame, as what follows a gap cannot be
    /// decoded.
    UntilKeyFrame,
    /// Audio: the oldest, as the newest sound matters most.
    Oldest,
}

/// Half a second at 30 frames per second: older pictures are worth nothing in a conversation.
pub(super) const VIDEO_CAPACITY: usize = 16;
/// 400 ms of sound.
pub(super) const AUDIO_CAPACITY: usize = 20;
/// Five seconds at 30 frames per second: an SD card that erases a block pauses for one or two.
pub(super) const PATIENT_VIDEO_CAPACITY: usize = 150;
/// The same of sound.
pub(super) const PATIENT_AUDIO_CAPACITY: usize = 250;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    capacity: usize,
    overflow: Overflow,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Arc<EncodedFrame>>,
    needs_key: bool,
    dropped: u64,
}

/// Whether a pushed frame could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// The consumer is behind, and can go on only with a key frame.
    Overflowed,
    /// The consumer waits for a key frame, and this is none.
    Skipped,
}

impl Queue {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                frames: VecDeque::new(),
                needs_key: overflow == Overflow::UntilKeyFrame,
                dropped: 0,
            }),
            ready: Notify::new(),
            capacity,
            overflow,
        })
    }

    /// Never waits.
    pub(super) fn push(&self, frame: &Arc<EncodedFrame>) -> Pushed {
        let mut state = self.state.lock();
        if state.needs_key && !frame.key {
            state.dropped += 1;
            return Pushed::Skipped;
        }
        let mut pushed = Pushed::Queued;
        if state.frames.len() >= self.capacity {
            match self.overflow {
                Overflow::Oldest => {
                    state.frames.pop_front();
                    state.dropped += 1;
                }
                Overflow::UntilKeyFrame => {
                    state.dropped += state.frames.len() as u64;
                    state.frames.clear();
                    if !frame.key {
                        state.needs_key = true;
                        state.dropped += 1;
                        return Pushed::Overflowed;
                    }
                    pushed = Pushed::Overflowed;
                }
            }
        }
        state.needs_key = false;
        state.frames.push_back(Arc::clone(frame));
        drop(state);
        self.ready.notify_one();
        pushed
    }

    /// Forgets what is queued; video then waits for a key frame.
    pub(super) fn restart(&self) {
        let mut state = self.state.lock();
        state.frames.clear();
        state.needs_key = self.overflow == Overflow::UntilKeyFrame;
    }

    async fn pop(&self) -> Arc<EncodedFrame> {
        loop {
            if let Some(frame) = self.state.lock().frames.pop_front() {
                return frame;
            }
            // A push between the check and here left its permit, so it is not missed.
            self.ready.notified().await;
        }
    }
}

/// Ends the subscription or asks the source for something, without the queue knowing its fanout.
pub(super) trait Owner: Send + Sync {
    fn restarted(&self);
    fn gone(&self, queue: &Arc<Queue>);
    /// What this consumer can take has changed; sound knows no limit.
    fn limited(&self, _queue: &Arc<Queue>, _limit_kbps: Option<u32>) {}
}

/// A consumer's end: frames in order, starting at a key frame, each shared with every other
/// consumer. Dropping it ends the demand it made.
pub struct Subscription {
    pub(super) queue: Arc<Queue>,
    pub(super) owner: Arc<dyn Owner>,
}

impl Subscription {
    /// The next frame. Waits while there is no source. For one task at a time.
    pub async fn next(&self) -> Arc<EncodedFrame> {
        self.queue.pop().await
    }

    /// Drops what is queued and, for video, has a key frame made at once: for a consumer that was
    /// not ready until now.
    pub fn restart(&self) {
        self.queue.restart();
        self.owner.restarted();
    }

    /// Changes what this consumer can take; the shared encoder follows.
    pub fn limit(&self, limit_kbps: Option<u32>) {
        self.owner.limited(&self.queue, limit_kbps);
    }

    /// Frames this consumer did not get, since it joined.
    pub fn dropped(&self) -> u64 {
        self.queue.state.lock().dropped
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.owner.gone(&self.queue);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
