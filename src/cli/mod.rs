//! The command line: one file per subcommand, each a thin shell over the library.
//!
//! Invariant: stdout carries results only (ready lines, reports); everything else goes to stderr.
//! Must not enter: logic worth testing without a process.

pub mod config;
#[cfg(feature = "media")]
mod ctl;
#[cfg(all(feature = "media", feature = "hub"))]
mod demo;
#[cfg(feature = "media")]
mod devices;
#[cfg(feature = "media")]
mod doctor;
#[cfg(feature = "hub")]
mod hub;
mod manual;
mod output;
#[cfg(feature = "media")]
mod password;
#[cfg(feature = "media")]
mod rules;
#[cfg(feature = "media")]
mod run;
mod schema;
#[cfg(feature = "media")]
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::telemetry::{self, LogFormat};
use crate::config::ConfigErrors;

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
    /// Show cameras, sound cards and codecs, and which will be used and why.
    #[cfg(feature = "media")]
    Devices(devices::DevicesArgs),
    /// Set a device up: ask, try, and write its configuration.
    #[cfg(feature = "media")]
    Setup(Box<setup::SetupArgs>),
    /// Check everything a device needs, and say what to do about what is wrong.
    #[cfg(feature = "media")]
    Doctor(doctor::DoctorArgs),
    /// Give the device's user another password, at the hub and in its file (US-19).
    #[cfg(feature = "media")]
    Password(password::PasswordArgs),
    /// Print the contracts: AsyncAPI of MQTT, JSON Schema of configuration files.
    Schema(schema::SchemaArgs),
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
        Command::Ctl(_)
        | Command::Devices(_)
        | Command::Doctor(_)
        | Command::Password(_)
        | Command::Setup(_) => "off",
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
        Command::Devices(arguments) => devices::run(&arguments),
        #[cfg(feature = "media")]
        Command::Password(arguments) => password::run(&arguments),
        #[cfg(feature = "media")]
        Command::Setup(arguments) => return setup::run(&arguments),
        #[cfg(feature = "media")]
        Command::Doctor(arguments) => return doctor::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        #[cfg(feature = "media")]
        Command::Rules(arguments) => return rules::run(arguments),
        Command::Config(arguments) => return config::run(arguments),
        Command::Completions(arguments) => manual::completions::<Arguments>(&arguments),
        Command::Man(arguments) => manual::man::<Arguments>(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cubelet: {}", said(&error));
            exit_code(&error)
        }
    }
}

/// `EX_CONFIG` of `sysexits.h`, which the units do not answer with another try.
const WRONG_CONFIGURATION: u8 = 78;

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let mut causes = error.chain();
    if causes.any(is_of_configuration) {
        ExitCode::from(WRONG_CONFIGURATION)
    } else {
        ExitCode::FAILURE
    }
}

fn is_of_configuration(cause: &(dyn std::error::Error + 'static)) -> bool {
    #[cfg(feature = "hub")]
    if cause.is::<crate::config::hub::HubConfigError>() {
        return true;
    }
    cause.is::<ConfigErrors>()
}

/// An error with its causes, each said once: some say in their own words what the next repeats.
fn said(error: &anyhow::Error) -> String {
    let (mut seen, mut told) = (Vec::<String>::new(), Vec::<String>::new());
    for cause in error.chain().map(ToString::to_string) {
        let is_news = !seen
            .iter()
            .any(|one| one.contains(&cause) || cause.ends_with(one.as_str()));
        if is_news {
            told.push(cause.clone());
        }
        seen.push(cause);
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_cause_that_was_said_already_is_not_repeated() {
        let error = anyhow::anyhow!("Error code 13: the disk is full")
            .context("the disk is full")
            .context("database: the disk is full; make room");
        assert_eq!(said(&error), "database: the disk is full; make room");
        let error = anyhow::anyhow!("refused").context("cannot connect");
        assert_eq!(said(&error), "cannot connect: refused");
    }
}
