//! What became of a recording.

use std::path::PathBuf;
use std::time::Duration;

use super::file::DiskError;
use crate::media::MediaError;

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
    /// The encoder changed its parameters; it goes on in a new file.
    FormatChanged,
    /// [`RecorderSettings::segments`]; it goes on in a new file.
    Segment,
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
    /// A file is there, and it goes on in the next.
    Segment(Recording),
    /// The last file is there.
    Finished(Recording),
    /// There is none.
    Failed(RecordError),
}
