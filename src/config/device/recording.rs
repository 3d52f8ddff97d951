//! `[recording]`.

use std::path::{Path, PathBuf};

use crate::config::reader::SectionReader;

/// Camera and microphone recorded on command.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Nothing is recorded without.
    pub enabled: bool,
    /// Where, unless it is the usual place.
    pub folder: Option<PathBuf>,
    /// Seconds, 5 to 86,400.
    pub max_s: u32,
    /// Seconds of one file, 5 to 86,400.
    pub segment_s: u32,
    /// Seconds before the order, 0 to 60.
    pub pre_roll_s: u32,
    /// MiB of memory for that, 1 to 256.
    pub pre_roll_mb: u32,
    /// Days, 1 to 3,650.
    pub keep_days: u32,
    /// MiB for all recordings, 16 to 10,000,000.
    pub keep_mb: u32,
    /// MiB that stay free, 16 to 1,000,000.
    pub min_free_mb: u32,
    /// How those who are recorded are told.
    pub notice: RecordingNotice,
}

/// How those who are recorded are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingNotice {
    /// Not by the device.
    None,
    /// A tone at the device.
    Tone,
    /// A message and a parameter to those in the call.
    Message,
    /// Tone and message.
    Both,
}

impl Recording {
    /// Where recordings are kept.
    pub fn folder(&self, state_dir: &Path) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.clone(),
            None => state_dir.join("recordings"),
        }
    }
}

pub(super) fn read(section: &SectionReader<'_>) -> Option<Recording> {
    let enabled = section.boolean("enabled");
    let folder = section
        .given("folder")
        .then(|| section.path("folder"))
        .flatten();
    let max_s = section.integer("max_s");
    let segment_s = section.integer("segment_s");
    let pre_roll_s = section.integer("pre_roll_s");
    let pre_roll_mb = section.integer("pre_roll_mb");
    let keep_days = section.integer("keep_days");
    let keep_mb = section.integer("keep_mb");
    let min_free_mb = section.integer("min_free_mb");
    let notice = section.text("notice").map(|notice| match notice {
        "none" => RecordingNotice::None,
        "tone" => RecordingNotice::Tone,
        "message" => RecordingNotice::Message,
        _ => RecordingNotice::Both,
    });
    Some(Recording {
        enabled: enabled?,
        folder,
        max_s: max_s?,
        segment_s: segment_s?,
        pre_roll_s: pre_roll_s?,
        pre_roll_mb: pre_roll_mb?,
        keep_days: keep_days?,
        keep_mb: keep_mb?,
        min_free_mb: min_free_mb?,
        notice: notice?,
    })
}
