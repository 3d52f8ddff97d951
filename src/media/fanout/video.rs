//! The meeting point of a camera and everybody who looks through it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::Waker;
use super::cover::Cover;
use super::demand::{Ceiling, Demand};
use super::key_frame_gate::{KeyFrameGate, Urgency};
use super::queue::{
    Overflow, Owner, PATIENT_VIDEO_CAPACITY, Pushed, Queue, Subscription, VIDEO_CAPACITY,
};
use crate::media::VideoCodec;
use crate::media::rtp::EncodedFrame;
use crate::media::snapshot;

/// A picture this old still shows what the camera sees.
const FRESH: Duration = Duration::from_millis(500);

/// Why there is no picture.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// No camera is configured, or it is being restarted.
    #[error("no video source is running")]
    NoSource,
    /// The camera does not work.
    #[error("the video source has failed: {0}")]
    Source(String),
    /// Nothing of the camera may be seen.
    #[error("the camera is covered (`camera/set` with `muted`)")]
    Covered,
    /// It runs, but gave nothing.
    #[error("no picture came within {0:?}")]
    TimedOut(Duration),
    /// The picture could not be made into a JPEG.
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

/// Takes raw pictures, on the camera's thread, and never waits.
pub(in crate::media) type Onlooker = dyn Fn(gst::Sample) + Send + Sync;

/// The lasting meeting point of one camera and its consumers. Clones are the same fanout.
#[derive(Clone, Default)]
pub struct VideoFanout {
    core: Arc<Core>,
}

struct Core {
    state: Mutex<State>,
    demand: watch::Sender<Demand>,
    ceiling: watch::Sender<Ceiling>,
    /// Bumped when there is a new picture or new trouble.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    publisher: u64,
    waker: Option<Waker>,
    formats: [Format; 2],
    holds: usize,
    picture: Option<Picture>,
    trouble: Option<String>,
    /// Who looks at each raw picture beside the encoders.
    onlooker: Option<Weak<Onlooker>>,
    cover: Cover,
}

#[derive(Default)]
struct Format {
    members: Vec<Member>,
    gate: KeyFrameGate,
    encoding: Option<Encoding>,
}

/// What an encoder does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Average bitrate aimed at.
    pub kbps: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures per second.
    pub framerate: u32,
}

struct Member {
    queue: Arc<Queue>,
    limit_kbps: Option<u32>,
    /// Whether all its pictures must have one size.
    keeps_size: bool,
}

struct Picture {
    sample: gst::Sample,
    taken: Instant,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            demand: watch::Sender::new(Demand::default()),
            ceiling: watch::Sender::new(Ceiling::default()),
            changed: watch::Sender::new(0),
        }
    }
}

impl VideoFanout {
    /// One with neither source nor consumers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins: the first frame will be a key frame, which is made at once.
    pub fn subscribe(&self, codec: VideoCodec) -> Subscription {
        self.subscribe_limited(codec, None)
    }

    /// Joins with a limit to what this consumer can take. The encoder is shared, so it obeys the
    /// lowest limit of all.
    pub fn subscribe_limited(&self, codec: VideoCodec, limit_kbps: Option<u32>) -> Subscription {
        self.join(codec, limit_kbps, VIDEO_CAPACITY, false)
    }

    /// Joins to record: a queue deep enough for a disk that pauses.
    pub(in crate::media) fn subscribe_patiently(&self, codec: VideoCodec) -> Subscription {
        self.join(codec, None, PATIENT_VIDEO_CAPACITY, true)
    }

    fn join(
        &self,
        codec: VideoCodec,
        limit_kbps: Option<u32>,
        capacity: usize,
        keeps_size: bool,
    ) -> Subscription {
        let queue = Queue::new(capacity, Overflow::UntilKeyFrame);
        {
            let mut state = self.core.state.lock();
            let format = &mut state.formats[codec.index()];
            format.members.push(Member {
                queue: Arc::clone(&queue),
                limit_kbps,
                keeps_size,
            });
            format.gate.request(Urgency::Joined);
        }
        self.core.update_demand();
        Subscription {
            queue,
            owner: Arc::new(Membership {
                core: Arc::clone(&self.core),
                codec,
            }),
        }
    }

