//! A recording under way: frames to the muxer, its bytes to the disk, until something ends it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::feed::{Feed, Kind};
use super::file::{DiskError, PartFile};
use super::muxer::{MuxError, Muxer, Plan, Taken};
use super::outcome::{EndedBy, RecordError, RecorderEvent, Recording};
use super::pre_roll::PreRoll;
use super::settings::{Pictures, RecorderSettings, Segments};
use crate::media::network;
use crate::media::rtp::EncodedFrame;

/// How long the camera may take for its first picture. After that the sound is recorded alone.
const PATIENCE: Duration = Duration::from_secs(5);
/// What waits is written at the latest after this, also when a source has fallen silent.
const FLUSH_EVERY: Duration = Duration::from_millis(900);
/// Seconds from 1904, where the file format begins to count, to 1970.
const EPOCH_1904: u64 = 2_082_844_800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    GoOn,
    Finish,
    Discard,
}

/// What a recording begins with.
pub(super) enum Origin {
    Now(Feed),
    Before(PreRoll),
}

pub(super) fn run(
    mut settings: RecorderSettings,
    origin: Origin,
    orders: watch::Receiver<Order>,
    tell: &UnboundedSender<RecorderEvent>,
) -> Result<Recording, RecordError> {
    let runtime = network::handle()?;
    let mut feed = match origin {
        Origin::Now(feed) => feed,
        Origin::Before(before) => runtime
            .block_on(before.hand_over())
            .map_err(|_| RecordError::NoSource)?,
    };
    if feed.is_empty() {
        return Err(RecordError::NoSource);
    }
    let before = feed.take_before();
    let now = Instant::now();
    if let Some((_, first)) = before.front() {
        settings.max_duration += now.saturating_duration_since(first.encoded_at);
    }
    let run = Run {
        muxer: muxer(&settings, settings.max_duration),
        file: PartFile::create(&settings.file, settings.min_free)?,
        settings,
        tell,
        patience_ends: now + PATIENCE,
        flushed: now,
        is_started: false,
        lost_before: 0,
        lost: 0,
        number: 1,
        earlier: Duration::ZERO,
        wants_key_frame: false,
    };
    runtime.block_on(run.record(before, &feed, orders))
}

fn muxer(settings: &RecorderSettings, max_duration: Duration) -> Muxer {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Muxer::new(Plan {
        picture: settings.pictures != Pictures::None,
        sound: settings.sound,
        max_duration,
        created: EPOCH_1904 + since_epoch.map_or(0, |since| since.as_secs()),
    })
}

struct Run<'t> {
    settings: RecorderSettings,
    muxer: Muxer,
    file: PartFile,
    tell: &'t UnboundedSender<RecorderEvent>,
    /// Until when something must have come.
    patience_ends: Instant,
    flushed: Instant,
    is_started: bool,
    /// Pictures the queue gave up before the recording began, and until now.
    lost_before: u64,
    lost: u64,
    /// Which file of the recording this is, from 1, and how long those before are together.
    number: u32,
    earlier: Duration,
    /// A key frame to begin the next file with has been asked for.
    wants_key_frame: bool,
}

/// What ends the loop.
enum End {
    Keep(EndedBy),
    Forget(RecordError),
}

impl From<DiskError> for End {
    fn from(error: DiskError) -> Self {
        tracing::error!(%error, "a recording ends early");
        match error {
            DiskError::Full { .. } => Self::Keep(EndedBy::DiskFull),
            DiskError::Unwritable { .. } => Self::Keep(EndedBy::DiskFailed),
        }
    }
}

impl From<MuxError> for End {
    fn from(error: MuxError) -> Self {
        match error {
            MuxError::FormatChanged => Self::Keep(EndedBy::FormatChanged),
            MuxError::Structure(reason) => Self::Forget(RecordError::Structure(reason)),
        }
    }
}

