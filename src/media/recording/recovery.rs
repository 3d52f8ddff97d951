//! What a power cut left: everything up to the last whole fragment is made an ordinary file.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mp4_atom::{Atom, Header, Mdat, Moof, Moov, ReadAtom, ReadFrom};

use super::boxes::{INDEPENDENT, TrackFormat, data_header, index};
use super::file::{DiskError, PART, PartFile};
use super::sample_table::SampleTable;

/// What lies later in a recording than this is damage, seconds. Files are cut long before.
const LONGEST_S: u64 = 366 * 24 * 60 * 60;

/// A recording that was cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Where it is now.
    pub file: PathBuf,
    /// How long it is.
    pub duration: Duration,
    /// Bytes.
    pub bytes: u64,
}

/// Nothing can be made of a file.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecoveryError {
    /// It ends before the first fragment does.
    #[error("nothing was recorded in it")]
    Empty,
    /// It is none of ours, or damaged in front.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The disk does not take it.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Finishes every `*.part` of a folder; those with nothing in them are removed, those that cannot
/// be read are kept and named in the log. A folder that is not there holds none. Blocks.
pub fn recover(folder: &Path) -> Vec<Recovered> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let parts = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == PART));
    let mut recovered = Vec::new();
    for part in parts {
        match recover_file(&part) {
            Ok(one) => {
                tracing::warn!(file = %one.file.display(), seconds = one.duration.as_secs_f64(),
                    "a recording that was cut short is kept");
                recovered.push(one);
            }
            Err(RecoveryError::Empty) => {
                if let Err(error) = std::fs::remove_file(&part) {
                    tracing::warn!(%error, file = %part.display(), "an empty recording stays");
                }
            }
            Err(error) => {
                tracing::error!(%error, file = %part.display(), "a recording is not recovered");
            }
        }
    }
    recovered
}

/// Finishes one.
///
/// # Errors
/// [`RecoveryError`]; the file is as it was, but for an incomplete end.
pub fn recover_file(part: &Path) -> Result<Recovered, RecoveryError> {
    let mut file = File::open(part).map_err(unreadable)?;
    let contents = match read(&mut file)? {
        Found::Fragments(contents) => contents,
        Found::Finished { duration, end } => {
            let (file, bytes) = PartFile::reopen(part, end)?.keep()?;
            return Ok(Recovered {
                file,
                duration,
                bytes,
            });
        }
    };
    let tables: Vec<_> = contents
        .tracks
        .iter()
        .map(|(format, table)| (format, table))
        .collect();
    let index = index(&tables, contents.created).map_err(unreadable)?;
    let duration = contents.duration();
    let (file, bytes) =
        PartFile::reopen(part, contents.end)?.seal(&index, &data_header(contents.end))?;
    Ok(Recovered {
        file,
        duration,
        bytes,
    })
}

/// How long a finished recording is, by its own words. Blocks.
///
/// # Errors
/// [`RecoveryError`].
pub fn length_of(file: &Path) -> Result<Duration, RecoveryError> {
    match read(&mut File::open(file).map_err(unreadable)?)? {
        Found::Finished { duration, .. } => Ok(duration),
        Found::Fragments(contents) => Ok(contents.duration()),
    }
}

enum Found {
    Fragments(Contents),
    /// Only its name was left to be changed.
    Finished {
        duration: Duration,
        end: u64,
    },
}

struct Contents {
    created: u64,
    tracks: Vec<(TrackFormat, SampleTable)>,
    /// Where the last whole fragment ends.
    end: u64,
}

impl Contents {
    fn duration(&self) -> Duration {
        let ends = self.tracks.iter().map(|(format, table)| {
            Duration::from_secs_f64((table.begin + table.duration) as f64 / f64::from(format.clock))
        });
        ends.max().unwrap_or_default()
    }
}

