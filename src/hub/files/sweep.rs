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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::users;

    const HOUR: i64 = 3_600;

    struct House {
        folder: tempfile::TempDir,
        files: Files,
        store: Store,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                files: Files::open(&folder.path().join("files"), 0).unwrap(),
                store: Store::open(&folder.path().join("hub.sqlite")).unwrap(),
                folder,
            }
        }

        /// A file with an upload under way, and its number.
        async fn upload(&self, uid: &'static str, body: &[u8]) -> i64 {
            let mut writer = self.files.write_part(uid, None, None).await.unwrap();
            writer.write(body).await.unwrap();
            writer.flush().await.unwrap();
            let created = self.store.run(move |db| {
                let owner = users::create(db, &vec![], None, false, 0)?.unwrap().id;
                let new = blobs::New {
                    uid: uid.into(),
                    owner,
                    name: "n".into(),
                    content_type: "a/b".into(),
                    is_public: false,
                    upload_expires_at: HOUR,
                };
                blobs::create(db, &new, 0)
            });
            created.await.unwrap().id
        }

        async fn complete(&self, id: i64, uid: &str) {
            let placing = self.files.placing().await;
            let (digest, size) = self.files.seal(uid, &placing).await.unwrap();
            let noted = self.store.run(move |db| {
                blobs::set_pending(db, id, digest, size)?;
                blobs::complete(db, id, 1)
            });
            noted.await.unwrap();
        }

        fn on_disk(&self, folder: &str) -> usize {
            fn count(path: &Path) -> usize {
                let entries = std::fs::read_dir(path).unwrap();
                entries
                    .map(|entry| entry.unwrap().path())
                    .map(|path| if path.is_dir() { count(&path) } else { 1 })
                    .sum()
            }
            count(&self.folder.path().join("files").join(folder))
        }

        async fn sweep(&self, now: i64) -> (usize, usize) {
            let swept = sweep(&self.files, &self.store, now).await.unwrap();
            (swept.uploads, swept.contents)
        }
    }

    #[tokio::test]
    async fn an_upload_that_was_never_completed_goes_when_its_time_is_over() {
        let house = House::new();
        house.upload("a", b"half").await;
        assert_eq!(house.sweep(HOUR - 1).await, (0, 0));
        assert_eq!(house.on_disk("uploads"), 1);
        assert_eq!(house.sweep(HOUR).await, (1, 0));
        assert_eq!(house.on_disk("uploads"), 0);
    }

    #[tokio::test]
    async fn a_content_is_kept_once_and_goes_with_the_last_file_that_names_it() {
        let house = House::new();
        let (one, other) = (
            house.upload("a", b"same").await,
            house.upload("b", b"same").await,
        );
        house.complete(one, "a").await;
        house.complete(other, "b").await;
        assert_eq!(house.on_disk("contents"), 1);
        let delete = |id: i64| house.store.run(move |db| blobs::delete(db, id));
        delete(one).await.unwrap();
        assert_eq!(house.sweep(9 * HOUR).await, (0, 0));
        delete(other).await.unwrap();
        assert_eq!(house.sweep(9 * HOUR).await, (0, 1));
        assert_eq!(house.on_disk("contents"), 0);
    }

    #[tokio::test]
    async fn a_content_being_put_in_place_is_waited_for() {
        let house = House::new();
        let id = house.upload("a", b"new").await;
        let placing = house.files.placing().await;
        let (digest, size) = house.files.seal("a", &placing).await.unwrap();
        let sweeping = sweep(&house.files, &house.store, 0);
        tokio::pin!(sweeping);
        assert!(futures::poll!(&mut sweeping).is_pending());
        let noted = house
            .store
            .run(move |db| blobs::set_pending(db, id, digest, size));
        noted.await.unwrap();
        drop(placing);
        assert_eq!(sweeping.await.unwrap().contents, 0);
        assert_eq!(house.on_disk("contents"), 1);
    }
}
