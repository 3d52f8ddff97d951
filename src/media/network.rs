//! The runtime that carries ICE, DTLS and RTP.
//!
//! It is apart from the caller's runtime because a peer connection lives on whatever runtime it
//! was made on: on an actor's single thread, 200 packets a second and their cryptography would
//! delay every message of that actor, and one slow actor would stop the sound.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::MediaError;

/// Two carry several calls: transport takes under 3 % of a core per 720p call.
const THREADS: usize = 2;

pub(super) fn handle() -> Result<&'static Handle, MediaError> {
    static RUNTIME: OnceLock<Result<Runtime, MediaError>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("media-net")
                .enable_all()
                .build()
                .map_err(|error| MediaError::Threads(error.to_string()))
        })
        .as_ref()
        .map(Runtime::handle)
        .map_err(Clone::clone)
}

pub(super) fn spawn<F>(future: F) -> Result<JoinHandle<F::Output>, MediaError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Ok(handle()?.spawn(future))
}
