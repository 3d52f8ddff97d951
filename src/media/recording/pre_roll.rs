//! What happened just before a recording was ordered: encoded frames kept in memory, bounded by
//! time and by bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::feed::{Feed, Kind};
use super::settings::Pictures;
use crate::media::rtp::EncodedFrame;
use crate::media::{AudioFanout, MediaError, VideoFanout, network};

/// Key frames are asked for at this distance at least and at most, half the length in between:
/// what is kept begins at one, so that more are kept than wanted by up to the distance.
const KEY_DISTANCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How much to keep of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreRollSettings {
    /// At least so long, once it runs for so long.
    pub length: Duration,
    /// At most so many bytes of payload; the oldest go.
    pub max_bytes: usize,
    /// Whether there is a camera.
    pub picture: bool,
    /// Whether there is a microphone.
    pub sound: bool,
}

/// What is kept at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// From the oldest frame to the newest.
    pub length: Duration,
    /// Bytes of payload.
    pub bytes: usize,
    /// Pictures and packets of sound.
    pub frames: usize,
}

enum Order {
    Clear,
    HandOver(oneshot::Sender<Feed>),
}

/// Frames kept in memory until a recording takes them over
/// ([`Recorder::go_on`](super::Recorder::go_on)). Dropping it forgets them.
#[derive(Debug)]
pub struct PreRoll {
    orders: mpsc::UnboundedSender<Order>,
    held: Arc<Mutex<Held>>,
}

impl PreRoll {
    /// Returns at once. Joins the fan-outs like any other consumer, and so keeps camera and
    /// encoder running.
    ///
    /// # Errors
    /// [`MediaError`] when media cannot be used on this machine.
    pub fn start(
        settings: PreRollSettings,
        video: &VideoFanout,
        audio: &AudioFanout,
    ) -> Result<Self, MediaError> {
        let pictures = match settings.picture {
            true => Pictures::H264,
            false => Pictures::None,
        };
        let feed = Feed::live(pictures, settings.sound, video, audio);
        // Orders are few: mutes, and one at the end.
        let (orders, received) = mpsc::unbounded_channel();
        let held = Arc::new(Mutex::new(Held::default()));
        let task = collect(settings, feed, received, Arc::clone(&held));
        network::handle()?.spawn(task);
        Ok(Self { orders, held })
    }

    /// Forgets what is kept, for instance because the camera was covered.
    pub fn clear(&self) {
        // The task ends with its owner.
        let _ = self.orders.send(Order::Clear);
    }

    /// What is kept at the moment.
    pub fn held(&self) -> Held {
        *self.held.lock()
    }

    /// What was kept, with the subscriptions it came from: nothing is lost in between.
    pub(super) fn hand_over(self) -> oneshot::Receiver<Feed> {
        let (give, take) = oneshot::channel();
        let _ = self.orders.send(Order::HandOver(give));
        take
    }
}

async fn collect(
    settings: PreRollSettings,
    feed: Feed,
    mut orders: mpsc::UnboundedReceiver<Order>,
    held: Arc<Mutex<Held>>,
) {
    let mut ring = Ring::new(settings);
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                None => return,
                Some(Order::Clear) => ring.clear(),
                Some(Order::HandOver(taker)) => {
                    // A recorder that is gone wants nothing any more.
                    let _ = taker.send(feed.after(ring.frames));
                    return;
                }
            },
            (kind, frame) = feed.next() => {
                let now = frame.encoded_at;
                ring.push(kind, frame);
                if ring.wants_key_frame(now) {
                    feed.request_key_frame();
                }
            }
        }
        *held.lock() = ring.held();
    }
}

/// The frames kept, from a key frame on. Sans-IO.
struct Ring {
    settings: PreRollSettings,
    frames: VecDeque<(Kind, Arc<EncodedFrame>)>,
    bytes: usize,
    asked: Option<Instant>,
}

impl Ring {
    fn new(settings: PreRollSettings) -> Self {
        Self {
            settings,
            frames: VecDeque::new(),
            bytes: 0,
            asked: None,
        }
    }

