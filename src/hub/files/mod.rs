//! Files on disk: contents by their SHA-256, uploads under way, the links that are signed.
//!
//! Invariant: what lies under a digest has that digest, is whole, and never changes; a row of
//! the store names a content only after it lies there.
//! Must not enter: HTTP, SQL, names and types that clients give (those are in the store).

mod contents;
mod link;
mod parts;
mod sweep;
mod turn;

use std::path::{Path, PathBuf};

use tokio::sync::{RwLock, RwLockReadGuard};

pub use contents::Digest;
pub use link::{Links, Purpose};
pub use parts::PartWriter;
pub use sweep::sweep;
use turn::Turns;

/// Why a file cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk is full, or would be but for its reserve.
    #[error("no space is left for files")]
    Full,
    /// Another offset than the upload has reached.
    #[error("the upload has {0} bytes")]
    Offset(u64),
    /// A later connection carries the same upload on.
    #[error("another connection has taken the upload over")]
    Superseded,
    /// Anything else the system says.
    #[error("file store: {0}")]
    Io(std::io::Error),
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// The file store's folder.
pub struct Files {
    /// Signs and checks links.
    pub links: Links,
    contents: PathBuf,
    parts: PathBuf,
    turns: Turns,
    /// Free bytes that uploads leave to the database.
    reserve: u64,
    /// A content that was just put in place is named by no row yet: the sweep waits for it.
    placing: RwLock<()>,
}

/// While it lives, the sweep removes nothing.
pub struct Placing<'a> {
    _held: RwLockReadGuard<'a, ()>,
}

impl Files {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: &Path, reserve: u64) -> std::io::Result<Self> {
        let contents = folder.join("contents");
        let parts = folder.join("uploads");
        for folder in [&contents, &parts] {
            make_private_folder(folder)?;
        }
        Ok(Self {
            links: Links::open(&folder.join("link.key"))?,
            contents,
            parts,
            turns: Turns::default(),
            reserve,
            placing: RwLock::new(()),
        })
    }

    /// Taken before a content is put in place, and kept until a row names it.
    pub async fn placing(&self) -> Placing<'_> {
        Placing {
            _held: self.placing.read().await,
        }
    }
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
