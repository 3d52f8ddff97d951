//! Running the device: its log, its configuration.

use clap::Subcommand;
use serde_json::json;

use super::Order;

/// Running the device: its log, its configuration.
#[derive(Debug, Subcommand)]
pub enum OperationVerb {
    /// The last lines of the device's log.
    Logs {
        /// At most so many.
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
    },
    /// Log calls more closely for a while: signals, candidates, connections; `media` what WebRTC
    /// itself says as well.
    LogDetail {
        /// What is logged beside the usual.
        #[arg(value_parser = ["normal", "calls", "media"])]
        detail: String,
        /// For so long, seconds, 10 to 86400.
        #[arg(long = "for", value_name = "SECONDS", default_value_t = 600)]
        seconds: u32,
    },
    /// Have the device read its configuration again: rules change at once, the rest at a restart.
    Reload,
}

impl OperationVerb {
    /// The command and its fields.
    pub fn order(&self) -> Order {
        match self {
            Self::Logs { lines } => ("logs", json!({ "limit": lines })),
            Self::LogDetail { detail, seconds } => {
                ("log_detail", json!({ "detail": detail, "for_s": seconds }))
            }
            Self::Reload => ("reload", json!({})),
        }
    }
}