    fn push(&mut self, kind: Kind, frame: Arc<EncodedFrame>) {
        let now = frame.encoded_at;
        if self.frames.is_empty() && !self.can_begin(kind, &frame) {
            return;
        }
        self.bytes += frame.payload_bytes();
        self.frames.push_back((kind, frame));
        while let Some(second) = self.second_beginning() {
            let (_, next) = &self.frames[second];
            let is_old = now.saturating_duration_since(next.encoded_at) >= self.settings.length;
            if !is_old && self.bytes <= self.settings.max_bytes {
                break;
            }
            for (_, gone) in self.frames.drain(..second) {
                self.bytes -= gone.payload_bytes();
            }
        }
        if self.bytes > self.settings.max_bytes {
            // Nothing in the middle can be a beginning.
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    /// Whether a recording can begin with it.
    fn can_begin(&self, kind: Kind, frame: &EncodedFrame) -> bool {
        match kind {
            Kind::Video(_) => frame.key,
            Kind::Audio => !self.settings.picture,
        }
    }

    /// Where the frames could begin if the first were left out.
    fn second_beginning(&self) -> Option<usize> {
        let mut later = self.frames.iter().enumerate().skip(1);
        later
            .find(|(_, (kind, frame))| self.can_begin(*kind, frame))
            .map(|(at, _)| at)
    }

    /// Whether the newest beginning is so old that another is to be asked for.
    fn wants_key_frame(&mut self, now: Instant) -> bool {
        if !self.settings.picture {
            return false;
        }
        let newest = self
            .frames
            .iter()
            .rev()
            .find(|(kind, frame)| self.can_begin(*kind, frame))
            .map(|(_, frame)| frame.encoded_at);
        let distance = (self.settings.length / 2).clamp(KEY_DISTANCE.0, KEY_DISTANCE.1);
        let is_long_ago =
            |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) >= distance);
        let due = is_long_ago(newest) && is_long_ago(self.asked);
        if due {
            self.asked = Some(now);
        }
        due
    }

    fn held(&self) -> Held {
        let ends = self.frames.front().zip(self.frames.back());
        Held {
            length: ends.map_or(Duration::ZERO, |((_, first), (_, last))| {
                last.encoded_at.saturating_duration_since(first.encoded_at)
            }),
            bytes: self.bytes,
            frames: self.frames.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoCodec;
    use crate::media::rtp::{Packet, RunId};

    const SETTINGS: PreRollSettings = PreRollSettings {
        length: Duration::from_secs(4),
        max_bytes: 1_000_000,
        picture: true,
        sound: true,
    };

    const VIDEO: Kind = Kind::Video(VideoCodec::H264);

    fn frame(key: bool, at: Instant, bytes: usize) -> Arc<EncodedFrame> {
        Arc::new(EncodedFrame {
            run: RunId::fresh(),
            rtp_timestamp: 0,
            key,
            packets: vec![Packet {
                marker: true,
                payload: vec![0; bytes].into(),
            }],
            encoded_at: at,
        })
    }

    /// Ten pictures and ten packets of sound a second; a key frame where the ring asks for one.
    fn run(settings: PreRollSettings, tenths: u32) -> Ring {
        let start = Instant::now();
        let mut ring = Ring::new(settings);
        let mut wants = true;
        for n in 0..tenths {
            let now = start + Duration::from_millis(100) * n;
            ring.push(VIDEO, frame(wants, now, 1_000));
            ring.push(Kind::Audio, frame(true, now, 100));
            wants = ring.wants_key_frame(now);
        }
        ring
    }

    #[test]
    fn what_is_kept_begins_at_a_key_frame_and_is_no_shorter_and_little_longer_than_wanted() {
        for tenths in 80..160 {
            let ring = run(SETTINGS, tenths);
            let (kind, first) = &ring.frames[0];
            assert!(*kind == VIDEO && first.key, "after {tenths}");
            let length = ring.held().length;
            assert!(
                (SETTINGS.length..Duration::from_millis(6_200)).contains(&length),
                "{length:?} after {tenths}"
            );
        }
    }

    #[test]
    fn no_more_bytes_are_kept_than_allowed() {
        let small = PreRollSettings {
            max_bytes: 30_000,
            ..SETTINGS
        };
        for tenths in 1..120 {
            let ring = run(small, tenths);
            let real: usize = ring.frames.iter().map(|(_, one)| one.payload_bytes()).sum();
            assert_eq!(real, ring.bytes);
            assert!(real <= 30_000, "{real} after {tenths}");
        }
        let one_is_too_much = PreRollSettings {
            max_bytes: 500,
            ..SETTINGS
        };
        assert_eq!(run(one_is_too_much, 50).held(), Held::default());
    }

    #[test]
    fn sound_alone_needs_no_key_frame() {
        let start = Instant::now();
        let mut ring = Ring::new(PreRollSettings {
            picture: false,
            ..SETTINGS
        });
        for n in 0..100 {
            let now = start + Duration::from_millis(100) * n;
            ring.push(Kind::Audio, frame(true, now, 100));
            assert!(!ring.wants_key_frame(now));
        }
        assert_eq!(ring.held().length, Duration::from_secs(4));
    }

    #[test]
    fn after_it_was_cleared_nothing_is_kept_until_a_key_frame_comes() {
        let mut ring = run(SETTINGS, 50);
        ring.clear();
        let now = Instant::now() + Duration::from_secs(9);
        ring.push(VIDEO, frame(false, now, 10));
        assert_eq!(ring.held(), Held::default());
        assert!(ring.wants_key_frame(now), "it asks for one");
        assert!(!ring.wants_key_frame(now), "once");
        ring.push(VIDEO, frame(true, now, 10));
        assert_eq!(ring.held().frames, 1);
    }
}
