//! `cubelet config check FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::{Surroundings, check_device};

/// Arguments of `cubelet config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Checks a device's configuration file and the files it names, and lists every mistake as
    /// FILE:LINE:COLUMN: FIELD: RULE. Exit status 0 if there is none, else 1.
    Check {
        /// The file, such as /etc/cubelet/kiosk.toml.
        file: PathBuf,
    },
}

/// Runs `cubelet config`. Mistakes and warnings go to stderr, `OK` to stdout.
pub fn run(args: ConfigArgs) -> ExitCode {
    let ConfigCommand::Check { file } = args.command;
    let report = check_device(&file, &Surroundings::of_process());
    for warning in &report.warnings {
        eprintln!("{warning}");
    }
    match report.outcome {
        Ok(_) => {
            println!("OK");
            ExitCode::SUCCESS
        }
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::FAILURE
        }
    }
}
