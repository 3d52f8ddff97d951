//! A file of an older version written anew.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use super::document;
use super::problem::ConfigErrors;
use super::version::ALL;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migrated {
    /// It is of today's version.
    NotNeeded,
    /// It is written anew.
    Written {
        /// The version it was of.
        from: i64,
        /// Where the old one is kept.
        kept: PathBuf,
    },
}

/// Why a file was not migrated; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It has mistakes, or is of a newer version.
    #[error(transparent)]
    File(#[from] ConfigErrors),
    /// The new one cannot be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Brings a device's or a hub's file to today's version; the old one is kept beside.
///
/// # Errors
/// [`MigrateError`].
pub fn migrate(path: &Path) -> Result<Migrated, MigrateError> {
    let brought = ALL.bring_up(path, document::read(path)?)?;
    let Some(from) = brought.from else {
        return Ok(Migrated::NotNeeded);
    };
    let beside = |suffix: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrateError::Io { path, source }
    };
    let kept = beside(format!(".version-{from}"));
    let new = beside(".new".into());
    let text = ALL.numbered(path, &brought.text);
    write_like(&new, path, &text).map_err(io(&new))?;
    fs::copy(path, &kept).map_err(io(&kept))?;
    fs::rename(&new, path).map_err(io(path))?;
    Ok(Migrated::Written { from, kept })
}

fn write_like(new: &Path, like: &Path, text: &str) -> std::io::Result<()> {
    let old = fs::metadata(like)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(old.mode() & 0o7777)
        .open(new)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        chown(new, Some(old.uid()), Some(old.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
