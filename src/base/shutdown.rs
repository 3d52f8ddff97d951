//! SIGTERM and SIGINT as something a task can wait for; a second signal ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels the returned token on the first SIGTERM or SIGINT. On the second one the process ends
/// with 128 + the signal's number: the operator has decided not to wait for the drain.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut wait = async || {
            tokio::select! {
                _ = terminate.recv() => 15,
                _ = interrupt.recv() => 2,
            }
        };
        let first = wait().await;
        tracing::info!(
            signal = first,
            "shutting down; a second signal ends at once"
        );
        cancelled.cancel();
        let second = wait().await;
        tracing::warn!(signal = second, "second signal: ending without the drain");
        // Skipping the drain is the very meaning of a second signal.
        #[allow(clippy::disallowed_methods)]
        std::process::exit(128 + second);
    });
    Ok(token)
}
