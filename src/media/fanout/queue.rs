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

    /// Keeps what is queued where it can be used at once: of video the last key frame with what
    /// follows it, of sound the newest packet. Whether anything is left.
    fn keep_newest(&self, most: usize) -> bool {
        let mut state = self.state.lock();
        let last = match self.overflow {
            Overflow::UntilKeyFrame => state.frames.iter().rposition(|frame| frame.key),
            Overflow::Oldest => state.frames.len().checked_sub(1),
        };
        let Some(last) = last.filter(|last| state.frames.len() - last <= most) else {
            return false;
        };
        state.frames.drain(..last);
        true
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

    /// For a consumer that was not ready until now: begins with what is queued, where the newest
    /// key frame is no more than `most` frames old, and as [`Subscription::restart`] otherwise. It
    /// then need not wait for the next picture of the camera.
    pub fn begin(&self, most: usize) {
        if !self.queue.keep_newest(most) {
            self.restart();
        }
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::media::rtp::RunId;

    fn frame(key: bool) -> Arc<EncodedFrame> {
        Arc::new(EncodedFrame {
            run: RunId::fresh(),
            rtp_timestamp: 0,
            key,
            packets: Vec::new(),
            encoded_at: Instant::now(),
        })
    }

    fn queue(overflow: Overflow, keys: &[bool]) -> Arc<Queue> {
        let queue = Queue::new(VIDEO_CAPACITY, overflow);
        for key in keys {
            queue.push(&frame(*key));
        }
        queue
    }

    fn left(queue: &Queue) -> usize {
        queue.state.lock().frames.len()
    }

    #[test]
    fn what_is_fresh_is_kept_from_its_last_key_frame_on() {
        let pictures = queue(Overflow::UntilKeyFrame, &[true, false, true, false]);
        assert!(pictures.keep_newest(2));
        assert_eq!(left(&pictures), 2);
        assert!(pictures.state.lock().frames[0].key);
    }

    #[test]
    fn pictures_whose_key_frame_is_old_are_not_worth_keeping() {
        let pictures = queue(Overflow::UntilKeyFrame, &[true, false, false]);
        assert!(!pictures.keep_newest(2));
        assert!(!queue(Overflow::UntilKeyFrame, &[]).keep_newest(2));
    }

    #[test]
    fn of_sound_the_newest_packet_is_kept() {
        let sound = queue(Overflow::Oldest, &[true, true, true]);
        assert!(sound.keep_newest(1));
        assert_eq!(left(&sound), 1);
    }
}
