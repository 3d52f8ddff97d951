//! `cubelet config check FILE`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::Surroundings;
#[cfg(not(feature = "media"))]
use crate::config::check_device as check_all;
#[cfg(feature = "media")]
use crate::control::rule_check::check as check_all;

/// Arguments of `cubelet config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Checks a device's or a hub's configuration file and the files it names, and lists every
    /// mistake as
    /// FILE:LINE:COLUMN: FIELD: RULE. Exit status 0 if there is none, else 1.
    Check {
        /// The file, such as /etc/cubelet/kiosk.toml.
        file: PathBuf,
    },
}

/// Runs `cubelet config`. Mistakes and warnings go to stderr, `OK` to stdout.
pub fn run(args: ConfigArgs) -> ExitCode {
    let ConfigCommand::Check { file } = args.command;
    match check(&file) {
        Ok(()) => {
            println!("OK");
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::FAILURE
        }
    }
}

/// The mistakes of a file, ready to be printed. Warnings are printed here.
fn check(file: &Path) -> Result<(), String> {
    #[cfg(feature = "hub")]
    if is_for_a_hub(file) {
        let config = crate::config::hub::HubConfig::load(file);
        return config.map(drop).map_err(|errors| errors.to_string());
    }
    let report = check_all(file, &Surroundings::of_process());
    for warning in &report.warnings {
        eprintln!("{warning}");
    }
    report
        .outcome
        .map(drop)
        .map_err(|errors| errors.to_string())
}

/// A hub's file has its data folder at the top level, where a device's has only sections.
#[cfg(feature = "hub")]
fn is_for_a_hub(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .take_while(|line| !line.trim_start().starts_with('['))
        .any(|line| line.trim_start().starts_with("data_dir"))
}
