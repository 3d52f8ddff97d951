//! Logs: to stderr always, so that stdout stays free for `--ready-json` and results.

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

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

/// How closely calls are logged (PC-68).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogDetail {
    /// As the program was started.
    #[default]
    Normal,
    /// And every signal of a call, its candidates, what becomes of its connections.
    Calls,
    /// And what media do, with what WebRTC itself logs.
    Media,
}

impl LogDetail {
    /// What is added to the filter.
    fn directives(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Calls => {
                ",cubelet::call=debug,cubelet::engine=debug,cubelet::chat=debug,\
                 cubelet::media::peer=debug"
            }
            // Below `info` the library logs passwords of connections, and every packet.
            Self::Media => {
                ",cubelet::call=debug,cubelet::engine=debug,cubelet::chat=debug,\
                 cubelet::media=debug,rtc=info,webrtc=info"
            }
        }
    }
}

/// The library below calls logs by the crate `log` and at length; unseen unless it is asked for.
const QUIET: &str = ",rtc=off,webrtc=off";

/// This process has no log of its own making.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the log of this program is not cubelet's own")]
pub struct NoLog;

struct Filter {
    /// As the program was started.
    normal: String,
    handle: reload::Handle<EnvFilter, Registry>,
}

static FILTER: OnceLock<Filter> = OnceLock::new();

/// From now on.
///
/// # Errors
/// [`NoLog`] where [`init`] has not made the log.
pub fn set_detail(detail: LogDetail) -> Result<(), NoLog> {
    let filter = FILTER.get().ok_or(NoLog)?;
    let directives = filter.normal.clone() + detail.directives();
    let reloaded = filter.handle.reload(EnvFilter::new(directives));
    reloaded.map_err(|_| NoLog)
}

/// Sends logs to stderr. `CUBELET_LOG` overrides `default_filter`, in the form
/// `warn,cubelet=debug` (the syntax of tracing's `EnvFilter`).
///
/// Calling it twice keeps the first set-up.
pub fn init(format: LogFormat, default_filter: &str) {
    let given = std::env::var("CUBELET_LOG")
        .ok()
        .filter(|given| EnvFilter::try_new(given).is_ok());
    let normal = given.unwrap_or_else(|| default_filter.to_owned() + QUIET);
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&normal));
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
        return tracing::debug!("a log subscriber was already installed");
    }
    // The first to come here; nobody else's was installed.
    let _ = FILTER.set(Filter { normal, handle });
}
