//! What a peer's media did, and when each stage of its start was reached.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::media::fanout::Encoding;
use crate::media::stats::{FlowStats, Freezes, Level, LevelMeter, Meter};

/// Pictures kept for `Peer::last_frames`.
const KEPT_FRAMES: usize = 8;

/// Counters and stage times of one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Pictures sent.
    pub frames_sent: u64,
    /// RTP packets sent, of both kinds.
    pub packets_sent: u64,
    /// Packets of 20 ms sound sent.
    pub audio_packets_sent: u64,
    /// RTP packets received, of both kinds.
    pub packets_received: u64,
    /// Pictures decoded.
    pub frames_decoded: u64,
    /// Sound decoded, milliseconds.
    pub audio_decoded_ms: u64,
    /// How loud the far side was in the last second; nothing before its first sound.
    pub level: Option<Level>,
    /// Key-frame requests of the far side.
    pub plis_received: u64,
    /// Key-frame requests sent to the far side.
    pub plis_sent: u64,
    /// Frames this peer's queues gave up because the network was slower.
    pub frames_dropped: u64,
    /// Sound sent, and how it arrives by the far side's reports.
    pub audio_sent: FlowStats,
    /// Pictures sent, and how they arrive by the far side's reports.
    pub video_sent: FlowStats,
    /// Sound received.
    pub audio_received: FlowStats,
    /// Pictures received.
    pub video_received: FlowStats,
    /// To the far side and back, the newest; none before the first report.
    pub round_trip: Option<Duration>,
    /// The same, of the whole connection.
    pub mean_round_trip: Option<Duration>,
    /// Packets we asked the far side for again.
    pub nacks_sent: u64,
    /// Packets the far side asked us for again.
    pub nacks_received: u64,
    /// Pictures sent per second, over the last two.
    pub fps_sent: u32,
    /// Pictures decoded per second, over the last two.
    pub fps_decoded: u32,
    /// How often the far side's pictures stood still.
    pub freezes: u64,
    /// For how long in all.
    pub frozen: Duration,
    /// What decoding one picture takes, lately.
    pub decode_time: Duration,
    /// What the network to this peer carries of pictures, kbit/s.
    pub target_kbps: u32,
    /// What the encoder shared by all peers does now.
    pub encoder: Option<Encoding>,
    /// When the start's stages were reached.
    pub stages: StageTimes,
}

/// Each since the peer was made; absent when not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Both descriptions are set.
    pub negotiated: Option<Duration>,
    /// ICE has a pair of addresses that works.
    pub ice: Option<Duration>,
    /// DTLS is done and media can flow.
    pub connected: Option<Duration>,
    /// The first picture went out.
    pub first_frame_sent: Option<Duration>,
    /// The first video packet came in.
    pub first_video_packet: Option<Duration>,
    /// The first picture was decoded.
    pub first_video_frame: Option<Duration>,
    /// The first sound was decoded.
    pub first_audio: Option<Duration>,
}