fn read(file: &mut File) -> Result<Found, RecoveryError> {
    let length = file.metadata().map_err(unreadable)?.len();
    let mut contents: Option<Contents> = None;
    let mut fragment: Option<(u64, Moof)> = None;
    let mut is_finished = false;
    let mut at = 0;
    while let Ok(Some(header)) = Option::<Header>::read_from(file) {
        let body = file.stream_position().map_err(unreadable)?;
        let Some(end) = header.size.and_then(|size| body.checked_add(size as u64)) else {
            break;
        };
        if end > length {
            break;
        }
        if header.kind == Moov::KIND {
            // A second one is an index whose `mdat` header was never written.
            if contents.is_some() {
                break;
            }
            let moov = Moov::read_atom(&header, file).map_err(unreadable)?;
            if is_finished {
                let seconds = moov.mvhd.duration as f64 / f64::from(moov.mvhd.timescale.max(1));
                let duration = Duration::try_from_secs_f64(seconds).map_err(unreadable)?;
                return Ok(Found::Finished { duration, end });
            }
            contents = Some(Contents {
                created: moov.mvhd.creation_time,
                tracks: formats(&moov),
                end,
            });
        } else if header.kind == Moof::KIND {
            let Ok(moof) = Moof::read_atom(&header, file) else {
                break;
            };
            fragment = Some((at, moof));
        } else if header.kind == Mdat::KIND && contents.is_none() {
            is_finished = true;
        } else if header.kind == Mdat::KIND
            && let (Some(contents), Some((begin, moof))) = (&mut contents, fragment.take())
        {
            if !is_plausible(&contents.tracks, &moof) {
                break;
            }
            add(&mut contents.tracks, begin, &moof);
            contents.end = end;
        }
        file.seek(SeekFrom::Start(end)).map_err(unreadable)?;
        at = end;
    }
    let contents = contents.ok_or(RecoveryError::Empty)?;
    if contents
        .tracks
        .iter()
        .all(|(_, table)| table.sizes.is_empty())
    {
        return Err(RecoveryError::Empty);
    }
    Ok(Found::Fragments(contents))
}

/// Whether a fragment's place in time is one a recording of ours may have.
fn is_plausible(tracks: &[(TrackFormat, SampleTable)], moof: &Moof) -> bool {
    moof.traf.iter().all(|traf| {
        let track = tracks.iter().find(|(one, _)| one.id == traf.tfhd.track_id);
        let (Some((format, _)), Some(tfdt)) = (track, &traf.tfdt) else {
            return true;
        };
        tfdt.base_media_decode_time / u64::from(format.clock) < LONGEST_S
    })
}

fn formats(moov: &Moov) -> Vec<(TrackFormat, SampleTable)> {
    let tracks = moov.trak.iter().filter_map(|trak| {
        let codec = trak.mdia.minf.stbl.stsd.codecs.first()?.clone();
        // A clock that stands still is none.
        if trak.mdia.mdhd.timescale == 0 {
            return None;
        }
        let format = TrackFormat {
            id: trak.tkhd.track_id,
            clock: trak.mdia.mdhd.timescale,
            codec,
        };
        Some((format, SampleTable::default()))
    });
    tracks.collect()
}

fn add(tracks: &mut [(TrackFormat, SampleTable)], begin: u64, moof: &Moof) {
    for traf in &moof.traf {
        let track = tracks
            .iter_mut()
            .find(|(format, _)| format.id == traf.tfhd.track_id);
        let Some((_, table)) = track else { continue };
        let time = traf
            .tfdt
            .as_ref()
            .map_or(0, |tfdt| tfdt.base_media_decode_time);
        for trun in &traf.trun {
            let offset = u64::try_from(trun.data_offset.unwrap_or(0)).unwrap_or(0);
            let samples = trun.samples.iter().map(|one| {
                (
                    one.size.unwrap_or(0),
                    one.duration.unwrap_or(0),
                    one.flags == Some(INDEPENDENT),
                )
            });
            table.add_chunk(begin + offset, time, samples);
        }
    }
}

fn unreadable(error: impl ToString) -> RecoveryError {
    RecoveryError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("cut.mp4.part");
        std::fs::write(&part, bytes).unwrap();
        (folder, part)
    }

    #[test]
    fn a_fragment_that_lies_beyond_all_time_is_damage() {
        // Found by fuzzing: the second fragment's time is 2^56 ticks and more.
        let (_folder, part) = written(include_bytes!("../../../fuzz/seeds/recording/3"));
        let recovered = recover_file(&part);
        assert!(
            recovered
                .as_ref()
                .is_ok_and(|one| one.duration < Duration::from_secs(2))
                || recovered == Err(RecoveryError::Empty),
            "{recovered:?}"
        );
    }

    #[test]
    fn a_length_beyond_all_time_is_damage() {
        let mut bytes = include_bytes!("../../../fuzz/seeds/recording/1").to_vec();
        // The first is that of the file while it grew.
        let at = bytes.windows(4).rposition(|name| name == b"mvhd").unwrap();
        assert_eq!(bytes[at + 4], 1, "of 64 bits");
        // Behind version, flags and two times (ISO/IEC 14496-12 §8.2.2): ticks a second, ticks.
        bytes[at + 24..at + 28].copy_from_slice(&1_u32.to_be_bytes());
        bytes[at + 28..at + 36].fill(0xff);
        let (_folder, part) = written(&bytes);
        let told = length_of(&part);
        assert!(
            matches!(told, Err(RecoveryError::Unreadable(_))),
            "{told:?}"
        );
    }
}
