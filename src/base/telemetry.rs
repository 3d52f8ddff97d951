//! Logs: to stderr always, so that stdout stays free for `--ready-json` and results.

use std::collections::VecDeque;
use std::io;

use parking_lot::Mutex;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people at a terminal.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The lines of the log kept in memory.
pub const KEPT_LINES: usize = 500;
/// The longest line kept, in characters.
const KEPT_LENGTH: usize = 400;

static KEPT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// The last lines of the log, oldest first, as text whatever the format: at most `limit`, and at
/// most [`KEPT_LINES`].
pub fn recent(limit: usize) -> Vec<String> {
    let kept = KEPT.lock();
    let skipped = kept.len().saturating_sub(limit);
    kept.iter().skip(skipped).cloned().collect()
}

/// Keeps what is written as the newest line. The formatter writes a line at once.
struct Keeper;

impl io::Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line: String = text.trim_end().chars().take(KEPT_LENGTH).collect();
        let mut kept = KEPT.lock();
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends logs to stderr. `CUBELET_LOG` overrides `default_filter`, in the form
/// `warn,cubelet=debug` (the syntax of tracing's `EnvFilter`).
///
/// Calling it twice keeps the first set-up.
pub fn init(format: LogFormat, default_filter: &str) {
    let filter =
        EnvFilter::try_from_env("CUBELET_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_ansi(false).with_writer(|| Keeper));
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let result = match format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(io::stderr).with_ansi(is_terminal))
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(io::stderr))
            .try_init(),
    };
    if result.is_err() {
        tracing::debug!("a log subscriber was already installed");
    }
}
