//! What to record, and when it goes on in a further file.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to record, and how much at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderSettings {
    /// The finished file. Until then it is `FILE.part`; neither may exist.
    pub file: PathBuf,
    /// Which pictures to record.
    pub pictures: Pictures,
    /// Whether there is sound.
    pub sound: bool,
    /// The recording is finished after so long.
    pub max_duration: Duration,
    /// The recording is finished before a file of it has more bytes.
    pub max_bytes: u64,
    /// Whether it goes on in further files; without, a change of the encoder ends it.
    pub segments: Option<Segments>,
    /// Bytes of the disk that stay free; the recording is finished, or not begun, before.
    pub min_free: u64,
}

/// Which pictures are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// None.
    None,
    /// Those of a source that encodes what it is asked for, as H264: not every player takes
    /// VP8 out of an MP4 file.
    H264,
    /// Those of a far side, in whichever format it sends them.
    AsSent,
}

/// When a recording goes on in a further file. It begins at the next key frame, which is asked
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// A file that is so long is finished.
    pub length: Duration,
    /// One that has so many bytes is, too.
    pub bytes: u64,
}

impl Segments {
    /// The name of a recording's nth file, from 1: `NAME.mp4`, `NAME_002.mp4` ….
    pub fn file(first: &Path, number: u32) -> PathBuf {
        if number <= 1 {
            return first.to_owned();
        }
        let stem = first.file_stem().unwrap_or_default().to_string_lossy();
        let name = match first.extension() {
            Some(ending) => format!("{stem}_{number:03}.{}", ending.to_string_lossy()),
            None => format!("{stem}_{number:03}"),
        };
        first.with_file_name(name)
    }
}
