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
    /// Have the device read its configuration again: rules change at once, the rest at a restart.
    Reload,
}

impl OperationVerb {
    /// The command and its fields.
    pub fn order(&self) -> Order {
        match self {
            Self::Logs { lines } => ("logs", json!({ "limit": lines })),
            Self::Reload => ("reload", json!({})),
        }
    }
}
