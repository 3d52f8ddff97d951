//! Forgetting what nobody names: uploads that were never completed, contents without a file.

use std::collections::HashSet;
use std::path::Path;

use super::{FileError, Files};
use crate::hub::store::{Store, StoreError, blobs};

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads under way.
    pub uploads: usize,
    /// Contents.
    pub contents: usize,
}

/// Why a sweep failed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Removes what no file names at `now`, and files whose upload was never completed.
///
/// # Errors
/// [`SweepError`]; what could not be removed stays for the next sweep.
pub async fn sweep(files: &Files, store: &Store, now: i64) -> Result<Swept, SweepError> {
    // Nobody may put a content in place between the look at the rows and the look at the disk.
    let _nobody_places = files.placing.write().await;
    let named = store.run(move |db| blobs::sweep(db, now)).await?;
    let (parts, contents) = (files.parts.clone(), files.contents.clone());
    let work = tokio::task::spawn_blocking(move || -> std::io::Result<Swept> {
        let uploads = remove_unnamed(&parts, &named.uploads)?;
        let digests: HashSet<String> = named.digests.iter().map(hex::encode).collect();
        let mut swept = Swept {
            uploads,
            contents: 0,
        };
        for folder in std::fs::read_dir(&contents)? {
            swept.contents += remove_unnamed(&folder?.path(), &digests)?;
        }
        Ok(swept)
    });
    let panicked = |error| FileError::Io(std::io::Error::other(error));
    let swept = work.await.map_err(panicked)?.map_err(FileError::from)?;
    Ok(swept)
}

fn remove_unnamed(folder: &Path, named: &HashSet<String>) -> std::io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_named = entry
            .file_name()
            .to_str()
            .is_some_and(|name| named.contains(name));
        if !is_named {
            std::fs::remove_file(entry.path())?;
            count += 1;
        }
    }
    Ok(count)
}
