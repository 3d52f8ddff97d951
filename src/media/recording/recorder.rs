//! A recording under way, on a thread of its own that may wait for the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::file::{DiskError, PartFile};
use super::muxer::{MuxError, Muxer, Plan, Taken};
use crate::media::fanout::Subscription;
use crate::media::rtp::EncodedFrame;
use crate::media::{AudioFanout, MediaError, VideoCodec, VideoFanout, network};

/// How long the camera may take for its first picture. After that the sound is recorded alone.
const PATIENCE: Duration = Duration::from_secs(5);
/// What waits is written at the latest after this, also when a source has fallen silent.
const FLUSH_EVERY: Duration = Duration::from_millis(900);
/// Seconds from 1904, where the file format begins to count, to 1970.
const EPOCH_1904: u64 = 2_082_844_800;

/// What to record, and how much at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderSettings {
    /// The finished file. Until then it is `FILE.part`; neither may exist.
    pub file: PathBuf,
    /// The size of the camera's pictures in pixels; none records sound alone.
    pub picture: Option<(u16, u16)>,
    /// Whether there is a microphone.
    pub sound: bool,
    /// The recording is finished after so long.
    pub max_duration: Duration,
    /// The recording is finished before it has more bytes.
    pub max_bytes: u64,
    /// Bytes of the disk that stay free; the recording is finished, or not begun, before.
    pub min_free: u64,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where it is.
    pub file: PathBuf,
    /// From its first to its last frame.
    pub duration: Duration,
    /// Its size.
    pub bytes: u64,
    /// Whether it has pictures.
    pub has_video: bool,
    /// Whether it has sound.
    pub has_audio: bool,
    /// Pictures left out, because the disk was too slow for them.
    pub lost: u64,
    /// Why it ended.
    pub ended_by: EndedBy,
}

/// Why a recording ended with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// It was told to.
    Stopped,
    /// [`RecorderSettings::max_duration`].
    MaxDuration,
    /// [`RecorderSettings::max_bytes`].
    MaxBytes,
    /// The disk has no more room, or only what must stay free.
    DiskFull,
    /// The disk or its folder cannot be written any more.
    DiskFailed,
    /// The encoder changed its parameters; go on in a new file.
    FormatChanged,
}

/// There is no recording.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// The disk does not take it.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Neither a picture nor a sound came.
    #[error("neither the camera nor the microphone gave anything within {0:?}")]
    NothingCame(Duration),
    /// There is neither camera nor microphone.
    #[error("there is neither a camera nor a microphone to record")]
    NoSource,
    /// Media cannot be used on this machine.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The file cannot be made of what came, which is a fault of this program.
    #[error("the recording cannot be written as a file: {0}")]
    Structure(String),
    /// Told to forget it.
    #[error("the recording was discarded")]
    Discarded,
}

/// How a recording fares. The last is [`RecorderEvent::Finished`] or [`RecorderEvent::Failed`],
/// and always comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The first picture (or sound) is in.
    Started,
    /// About every half second: so much is safely on the disk.
    Progress {
        /// Recorded so far.
        duration: Duration,
        /// Bytes on the disk.
        bytes: u64,
    },
    /// The file is there.
    Finished(Recording),
    /// There is none.
    Failed(RecordError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    GoOn,
    Finish,
    Discard,
}

/// The owner's end. Dropping it finishes the recording: nothing is lost by accident.
#[derive(Debug)]
pub struct Recorder {
    orders: watch::Sender<Order>,
}

impl Recorder {
    /// Returns at once; what goes wrong arrives as an event. Joins the fan-outs like any other
    /// consumer: nothing is captured or encoded a second time.
    pub fn start(
        settings: RecorderSettings,
        video: &VideoFanout,
        audio: &AudioFanout,
        events: UnboundedSender<RecorderEvent>,
    ) -> Self {
        let (orders, received) = watch::channel(Order::GoOn);
        let sources = Sources {
            // Chromium, Safari and phones play H264 in an MP4 file, and no VP8.
            video: settings
                .picture
                .map(|_| video.subscribe_patiently(VideoCodec::H264)),
            audio: settings.sound.then(|| audio.subscribe_patiently()),
        };
        let tell = events.clone();
        let spawned = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                let event = match run(settings, sources, received, &tell) {
                    Ok(recording) => RecorderEvent::Finished(recording),
                    Err(error) => RecorderEvent::Failed(error),
                };
                // An owner that no longer listens finds the file at the next start.
                let _ = tell.send(event);
            });
        if let Err(error) = spawned {
            let error = RecordError::Media(MediaError::Threads(error.to_string()));
            let _ = events.send(RecorderEvent::Failed(error));
        }
        Self { orders }
    }

    /// Ends it and keeps what there is.
    pub fn finish(self) {
        self.orders.send_replace(Order::Finish);
    }

    /// Ends it and removes what there is.
    pub fn discard(self) {
        self.orders.send_replace(Order::Discard);
    }
}

struct Sources {
    video: Option<Subscription>,
    audio: Option<Subscription>,
}

