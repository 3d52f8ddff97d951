//! The command line: one file per subcommand, each a thin shell over the library.
//!
//! Invariant: stdout carries results only (ready lines, reports); everything else goes to stderr.
//! Must not enter: logic worth testing without a process.

pub mod config;
#[cfg(feature = "media")]
mod ctl;
#[cfg(all(feature = "media", feature = "hub"))]
mod demo;
#[cfg(feature = "hub")]
mod hub;
mod manual;
#[cfg(feature = "media")]
mod rules;
#[cfg(feature = "media")]
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::telemetry::{self, LogFormat};

/// Turns a Linux board into a video door station, a kiosk or a telemedicine cart.
#[derive(Debug, Parser)]
#[command(name = "cubelet", version, about, max_term_width = 100)]
struct Arguments {
    /// Log lines as JSON objects, for collectors.
    #[arg(long, global = true)]
    log_json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the device daemon.
    #[cfg(feature = "media")]
    Run(run::RunArgs),
    /// Run the site server: REST, chat and the web phone, without the cloud.
    #[cfg(feature = "hub")]
    Hub(hub::HubArgs),
    /// Ring a doorbell end to end on this machine and show what happens.
    #[cfg(all(feature = "media", feature = "hub"))]
    Demo(demo::DemoArgs),
    /// Command and watch a device over MQTT.
    #[cfg(feature = "media")]
    Ctl(Box<ctl::CtlArgs>),
    /// Try the rules of a device's configuration.
    #[cfg(feature = "media")]
    Rules(rules::RulesArgs),
    /// Work with configuration files.
    Config(config::ConfigArgs),
    /// Print what makes a shell complete this program's arguments.
    Completions(manual::CompletionsArgs),
    /// Print this program's manual page.
    Man(manual::ManArgs),
}

/// Parses the command line and runs it. Logs go to stderr; `CUBELET_LOG` sets what is logged,
/// for example `warn,cubelet=debug`.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = if arguments.log_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let default_filter = match &arguments.command {
        #[cfg(all(feature = "media", feature = "hub"))]
        Command::Demo(_) => "error",
        // Its user reads answers, not logs.
        #[cfg(feature = "media")]
        Command::Ctl(_) => "error",
        _ => "info",
    };
    telemetry::init(format, default_filter);
    crate::base::tls::install_provider();
    let result = match arguments.command {
        #[cfg(feature = "media")]
        Command::Run(arguments) => run::run(arguments),
        #[cfg(feature = "hub")]
        Command::Hub(arguments) => hub::run(&arguments),
        #[cfg(all(feature = "media", feature = "hub"))]
        Command::Demo(arguments) => demo::run(&arguments),
        #[cfg(feature = "media")]
        Command::Ctl(arguments) => return ctl::run(*arguments),
        #[cfg(feature = "media")]
        Command::Rules(arguments) => return rules::run(arguments),
        Command::Config(arguments) => return config::run(arguments),
        Command::Completions(arguments) => manual::completions::<Arguments>(&arguments),
        Command::Man(arguments) => manual::man::<Arguments>(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cubelet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
