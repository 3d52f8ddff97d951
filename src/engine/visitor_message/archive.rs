//! The recordings on the disk, each with a note of what became of it.
//!
//! `ID.mp4` is a finished recording, `ID.json` its note. A recording without a note was cut short
//! before it could be noted, and is noted now: the folder itself is the queue, and survives
//! everything the disk does.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::object_id::ObjectId;
use crate::media::recording;
use crate::protocol::address::UserId;

/// Shorter ones hold no word.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);
const RECORDING: &str = "mp4";
const NOTE: &str = "json";

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// Not yet handed to the upload queue.
    Recorded,
    /// In the upload queue, or behind it in the outbox.
    Queued,
    /// The hub has all messages.
    Sent,
    /// The hub refuses a message.
    Refused,
}

/// A message that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Addressed {
    /// 24 hex digits, chosen before the first try, so that no try doubles it.
    pub message: String,
    /// To a user …
    pub user: Option<UserId>,
    /// … or a dialog.
    pub dialog: Option<String>,
    pub is_sent: bool,
}

/// A recording and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub id: String,
    pub ring: Option<String>,
    /// Unix milliseconds.
    pub started: u64,
    pub duration_ms: u64,
    pub bytes: u64,
    pub standing: Standing,
    pub messages: Vec<Addressed>,
}

impl Note {
    pub(super) fn seconds(&self) -> u64 {
        self.duration_ms.div_ceil(1_000)
    }
}

/// The folder. Clones are the same; all methods but [`Archive::file`] block.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: Arc<PathBuf>,
    is_recovered: Arc<AtomicBool>,
}

impl Archive {
    /// The folder of a device; it may not exist yet.
    pub fn of(state_dir: &Path) -> Self {
        Self {
            folder: Arc::new(state_dir.join("visitor-messages")),
            is_recovered: Arc::default(),
        }
    }

    /// Where a recording is.
    pub(super) fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{RECORDING}"))
    }

    fn note(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{NOTE}"))
    }

    /// Writes a note; when this returns it is on the disk.
    pub(super) fn save(&self, note: &Note) -> std::io::Result<()> {
        let place = self.note(&note.id);
        let fresh = place.with_extension("json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &place)?;
        File::open(&*self.folder)?.sync_all()
    }

    /// Removes a recording with its note.
    pub(super) fn remove(&self, id: &str) {
        for path in [self.file(id), self.note(id)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, file = %path.display(), "a recording stays");
                }
                _ => {}
            }
        }
    }

    /// Every recording but those of `except`, noted or not. What a power cut left is recovered
    /// first, once per process: later a `.part` may be one that is just being finished.
    pub(super) fn scan(&self, except: &HashSet<String>) -> BTreeMap<String, Note> {
        if !self.is_recovered.swap(true, Ordering::Relaxed) {
            recording::recover(&self.folder);
        }
        let mut notes = BTreeMap::new();
        let Ok(entries) = fs::read_dir(&*self.folder) else {
            return notes;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|ending| ending != RECORDING) || except.contains(id) {
                continue;
            }
            if let Some(note) = self.read(id).or_else(|| self.adopt(id, &path)) {
                notes.insert(id.to_owned(), note);
            }
        }
        notes
    }

    fn read(&self, id: &str) -> Option<Note> {
        let bytes = fs::read(self.note(id)).ok()?;
        serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(%error, id, "the note of a recording is lost"))
            .ok()
    }

    fn adopt(&self, id: &str, file: &Path) -> Option<Note> {
        let begun = seconds_of(id)?;
        let duration = match recording::length_of(file) {
            Ok(duration) => duration,
            Err(error) => {
                tracing::warn!(%error, id, "a recording cannot be read, and stays");
                return None;
            }
        };
        if duration < SHORTEST {
            self.remove(id);
            return None;
        }
        let note = Note {
            id: id.to_owned(),
            ring: None,
            started: begun * 1_000,
            duration_ms: duration.as_millis() as u64,
            bytes: fs::metadata(file).ok()?.len(),
            standing: Standing::Recorded,
            messages: Vec::new(),
        };
        self.save(&note)
            .inspect_err(|error| tracing::warn!(%error, id, "a recording is not noted"))
            .ok()?;
        Some(note)
    }

    /// Removes what was sent and is too old or too much.
    pub(super) fn tidy(&self, notes: &mut BTreeMap<String, Note>, now_ms: u64, keep: Keep) {
        let oldest = now_ms.saturating_sub(u64::from(keep.days) * 86_400_000);
        let mut total: u64 = notes.values().map(|note| note.bytes).sum();
        // In order of their ids, which is that of their beginnings.
        notes.retain(|id, note| {
            let goes = note.standing == Standing::Sent
                && (note.started < oldest || keep.days == 0 || total > keep.bytes);
            if goes {
                total -= note.bytes;
                self.remove(id);
            }
            !goes
        });
    }
}

/// How much is kept of what was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub days: u32,
    pub bytes: u64,
}

/// The Unix seconds an id begins with.
fn seconds_of(id: &str) -> Option<u64> {
    id.parse::<ObjectId>().ok()?;
    u64::from_str_radix(id.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(id: &str, started: u64, bytes: u64, standing: Standing) -> Note {
        Note {
            id: id.to_owned(),
            ring: None,
            started,
            duration_ms: 17_200,
            bytes,
            standing,
            messages: Vec::new(),
        }
    }

    #[test]
    fn sent_recordings_leave_by_age_and_by_room_and_unsent_ones_never() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::of(folder.path());
        fs::create_dir(&*archive.folder).unwrap();
        const DAY: u64 = 86_400_000;
        let now = 100 * DAY;
        let all = [
            note("a", now - 9 * DAY, 10, Standing::Sent),
            note("b", now - 9 * DAY, 10, Standing::Queued),
            note("c", now - DAY, 40, Standing::Sent),
            note("d", now, 40, Standing::Sent),
            note("e", now, 20, Standing::Refused),
        ];
        for one in &all {
            fs::write(archive.file(&one.id), "x").unwrap();
            archive.save(one).unwrap();
        }
        let notes = || {
            all.iter()
                .map(|one| (one.id.clone(), one.clone()))
                .collect()
        };
        let left = |days, bytes| {
            let mut notes: BTreeMap<String, Note> = notes();
            archive.tidy(&mut notes, now, Keep { days, bytes });
            notes.into_keys().collect::<String>()
        };
        assert_eq!(left(7, 1_000), "bcde", "one is too old");
        assert_eq!(left(7, 90), "bde", "the oldest sent one makes room");
        assert_eq!(left(0, 1_000), "be", "nothing sent is kept");
        let on_disk: Vec<_> = archive.scan(&HashSet::new()).into_keys().collect();
        assert_eq!(on_disk, ["b", "e"]);
    }

    #[test]
    fn a_note_survives_and_one_that_is_damaged_does_not_hide_the_recording() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::of(folder.path());
        fs::create_dir(&*archive.folder).unwrap();
        let kept = note("6929f0aa0000000000000001", 5, 6, Standing::Queued);
        fs::write(archive.file(&kept.id), "x").unwrap();
        archive.save(&kept).unwrap();
        assert_eq!(archive.scan(&HashSet::new())[&kept.id], kept);
        assert_eq!(
            archive.scan(&HashSet::from([kept.id.clone()])),
            BTreeMap::new()
        );
        fs::write(archive.note(&kept.id), "{").unwrap();
        assert_eq!(
            archive.scan(&HashSet::new()),
            BTreeMap::new(),
            "it is no video either"
        );
        assert!(archive.file(&kept.id).exists());
    }
}
