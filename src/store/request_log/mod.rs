//! Requests over MQTT by their id, so that none is carried out twice, also not after the end of the
//! process: a file to which lines are appended.
//!
//! Invariant: when what [`RequestLog::begin`] returns has ended well, the request is with the kernel,
//! and survives whatever happens to this process. Why it is no table of the database: docs/design/control.md.
//! Must not enter: fsync; waiting for anything but this file.

mod replay;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::base::moment::Moment;

/// Beyond this many bytes, and twice of what was left the last time, the log is written anew with
/// only what is still wanted.
const COMPACT_AT: u64 = 256 << 10;
/// Lines waiting for the disk; beyond it answers are not written down. Beginnings are: they are
/// bounded by the commands that run.
const WAITING_MAX: usize = 4 << 20;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// What is asked: a verb, or `<part>/set`.
    pub name: String,
    /// Its id as JSON.
    pub request: String,
    /// Of its fields.
    pub fingerprint: Vec<u8>,
    /// The answer as JSON; none while it is being carried out.
    pub reply: Option<String>,
    /// When that was written; the log sets it.
    pub at: Moment,
}

/// A beginning on its way to the file.
///
/// # Errors
/// It ends in one when the file cannot be written; the log has said so then.
#[derive(Debug)]
#[must_use = "nothing says that it is written before this has ended"]
pub struct Written(oneshot::Receiver<io::Result<()>>);

impl Future for Written {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = |_| Err(io::Error::other("the writer ended"));
        Pin::new(&mut self.0)
            .poll(context)
            .map(|told| told.unwrap_or_else(gone))
    }
}

/// A handle on the log, cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// None: nothing outlives the process.
    file: Option<PathBuf>,
    keep: usize,
    queue: Mutex<Queue>,
    /// Taken before the queue, and held while the file is touched.
    open: Mutex<Option<Open>>,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<ControlRequest>,
    bytes: usize,
    waiters: Vec<oneshot::Sender<io::Result<()>>>,
    is_writing: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
    /// The length after which it is written anew.
    compact_at: u64,
}

impl RequestLog {
    /// In this file, which need not exist; none for a log in memory. Of all requests the newest
    /// `keep` are wanted.
    pub fn new(file: Option<PathBuf>, keep: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                file,
                keep,
                queue: Mutex::default(),
                open: Mutex::default(),
            }),
        }
    }

    /// Writes down that a request is about to be carried out. It is on its way when this returns,
    /// and written when what it returns has ended. What waits at the same time shares one write.
    pub fn begin(&self, request: ControlRequest) -> Written {
        let (done, written) = oneshot::channel();
        self.push(request, Some(done));
        Written(written)
    }

    /// Writes down how a request was answered, without waiting for it. False if too much waits
    /// already.
    pub fn answered(&self, request: ControlRequest) -> bool {
        self.push(request, None)
    }

    fn push(
        &self,
        request: ControlRequest,
        waiter: Option<oneshot::Sender<io::Result<()>>>,
    ) -> bool {
        let mut queue = self.shared.queue.lock();
        if waiter.is_none() && queue.bytes > WAITING_MAX {
            return false;
        }
        queue.bytes += request.name.len()
            + request.request.len()
            + request.reply.as_ref().map_or(0, String::len);
        queue.requests.push(request);
        queue.waiters.extend(waiter);
        if !std::mem::replace(&mut queue.is_writing, true) {
            let shared = self.shared.clone();
            // The kernel may hold a writer back while it drives other files to the disk.
            tokio::task::spawn_blocking(move || shared.write_all());
        }
        true
    }

    /// All that are kept, oldest first, also after what is being written now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn kept(&self) -> io::Result<Vec<ControlRequest>> {
        let shared = self.shared.clone();
        let read = tokio::task::spawn_blocking(move || {
            let open = shared.open.lock();
            let read = shared.read();
            drop(open);
            read
        });
        read.await.map_err(io::Error::other)?
    }
}

impl Shared {
    /// Until nothing waits.
    fn write_all(&self) {
        loop {
            let mut open = self.open.lock();
            let (requests, waiters) = {
                let mut queue = self.queue.lock();
                if queue.requests.is_empty() {
                    queue.is_writing = false;
                    return;
                }
                queue.bytes = 0;
                (
                    std::mem::take(&mut queue.requests),
                    std::mem::take(&mut queue.waiters),
                )
            };
            let written = self.write(&mut open, requests);
            if let Err(error) = &written {
                tracing::warn!(%error, file = ?self.file, "requests are not remembered over a restart");
            }
            for waiter in waiters {
                let told = match &written {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                // Whoever waited may have given up.
                let _ = waiter.send(told);
            }
        }
    }

    fn write(&self, open: &mut Option<Open>, requests: Vec<ControlRequest>) -> io::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let now = Moment::now();
        let mut lines = Vec::new();
        for mut request in requests {
            request.at.clone_from(&now);
            replay::write(&mut lines, &request);
        }
        let log = match open {
            Some(log) => log,
            None => open.insert(self.compact()?),
        };
        if let Err(error) = log.file.write_all(&lines) {
            // What follows must begin on a line of its own.
            if log.file.set_len(log.len).is_err() {
                *open = None;
            }
            return Err(error);
        }
        log.len += lines.len() as u64;
        if log.len > log.compact_at {
            // The lines are safe in the old file; should this fail, it goes on growing for now.
            match self.compact() {
                Ok(compacted) => *log = compacted,
                Err(error) => {
                    log.compact_at = 2 * log.len;
                    tracing::warn!(%error, file = %path.display(), "the log of requests grows");
                }
            }
        }
        Ok(())
    }

    fn read(&self) -> io::Result<Vec<ControlRequest>> {
        let Some(path) = &self.file else {
            return Ok(Vec::new());
        };
        let mut log = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut log)?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let (requests, unreadable) = replay::read(&log, self.keep);
        if unreadable > 0 {
            tracing::warn!(unreadable, file = %path.display(), "lines of the log of requests are broken");
        }
        Ok(requests)
    }

    /// Puts a log of only what is wanted in the place of the present one.
    fn compact(&self) -> io::Result<Open> {
        let path = self.file.as_ref().ok_or(ErrorKind::NotFound)?;
        let mut lines = Vec::new();
        for request in self.read()? {
            replay::write(&mut lines, &request);
        }
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&lines)?;
        std::fs::rename(&fresh, path)?;
        let len = lines.len() as u64;
        Ok(Open {
            file,
            len,
            compact_at: COMPACT_AT.max(2 * len),
        })
    }
}

#[cfg(test)]
mod tests;