    /// Keeps the camera running, as long as the hold lives, for somebody who will soon subscribe
    /// or wants a snapshot.
    pub fn hold_capture(&self) -> CaptureHold {
        self.core.state.lock().holds += 1;
        self.core.update_demand();
        CaptureHold {
            core: Arc::clone(&self.core),
        }
    }

    /// Asks for a key frame after damage; at most about one a second is made per encoder, and a
    /// request in between is answered at the end of that second.
    pub fn request_key_frame(&self, codec: VideoCodec) {
        self.request(codec, Urgency::Repair);
    }

    /// Who sees each raw picture from now on, as long as it lives; in place of any earlier one.
    pub(in crate::media) fn set_onlooker(&self, onlooker: &Arc<Onlooker>) {
        self.core.state.lock().onlooker = Some(Arc::downgrade(onlooker));
    }

    pub(in crate::media) fn request(&self, codec: VideoCodec, urgency: Urgency) {
        self.core.state.lock().formats[codec.index()]
            .gate
            .request(urgency);
    }

    /// What the encoder of this format does now; none while nobody subscribes.
    pub fn encoding(&self, codec: VideoCodec) -> Option<Encoding> {
        self.core.state.lock().formats[codec.index()].encoding
    }

    /// From now on nobody gets more than this, also those who joined before.
    pub fn set_ceiling(&self, ceiling: Ceiling) {
        self.core.ceiling.send_replace(ceiling);
        self.core.update_demand();
    }

    /// What nobody gets more of, and its changes.
    pub fn ceiling(&self) -> watch::Receiver<Ceiling> {
        self.core.ceiling.subscribe()
    }

    /// What consumers want at the moment, and its changes.
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.core.demand.subscribe()
    }

    /// The current picture as a JPEG of the camera's configured size. Starts the camera when it
    /// is not running.
    ///
    /// # Errors
    /// [`SnapshotError`]; a camera in trouble or covered is reported at once, not after `timeout`.
    pub async fn snapshot(&self, timeout: Duration) -> Result<Bytes, SnapshotError> {
        self.picture(timeout, snapshot::Size::Full).await
    }

    /// The current picture as a small JPEG, `width` pixels wide (16 to 1,920), as
    /// [`VideoFanout::snapshot`] otherwise.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn thumbnail(&self, width: u32, timeout: Duration) -> Result<Bytes, SnapshotError> {
        let width = width.clamp(16, 1_920);
        self.picture(timeout, snapshot::Size::Thumbnail(width))
            .await
    }

    async fn picture(
        &self,
        timeout: Duration,
        size: snapshot::Size,
    ) -> Result<Bytes, SnapshotError> {
        let _hold = self.hold_capture();
        let sample = tokio::time::timeout(timeout, self.fresh_picture())
            .await
            .map_err(|_| self.why_no_picture(timeout))??;
        snapshot::encode_jpeg_on_own_thread(sample, size)
            .await
            .map_err(SnapshotError::Encode)
    }

    async fn fresh_picture(&self) -> Result<gst::Sample, SnapshotError> {
        let mut changed = self.core.changed.subscribe();
        loop {
            {
                changed.borrow_and_update();
                let state = self.core.state.lock();
                match &state.picture {
                    Some(picture) if picture.taken.elapsed() < FRESH => {
                        return Ok(picture.sample.clone());
                    }
                    _ => {}
                }
                if let Some(trouble) = &state.trouble {
                    return Err(SnapshotError::Source(trouble.clone()));
                }
                if state.cover != Cover::Off {
                    return Err(SnapshotError::Covered);
                }
            }
            if changed.changed().await.is_err() {
                return Err(SnapshotError::NoSource);
            }
        }
    }

    fn why_no_picture(&self, timeout: Duration) -> SnapshotError {
        if self.core.state.lock().waker.is_none() {
            SnapshotError::NoSource
        } else {
            SnapshotError::TimedOut(timeout)
        }
    }

    /// Becomes the source unless there is one.
    pub(in crate::media) fn attach_if_free(&self, waker: Waker) -> Option<VideoPublisher> {
        let state = self.core.state.lock();
        state
            .waker
            .is_none()
            .then(|| self.become_source(state, waker))
    }

    /// Becomes the source. The one before, if it still lives, is no longer heard.
    pub(in crate::media) fn attach(&self, waker: Waker) -> VideoPublisher {
        self.become_source(self.core.state.lock(), waker)
    }

    fn become_source(&self, mut state: MutexGuard<'_, State>, waker: Waker) -> VideoPublisher {
        let id = {
            state.publisher += 1;
            state.waker = Some(waker);
            state.trouble = None;
            state.cover = Cover::Off;
            state.publisher
        };
        VideoPublisher {
            core: Arc::clone(&self.core),
            id,
        }
    }
}

