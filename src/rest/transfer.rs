//! What uploads and downloads share: where bytes come from, progress, faults, the watch over a
//! line that has gone quiet.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use url::Url;

use super::error::{NetworkFault, RestError};
use crate::base::loopback::is_loopback;

/// A transfer over which nothing has moved for so long is given up and tried again. Bad Wi-Fi
/// pauses for some seconds; a dead line never comes back.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(20);
/// Bytes read from a file at a time.
pub(super) const CHUNK: usize = 64 * 1024;
/// Tries in a row without a single byte getting further before a transfer is given up.
pub(super) const FRUITLESS_TRIES: u32 = 6;

/// Told the bytes carried so far and those in all. After a cut the first number may go back.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A progress that nobody watches.
pub fn unwatched() -> Progress {
    Arc::new(|_, _| ())
}

/// What to upload.
#[derive(Clone, Debug)]
pub enum UploadSource {
    /// A file, read as it is sent.
    File(PathBuf),
    /// Bytes already in memory.
    Bytes(Bytes),
}

impl UploadSource {
    /// Bytes in all.
    ///
    /// # Errors
    /// [`TransferError::File`].
    pub async fn size(&self) -> Result<u64, TransferError> {
        match self {
            Self::File(path) => {
                let found = tokio::fs::metadata(path).await;
                Ok(found.map_err(TransferError::file)?.len())
            }
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// An upload or a download failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransferError {
    /// The server, or the way to it. [`RestError::is_transient`] tells whether another try may do.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The file on this machine.
    #[error("file: {0}")]
    File(String),
    /// The file has another size than when the upload was begun.
    #[error("the file has {found} bytes, not the {expected} of when its upload began")]
    Changed {
        /// Bytes then.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// The file is larger than the caller takes.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// The place to upload to is known no more, or its hour is over: begin again with a new
    /// ticket.
    #[error("the upload's ticket has expired")]
    Expired,
}

impl TransferError {
    pub(super) fn file(error: impl ToString) -> Self {
        Self::File(error.to_string())
    }

    /// Whether the same transfer may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Rest(error) if error.is_transient())
    }
}

/// Notes movement on a line.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<Notify>);

impl Activity {
    pub(super) fn moved(&self) {
        self.0.notify_one();
    }

    /// Runs `work` for as long as something moves.
    pub(super) async fn watch<T>(
        &self,
        work: impl Future<Output = Result<T, RestError>>,
    ) -> Result<T, RestError> {
        tokio::pin!(work);
        loop {
            let quiet = tokio::time::timeout(STALL_LIMIT, self.0.notified());
            tokio::select! {
                outcome = &mut work => return outcome,
                moved = quiet => if moved.is_err() {
                    return Err(RestError::Network {
                        kind: NetworkFault::Timeout,
                        reason: format!("nothing has moved for {} s", STALL_LIMIT.as_secs()),
                    });
                },
            }
        }
    }
}

/// An address a server named, if it may be used: no file goes out in clear text beyond this
/// machine.
pub(super) fn safe_url(text: &str, base: &Url, operation: &str) -> Result<Url, RestError> {
    let refused = |reason: &str| RestError::BadAnswer {
        operation: operation.to_owned(),
        reason: reason.to_owned(),
    };
    let url = base
        .join(text)
        .map_err(|_| refused("it names an address that cannot be read"))?;
    let is_local = url.host_str().is_some_and(is_loopback);
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        _ => Err(refused("it names an address in clear text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_in_clear_text_beyond_this_machine_is_used() {
        let base = Url::parse("https://hub.example/api").unwrap();
        for good in [
            "https://store.example/x",
            "/uploads?a=b",
            "http://127.0.0.1:5/x",
        ] {
            safe_url(good, &base, "GET /x").unwrap();
        }
        for bad in ["http://store.example/x", "file:///etc/passwd", "https://"] {
            safe_url(bad, &base, "GET /x").unwrap_err();
        }
    }
}