impl StageTimes {
    /// From the answer to the first decoded picture.
    pub fn answer_to_picture(&self) -> Option<Duration> {
        self.first_video_frame?.checked_sub(self.negotiated?)
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The picture.
    pub jpeg: Bytes,
    /// Since the peer was made.
    pub at: Duration,
}

/// The pace of the pictures in both directions.
#[derive(Debug, Default)]
struct Pictures {
    sent: Meter,
    decoded: Meter,
    freezes: Freezes,
    decode_time: Duration,
}

/// Where the peer's tasks and threads count.
#[derive(Debug)]
pub(super) struct Counters {
    started: Instant,
    pub(super) frames_sent: AtomicU64,
    pub(super) packets_sent: AtomicU64,
    pub(super) audio_packets_sent: AtomicU64,
    pub(super) packets_received: AtomicU64,
    pub(super) frames_decoded: AtomicU64,
    pub(super) audio_decoded_us: AtomicU64,
    pub(super) plis_received: AtomicU64,
    pub(super) plis_sent: AtomicU64,
    pub(super) frames_dropped: AtomicU64,
    pictures: Mutex<Pictures>,
    sound: Mutex<LevelMeter>,
    stages: Mutex<StageTimes>,
    kept: Mutex<VecDeque<Frame>>,
}

pub(super) fn bump(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            frames_sent: AtomicU64::new(0),
            packets_sent: AtomicU64::new(0),
            audio_packets_sent: AtomicU64::new(0),
            packets_received: AtomicU64::new(0),
            frames_decoded: AtomicU64::new(0),
            audio_decoded_us: AtomicU64::new(0),
            plis_received: AtomicU64::new(0),
            plis_sent: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            pictures: Mutex::default(),
            sound: Mutex::default(),
            stages: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Since the peer was made.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Marks a stage when it is reached the first time, and says whether it was.
    pub(super) fn reached(
        &self,
        stage: impl FnOnce(&mut StageTimes) -> &mut Option<Duration>,
    ) -> bool {
        let mut stages = self.stages.lock();
        let stage = stage(&mut stages);
        let first = stage.is_none();
        if first {
            *stage = Some(self.elapsed());
        }
        first
    }

    pub(super) fn frame_sent(&self) {
        bump(&self.frames_sent);
        self.pictures.lock().sent.add(Instant::now(), 1);
    }

    /// A picture was decoded, which took so long.
    pub(super) fn frame_decoded(&self, took: Duration) {
        bump(&self.frames_decoded);
        let now = Instant::now();
        let mut pictures = self.pictures.lock();
        pictures.decoded.add(now, 1);
        pictures.freezes.picture(now);
        pictures.decode_time = match pictures.decode_time {
            Duration::ZERO => took,
            mean => (mean * 15 + took) / 16,
        };
    }

    /// Sound was decoded.
    pub(super) fn sound_heard(&self, samples: &[i16]) {
        self.sound.lock().push(Instant::now(), samples);
    }

    /// How loud the far side is at this moment, dBFS.
    pub(super) fn loudness(&self) -> i8 {
        let recent = self.sound.lock().recent(Instant::now());
        recent.unwrap_or(Level::SILENCE).rms_dbfs
    }

    /// Pictures are not decoded for a while, on purpose.
    pub(super) fn pictures_interrupted(&self) {
        self.pictures.lock().freezes.interrupted();
    }

    /// Since both descriptions were set, or since the peer was made.
    pub(super) fn since_negotiated(&self) -> Duration {
        let negotiated = self.stages.lock().negotiated.unwrap_or_default();
        self.elapsed().saturating_sub(negotiated)
    }

    pub(super) fn keep(&self, frame: Frame) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_FRAMES {
            // The first stays: it shows how the call began.
            kept.remove(1);
        }
        kept.push_back(frame);
    }

    pub(super) fn frames(&self) -> Vec<Frame> {
        self.kept.lock().iter().cloned().collect()
    }

    pub(super) fn read(&self) -> PeerStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let now = Instant::now();
        let pictures = self.pictures.lock();
        let stages = *self.stages.lock();
        // A far side that sends no more, as by DTX, is silent.
        let silence = stages.first_audio.map(|_| Level::SILENCE);
        PeerStats {
            frames_sent: get(&self.frames_sent),
            packets_sent: get(&self.packets_sent),
            audio_packets_sent: get(&self.audio_packets_sent),
            packets_received: get(&self.packets_received),
            frames_decoded: get(&self.frames_decoded),
            audio_decoded_ms: get(&self.audio_decoded_us) / 1000,
            plis_received: get(&self.plis_received),
            plis_sent: get(&self.plis_sent),
            frames_dropped: get(&self.frames_dropped),
            fps_sent: pictures.sent.per_second(now).round() as u32,
            fps_decoded: pictures.decoded.per_second(now).round() as u32,
            freezes: pictures.freezes.count(),
            frozen: pictures.freezes.total(),
            decode_time: pictures.decode_time,
            level: self.sound.lock().level(now).or(silence),
            stages,
            ..PeerStats::default()
        }
    }
}