impl Core {
    fn update_demand(&self) {
        let waker = {
            let state = self.state.lock();
            let codecs = state
                .formats
                .each_ref()
                .map(|format| !format.members.is_empty());
            let ceiling = *self.ceiling.borrow();
            let limit = |format: &Format| {
                let limits = format.members.iter().filter_map(|member| member.limit_kbps);
                limits.chain(ceiling.kbps).min()
            };
            let demand = Demand {
                capture: state.holds > 0 || codecs.contains(&true),
                codecs,
                limits_kbps: state.formats.each_ref().map(limit),
                keep_size: state
                    .formats
                    .each_ref()
                    .map(|format| format.members.iter().any(|member| member.keeps_size)),
                max_framerate: ceiling.framerate,
                max_height: ceiling.height,
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

struct Membership {
    core: Arc<Core>,
    codec: VideoCodec,
}

impl Owner for Membership {
    fn restarted(&self) {
        self.core.state.lock().formats[self.codec.index()]
            .gate
            .request(Urgency::Joined);
    }

    fn gone(&self, queue: &Arc<Queue>) {
        self.core.state.lock().formats[self.codec.index()]
            .members
            .retain(|member| !Arc::ptr_eq(&member.queue, queue));
        self.core.update_demand();
    }

    fn limited(&self, queue: &Arc<Queue>, limit_kbps: Option<u32>) {
        for member in &mut self.core.state.lock().formats[self.codec.index()].members {
            if Arc::ptr_eq(&member.queue, queue) {
                member.limit_kbps = limit_kbps;
            }
        }
        self.core.update_demand();
    }
}

/// Keeps the camera running while it lives.
pub struct CaptureHold {
    core: Arc<Core>,
}

impl Drop for CaptureHold {
    fn drop(&mut self) {
        self.core.state.lock().holds -= 1;
        self.core.update_demand();
    }
}

/// The source's end. When another source attached later, everything said here is ignored.
pub struct VideoPublisher {
    core: Arc<Core>,
    id: u64,
}

impl VideoPublisher {
    /// What consumers want.
    pub(in crate::media) fn demand(&self) -> Demand {
        *self.core.demand.borrow()
    }

    /// Hands a frame to everybody subscribed to its format. `taken`: when its picture was, on the
    /// encoder's clock, as far as that is known. Never waits.
    pub(in crate::media) fn publish(
        &self,
        codec: VideoCodec,
        frame: EncodedFrame,
        taken: Option<Duration>,
    ) {
        let frame = Arc::new(frame);
        let mut state = self.core.state.lock();
        if state.publisher != self.id || !state.cover.passes(taken) {
            return;
        }
        let is_covered = state.cover != Cover::Off;
        let format = &mut state.formats[codec.index()];
        let (mut behind, mut waiting) = (false, false);
        for member in &format.members {
            let pushed = member.queue.push(&frame);
            behind |= pushed == Pushed::Overflowed;
            waiting |= pushed == Pushed::Skipped;
        }
        if behind && !frame.key {
            format.gate.request(Urgency::Repair);
        }
        // The key frame that was asked for may have been made of a picture the cover held back.
        if waiting && is_covered {
            format.gate.request(Urgency::NoPicture);
        }
    }

    /// Whether the next picture of this format must be encoded as a key frame.
    pub(in crate::media) fn key_frame_due(&self, codec: VideoCodec, now: Instant) -> bool {
        let mut state = self.core.state.lock();
        state.publisher == self.id && state.formats[codec.index()].gate.take_due(now)
    }

    /// An encoder starts, and its first frame is a key frame by nature.
    pub(in crate::media) fn encoder_started(&self, codec: VideoCodec, now: Instant) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.formats[codec.index()].gate.forced(now);
        }
    }

    /// What the encoder does from now on; none when it ends.
    pub(in crate::media) fn set_encoding(&self, codec: VideoCodec, encoding: Option<Encoding>) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.formats[codec.index()].encoding = encoding;
        }
    }

