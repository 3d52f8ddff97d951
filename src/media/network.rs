//! The threads that carry ICE, DTLS and RTP.
//!
//! They are apart from the caller's runtime because a peer connection lives on whatever runtime it
//! was made on: on an actor's single thread, 200 packets a second and their cryptography would
//! delay every message of that actor, and one slow actor would stop the sound.
//!
//! Each is a runtime of one thread, and a connection has all of its tasks on one: what the tasks of a
//! connection tell each other then wakes no other thread. In a runtime of several threads each
//! picture woke all of them, for one to find the work, another to look for more, and the one that
//! waits for sockets to be told of a new timer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle, Runtime};

use super::MediaError;

/// One carries several calls, at 1 % of a core for a 720p call. Two, so that what keeps one busy (a
/// handshake takes tens of milliseconds on a small board) holds up half of the calls at most.
const THREADS: usize = 2;

fn threads() -> Result<&'static [Runtime; THREADS], MediaError> {
    static RUNTIMES: OnceLock<Result<[Runtime; THREADS], MediaError>> = OnceLock::new();
    let started = RUNTIMES.get_or_init(|| {
        let start = || {
            Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("media-net")
                .enable_all()
                .build()
                .map_err(|error| MediaError::Threads(error.to_string()))
        };
        Ok([start()?, start()?])
    });
    started.as_ref().map_err(Clone::clone)
}

/// Where small tasks of media run.
pub(super) fn handle() -> Result<&'static Handle, MediaError> {
    threads().map(|threads| threads[0].handle())
}

/// Where the tasks of one connection run, all of them; the next one's run on another thread.
pub(super) fn home() -> Result<&'static Handle, MediaError> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    threads().map(|threads| threads[turn % THREADS].handle())
}