fn run(
    settings: RecorderSettings,
    sources: Sources,
    orders: watch::Receiver<Order>,
    tell: &UnboundedSender<RecorderEvent>,
) -> Result<Recording, RecordError> {
    if sources.video.is_none() && sources.audio.is_none() {
        return Err(RecordError::NoSource);
    }
    let runtime = network::handle()?;
    let file = PartFile::create(&settings.file, settings.min_free)?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let run = Run {
        muxer: Muxer::new(Plan {
            picture: settings.picture,
            sound: settings.sound,
            max_duration: settings.max_duration,
            created: EPOCH_1904 + since_epoch.map_or(0, |since| since.as_secs()),
        }),
        file,
        settings,
        tell,
        patience_ends: Instant::now() + PATIENCE,
        flushed: Instant::now(),
        is_started: false,
        lost_before: 0,
        lost: 0,
    };
    runtime.block_on(run.record(&sources, orders))
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
        sources: &Sources,
        mut orders: watch::Receiver<Order>,
    ) -> Result<Recording, RecordError> {
        let end = loop {
            if let Err(end) = self.step(sources, &mut orders).await {
                break end;
            }
        };
        match end {
            End::Keep(ended_by) => self.keep(ended_by),
            End::Forget(error) => {
                self.file.discard();
                Err(error)
            }
        }
    }

    async fn step(
        &mut self,
        sources: &Sources,
        orders: &mut watch::Receiver<Order>,
    ) -> Result<(), End> {
        let taken = tokio::select! {
            // In this order, so that no flood of frames holds back an end or a flush.
            biased;
            order = orders.wait_for(|order| *order != Order::GoOn) => {
                return Err(match order.map(|order| *order) {
                    Ok(Order::Discard) => End::Forget(RecordError::Discarded),
                    // An owner that is gone wants the recording all the same.
                    _ => End::Keep(EndedBy::Stopped),
                });
            }
            () = tokio::time::sleep_until(self.next_look().into()) => return self.look(),
            frame = next(sources.audio.as_ref()) => self.muxer.audio(&frame)?,
            frame = next(sources.video.as_ref()) => self.muxer.video(&frame)?,
        };
        match taken {
            Taken::Full => return Err(End::Keep(EndedBy::MaxDuration)),
            Taken::Skipped => return Ok(()),
            Taken::Yes => {}
        }
        if !self.is_started {
            self.is_started = true;
            self.flushed = Instant::now();
            self.lost_before = dropped(sources);
            self.lost = self.lost_before;
            self.say(RecorderEvent::Started);
        }
        if self.muxer.is_due() {
            self.flush()?;
            self.notice_loss(sources);
        }
        if self.muxer.bytes() >= self.settings.max_bytes {
            return Err(End::Keep(EndedBy::MaxBytes));
        }
        Ok(())
    }

    /// When something is to be done though no frame comes.
    fn next_look(&self) -> Instant {
        match self.muxer.begin() {
            None => self.patience_ends,
            Some(begin) => (self.flushed + FLUSH_EVERY).min(begin + self.settings.max_duration),
        }
    }

    fn look(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let Some(begin) = self.muxer.begin() else {
            if self.settings.picture.take().is_none() || !self.settings.sound {
                return Err(End::Forget(RecordError::NothingCame(PATIENCE)));
            }
            tracing::warn!("no picture came: the sound is recorded alone");
            self.muxer.give_up_on_pictures();
            self.patience_ends = now + PATIENCE;
            return Ok(());
        };
        if now >= begin + self.settings.max_duration {
            return Err(End::Keep(EndedBy::MaxDuration));
        }
        self.flush()
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

    fn notice_loss(&mut self, sources: &Sources) {
        let lost = dropped(sources);
        if lost > self.lost {
            let pictures = lost - self.lost;
            tracing::warn!(pictures, "the disk is too slow for the recording");
        }
        self.lost = lost;
    }

    fn keep(self, ended_by: EndedBy) -> Result<Recording, RecordError> {
        if !self.is_started {
            self.file.discard();
            return Err(match ended_by {
                EndedBy::DiskFull => RecordError::Disk(DiskError::Full {
                    free: 0,
                    needed: self.settings.min_free,
                }),
                _ => RecordError::Discarded,
            });
        }
        let duration = self.muxer.duration();
        let (has_video, has_audio) = self.muxer.has();
        let is_disk_well = !matches!(ended_by, EndedBy::DiskFull | EndedBy::DiskFailed);
        let (file, bytes) = if is_disk_well || self.muxer.is_whole(self.file.length()) {
            let ending = self
                .muxer
                .finish()
                .map_err(|error| RecordError::Structure(error.to_string()))?;
            self.file.finish(&ending)?
        } else {
            // Not all that was handed over is on the disk: its index would point beyond the end.
            let part = self.file.leave();
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
            lost: self.lost - self.lost_before,
            ended_by,
        })
    }

    fn say(&self, event: RecorderEvent) {
        // An owner that no longer listens finds the file at the next start.
        let _ = self.tell.send(event);
    }
}

fn dropped(sources: &Sources) -> u64 {
    sources.video.as_ref().map_or(0, Subscription::dropped)
}

async fn next(source: Option<&Subscription>) -> Arc<EncodedFrame> {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}