    /// The newest raw picture, for snapshots and for who looks on.
    pub(in crate::media) fn set_picture(&self, sample: gst::Sample) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id && state.cover == Cover::Off {
            let onlooker = state.onlooker.as_ref().and_then(Weak::upgrade);
            let seen = onlooker.is_some().then(|| sample.clone());
            state.picture = Some(Picture {
                sample,
                taken: Instant::now(),
            });
            state.trouble = None;
            drop(state);
            self.core.changed.send_modify(|n| *n = n.wrapping_add(1));
            if let Some((onlooker, seen)) = onlooker.zip(seen) {
                onlooker(seen);
            }
        }
    }

    /// There is no picture any more, as the camera was closed.
    pub(in crate::media) fn clear_picture(&self) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.picture = None;
        }
    }

    /// From the moment this returns nothing of a covered camera is seen, neither what is on its
    /// way nor the last picture. Uncovered, everybody goes on with a key frame.
    pub(in crate::media) fn set_covered(&self, covered: bool) {
        let mut state = self.core.state.lock();
        if state.publisher != self.id || (state.cover != Cover::Off) == covered {
            return;
        }
        state.cover = if covered { Cover::Closed } else { Cover::Off };
        state.picture = None;
        for format in &mut state.formats {
            for member in &format.members {
                member.queue.restart();
            }
            format.gate.request(Urgency::Joined);
        }
        drop(state);
        // Whoever waits for a picture need not wait on.
        self.core.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// What is encoded of a covered camera from now on is black, and is seen: the camera's last
    /// picture was taken then.
    pub(in crate::media) fn blacken(&self, last: Duration) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id && state.cover.blacken(last) {
            for format in &mut state.formats {
                format.gate.request(Urgency::Joined);
            }
        }
    }

    /// The camera does not work, and why.
    pub(in crate::media) fn set_trouble(&self, reason: &str) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.picture = None;
            state.trouble = Some(reason.to_owned());
            drop(state);
            self.core.changed.send_modify(|n| *n = n.wrapping_add(1));
        }
    }
}

impl Drop for VideoPublisher {
    fn drop(&mut self) {
        let mut state = self.core.state.lock();
        if state.publisher == self.id {
            state.waker = None;
            state.picture = None;
            for format in &mut state.formats {
                format.encoding = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::RunId;

    #[test]
    fn black_that_nobody_can_begin_with_is_asked_for_as_a_key_frame_once_more() {
        let fanout = VideoFanout::new();
        let publisher = fanout.attach(Arc::new(|| {}));
        let _watching = fanout.subscribe(VideoCodec::H264);
        let start = Instant::now();
        let due = |ms| publisher.key_frame_due(VideoCodec::H264, start + Duration::from_millis(ms));
        assert!(due(0), "somebody has joined");
        publisher.set_covered(true);
        publisher.blacken(Duration::from_secs(1));
        assert!(due(0), "and is to see black");
        let frame = |key| EncodedFrame {
            run: RunId::fresh(),
            rtp_timestamp: 0,
            key,
            packets: Vec::new(),
            encoded_at: start,
        };
        let show = |key, taken| {
            publisher.publish(
                VideoCodec::H264,
                frame(key),
                Some(Duration::from_secs(taken)),
            );
        };
        // The key frame was made of the camera's last picture, which the cover holds back.
        show(true, 1);
        show(false, 2);
        assert!(due(400));
        show(true, 3);
        show(false, 4);
        assert!(!due(2_000), "it is seen");
    }
}
