//! Recordings.

use clap::Subcommand;
use serde_json::json;

use super::Order;
use super::payload::Payload;

/// Recordings.
#[derive(Debug, Subcommand)]
pub enum RecordingVerb {
    /// Record camera and microphone, end that, or see what was recorded.
    Record {
        #[command(subcommand)]
        what: Recording,
    },
}

/// What is done about recordings.
#[derive(Debug, Subcommand)]
pub enum Recording {
    /// Begin a recording.
    Start {
        /// End it by itself after so long.
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u32>,
        /// What: this device, the other side of the call, or both.
        #[arg(long, value_parser = ["door", "remote", "both"])]
        side: Option<String>,
    },
    /// End the recording under way.
    Stop,
    /// What is kept, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

impl RecordingVerb {
    pub(super) fn order(&self) -> Order {
        let Self::Record { what } = self;
        match what {
            Recording::Start { seconds, side } => {
                let payload = Payload::new()
                    .put("action", Some("start"))
                    .put("seconds", *seconds)
                    .put("side", side.as_ref());
                ("record", payload.done())
            }
            Recording::Stop => ("record", json!({ "action": "stop" })),
            Recording::List { limit } => ("recordings", json!({ "limit": limit })),
        }
    }
}
