//! The recordings on the disk. The folder itself is the list: nothing is written down beside it
//! that could differ from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::name::RecordingName;
use super::rotation::{self, Limits, Stored};
use crate::media::recording::{self, Recovered, RecoveryError};

/// What a file that is being written has behind its name.
const PART: &str = ".part";

/// A recording on the disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The file's name in the folder.
    pub file: String,
    /// When it began, Unix milliseconds.
    pub began: u64,
    /// Seconds; absent while it is written, and when the file is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Its size.
    pub bytes: u64,
    /// Whether it is not finished yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
}

/// The folder. Clones are the same; all methods but [`RecordingFolder::file`] block.
#[derive(Clone, Debug)]
pub struct RecordingFolder {
    path: Arc<PathBuf>,
    is_recovered: Arc<AtomicBool>,
}

impl RecordingFolder {
    /// It may not exist yet.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            is_recovered: Arc::default(),
        }
    }

    /// Where a recording is, or will be.
    pub(super) fn file(&self, name: RecordingName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Finishes what a power cut left, once per process: later an unfinished file is one that is
    /// being written.
    pub(super) fn recover(&self) -> Vec<(RecordingName, Recovered)> {
        if self.is_recovered.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (name, path, is_part) in self.files() {
            if !is_part {
                continue;
            }
            match recording::recover_file(&path) {
                Ok(recovered) => {
                    tracing::warn!(file = %name, seconds = recovered.duration.as_secs_f64(),
                        "a recording that was cut short is kept");
                    all.push((name, recovered));
                }
                Err(RecoveryError::Empty) => remove(&path),
                Err(error) => {
                    tracing::error!(%error, file = %name, "a recording is not recovered");
                }
            }
        }
        all
    }

    /// Removes what is too old or too much. `free` is how much must stay free on the disk.
    pub(super) fn rotate(&self, oldest: u64, bytes: u64, free: u64) {
        let files = self.files();
        let stored = files.iter().map(|(name, path, is_open)| Stored {
            name: *name,
            bytes: fs::metadata(path).map_or(0, |metadata| metadata.len()),
            is_open: *is_open,
        });
        let lacking = match recording::free_space(&self.path) {
            Ok(there) => free.saturating_sub(there),
            // The folder is made with the first recording.
            Err(_) => 0,
        };
        let limits = Limits {
            oldest,
            bytes,
            lacking,
        };
        for name in rotation::leaving(stored.collect(), limits) {
            tracing::info!(file = %name, "a recording makes room");
            remove(&self.file(name));
        }
    }

    /// The newest recordings, newest first.
    pub fn list(&self, most: usize) -> Vec<Kept> {
        let mut files = self.files();
        files.sort_by_key(|(name, ..)| std::cmp::Reverse(*name));
        files.truncate(most);
        let kept = files.into_iter().map(|(name, path, is_part)| Kept {
            file: name.to_string(),
            began: name.began,
            duration_s: (!is_part)
                .then(|| recording::length_of(&path).ok())
                .flatten()
                .map(|duration| duration.as_millis() as f64 / 1_000.0),
            bytes: fs::metadata(&path).map_or(0, |metadata| metadata.len()),
            unfinished: is_part,
        });
        kept.collect()
    }

    /// Every file of ours, and whether it is unfinished.
    fn files(&self) -> Vec<(RecordingName, PathBuf, bool)> {
        let entries = match fs::read_dir(&*self.path) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::error!(%error, folder = %self.path.display(),
                        "recordings cannot be looked for");
                }
                return Vec::new();
            }
        };
        let ours = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            let whole = name.strip_suffix(PART);
            let parsed = whole.unwrap_or(name).parse().ok()?;
            Some((parsed, entry.path(), whole.is_some()))
        });
        ours.collect()
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, file = %path.display(), "a recording stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recordings_are_listed_newest_first_and_nothing_else_is_touched() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(place.path().join(name), "x").unwrap();
        let foreign = ["holiday.mp4", "download.part"];
        let ours = ["20260101T000000.000Z.mp4", "20260102T000000.000Z.mp4"];
        foreign.into_iter().chain(ours).for_each(write);
        let empty = "20260104T000000.000Z.mp4.part";
        write(empty);
        let folder = RecordingFolder::at(place.path().to_owned());
        assert_eq!(folder.recover().len(), 0, "nothing can be made of it");
        assert!(!place.path().join(empty).exists(), "and so it goes");
        let being_written = "20260103T000000.000Z.mp4.part";
        write(being_written);
        assert_eq!(folder.recover().len(), 0);
        let listed: Vec<_> = folder
            .list(2)
            .into_iter()
            .map(|kept| (kept.file, kept.unfinished))
            .collect();
        assert_eq!(
            listed,
            [
                ("20260103T000000.000Z.mp4".to_owned(), true),
                ("20260102T000000.000Z.mp4".to_owned(), false)
            ]
        );
        for name in foreign.into_iter().chain(ours).chain([being_written]) {
            assert!(place.path().join(name).exists(), "{name}");
        }
        let nowhere = RecordingFolder::at(place.path().join("nowhere"));
        assert_eq!(nowhere.list(5), []);
    }
}