impl Run<'_> {
    async fn record(
        mut self,
        before: VecDeque<(Kind, Arc<EncodedFrame>)>,
        feed: &Feed,
        mut orders: watch::Receiver<Order>,
    ) -> Result<Recording, RecordError> {
        let end = match self.catch_up(before, feed) {
            Err(end) => end,
            Ok(()) => loop {
                if let Err(end) = self.step(feed, &mut orders).await {
                    break end;
                }
            },
        };
        match end {
            End::Keep(ended_by) => self.keep(ended_by),
            End::Forget(error) => {
                self.file.discard();
                Err(error)
            }
        }
    }

    fn catch_up(
        &mut self,
        before: VecDeque<(Kind, Arc<EncodedFrame>)>,
        feed: &Feed,
    ) -> Result<(), End> {
        for (kind, frame) in before {
            self.take(kind, &frame, feed)?;
        }
        if !self.is_started {
            // The subscription may be in the middle of pictures nothing can begin with.
            feed.request_key_frame();
        }
        Ok(())
    }

    async fn step(&mut self, feed: &Feed, orders: &mut watch::Receiver<Order>) -> Result<(), End> {
        tokio::select! {
            // In this order, so that no flood of frames holds back an end or a flush.
            biased;
            order = orders.wait_for(|order| *order != Order::GoOn) => {
                Err(match order.map(|order| *order) {
                    Ok(Order::Discard) => End::Forget(RecordError::Discarded),
                    // An owner that is gone wants the recording all the same.
                    _ => End::Keep(EndedBy::Stopped),
                })
            }
            () = tokio::time::sleep_until(self.next_look().into()) => self.look(),
            (kind, frame) = feed.next() => self.take(kind, &frame, feed),
        }
    }

    fn take(&mut self, kind: Kind, frame: &EncodedFrame, feed: &Feed) -> Result<(), End> {
        if self.is_cut_due(kind, frame, feed) {
            self.cut(EndedBy::Segment)?;
        }
        let taken = match self.offer(kind, frame) {
            Err(MuxError::FormatChanged) if self.settings.segments.is_some() => {
                self.cut(EndedBy::FormatChanged)?;
                self.offer(kind, frame)
            }
            taken => taken,
        };
        match taken? {
            Taken::Full => return Err(End::Keep(EndedBy::MaxDuration)),
            Taken::Skipped => return Ok(()),
            Taken::Yes => {}
        }
        if !self.is_started {
            self.is_started = true;
            self.flushed = Instant::now();
            self.lost_before = feed.dropped();
            self.lost = self.lost_before;
            self.say(RecorderEvent::Started);
        }
        if self.muxer.is_due() {
            self.flush()?;
            self.notice_loss(feed);
        }
        if self.muxer.bytes() >= self.settings.max_bytes {
            return Err(End::Keep(EndedBy::MaxBytes));
        }
        Ok(())
    }

    fn offer(&mut self, kind: Kind, frame: &EncodedFrame) -> Result<Taken, MuxError> {
        match kind {
            Kind::Video(codec) => self.muxer.video(codec, frame),
            Kind::Audio => self.muxer.audio(frame),
        }
    }

    /// Whether the next file begins with this frame; asks for one it can begin with.
    fn is_cut_due(&mut self, kind: Kind, frame: &EncodedFrame, feed: &Feed) -> bool {
        let is_full = self.settings.segments.is_some_and(|segments| {
            self.muxer.duration() >= segments.length || self.muxer.bytes() >= segments.bytes
        });
        if !is_full {
            return false;
        }
        if !self.muxer.has().0 {
            return kind == Kind::Audio;
        }
        if matches!(kind, Kind::Video(_)) && frame.key {
            return true;
        }
        if !std::mem::replace(&mut self.wants_key_frame, true) {
            feed.request_key_frame();
        }
        false
    }

    /// Finishes the file and begins the next.
    fn cut(&mut self, ended_by: EndedBy) -> Result<(), End> {
        self.number += 1;
        let next = Segments::file(&self.settings.file, self.number);
        let file = PartFile::create(&next, self.settings.min_free)?;
        self.earlier += self.muxer.duration();
        let left = self.settings.max_duration.saturating_sub(self.earlier);
        let file = std::mem::replace(&mut self.file, file);
        let muxer = std::mem::replace(&mut self.muxer, muxer(&self.settings, left));
        let lost = self.lost - self.lost_before;
        self.lost_before = self.lost;
        self.wants_key_frame = false;
        match close(file, muxer, ended_by, lost) {
            Ok(recording) => {
                self.say(RecorderEvent::Segment(recording));
                Ok(())
            }
            Err(error) => Err(End::Forget(error)),
        }
    }

    /// When something is to be done though no frame comes.
    fn next_look(&self) -> Instant {
        match self.muxer.begin() {
            None => self.patience_ends,
            Some(begin) => (self.flushed + FLUSH_EVERY).min(begin + self.left()),
        }
    }

    fn look(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let Some(begin) = self.muxer.begin() else {
            if self.number > 1 {
                self.patience_ends = now + PATIENCE;
                return Ok(());
            }
            let wanted = std::mem::replace(&mut self.settings.pictures, Pictures::None);
            if wanted == Pictures::None || !self.settings.sound {
                return Err(End::Forget(RecordError::NothingCame(PATIENCE)));
            }
            tracing::warn!("no picture came: the sound is recorded alone");
            self.muxer.give_up_on_pictures();
            self.patience_ends = now + PATIENCE;
            return Ok(());
        };
        if now >= begin + self.left() {
            return Err(End::Keep(EndedBy::MaxDuration));
        }
        self.flush()
    }

    /// How long the present file may be.
    fn left(&self) -> Duration {
        self.settings.max_duration.saturating_sub(self.earlier)
    }

    fn flush(&mut self) -> Result<(), End> {
        self.flushed = Instant::now();
        let bytes = self.muxer.flush()?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.append(&bytes)?;
        self.say(RecorderEvent::Progress {
            duration: self.muxer.duration(),
            bytes: self.file.length(),
        });
        self.file.check_room()?;
        Ok(())
    }

    fn notice_loss(&mut self, feed: &Feed) {
        let lost = feed.dropped();
        if lost > self.lost {
            let pictures = lost - self.lost;
            tracing::warn!(pictures, "the disk is too slow for the recording");
        }
        self.lost = lost;
    }

    fn keep(self, ended_by: EndedBy) -> Result<Recording, RecordError> {
        // The next file may have been begun, and nothing come for it.
        if self.muxer.begin().is_none() {
            self.file.discard();
            return Err(match ended_by {
                EndedBy::DiskFull => RecordError::Disk(DiskError::Full {
                    free: 0,
                    needed: self.settings.min_free,
                }),
                _ => RecordError::Discarded,
            });
        }
        close(
            self.file,
            self.muxer,
            ended_by,
            self.lost - self.lost_before,
        )
    }

    fn say(&self, event: RecorderEvent) {
        // An owner that no longer listens finds the file at the next start.
        let _ = self.tell.send(event);
    }
}

/// Makes what there is an ordinary file.
fn close(
    file: PartFile,
    muxer: Muxer,
    ended_by: EndedBy,
    lost: u64,
) -> Result<Recording, RecordError> {
    let duration = muxer.duration();
    let (has_video, has_audio) = muxer.has();
    let is_disk_well = !matches!(ended_by, EndedBy::DiskFull | EndedBy::DiskFailed);
    let (file, bytes) = if is_disk_well || muxer.is_whole(file.length()) {
        let ending = muxer
            .finish()
            .map_err(|error| RecordError::Structure(error.to_string()))?;
        file.finish(&ending)?
    } else {
        // Not all that was handed over is on the disk: its index would point beyond the end.
        let part = file.leave();
        let recovered = super::recovery::recover_file(&part).map_err(|error| match error {
            super::RecoveryError::Disk(error) => RecordError::Disk(error),
            error => RecordError::Structure(error.to_string()),
        })?;
        (recovered.file, recovered.bytes)
    };
    Ok(Recording {
        file,
        duration,
        bytes,
        has_video,
        has_audio,
        lost,
        ended_by,
    })
}
