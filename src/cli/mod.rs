//! The command line.

#[cfg(feature = "hub")]
pub mod hub;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::telemetry::{self, LogFormat};

#[derive(Debug, Parser)]
#[command(name = "cubelet", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the site server: REST, chat, and the web phone.
    #[cfg(feature = "hub")]
    Hub(hub::HubArgs),
}

/// Entry point.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init(LogFormat::Text, "info");
    let result = match cli.command {
        #[cfg(feature = "hub")]
        Command::Hub(args) => hub::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
