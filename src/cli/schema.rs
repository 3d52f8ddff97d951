//! `cubelet schema`: the contracts in machine-readable form, on stdout.
use clap::{Args, Subcommand};

use crate::config::json_schema;

/// Arguments of `cubelet schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What travels over MQTT: AsyncAPI 3.
    #[cfg(feature = "media")]
    Mqtt,
    /// A configuration file: JSON Schema.
    Config {
        /// Of a hub instead of a device.
        #[cfg(feature = "hub")]
        #[arg(long)]
        hub: bool,
    },
}

/// Prints one.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &SchemaArgs) -> anyhow::Result<()> {
    let schema = match arguments.what {
        #[cfg(feature = "media")]
        What::Mqtt => crate::control::asyncapi::document(),
        #[cfg(feature = "hub")]
        What::Config { hub: true } => json_schema::hub(),
        What::Config { .. } => json_schema::device(),
    };
    Ok(super::output::print(format!("{schema:#}\n"))?)
}
