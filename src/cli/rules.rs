//! `cubelet rules test`: what the rules would do, without doing it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::rule::book::Occasion;
use crate::call::rule::path::Facts;
use crate::call::rule::{Cause, includes};
use crate::config::Surroundings;
use crate::config::device::EVENTS;
use crate::control::rule_check;
use crate::engine::state::DeviceState;

/// Arguments of `cubelet rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Says which rules would fire, why the others would not, and which commands would be given.
    /// Nothing is done.
    Test {
        /// The device's configuration.
        #[arg(long, default_value = "/etc/cubelet/kiosk.toml")]
        config: PathBuf,
        /// When: `2026-12-24T23:00:00+01:00` or `2026-12-24T22:00:00Z`. Now if not given.
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// Fields of the state that are not as on an idle device, as JSON:
        /// `{"call":{"status":"connected"}}`.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        state: String,
        /// An event such as `button/pressed`, or somebody else's topic.
        event: String,
        /// Its fields as JSON; any text for a topic.
        #[arg(default_value = "{}")]
        fields: String,
    },
}

/// Runs `cubelet rules`. What would happen goes to stdout, mistakes of the file to stderr.
pub fn run(arguments: RulesArgs) -> ExitCode {
    match test(arguments.command) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(command: RulesCommand) -> anyhow::Result<Vec<String>> {
    let RulesCommand::Test {
        config,
        at,
        state,
        event,
        fields,
    } = command;
    let config = rule_check::check(&config, &Surroundings::of_process()).outcome?;
    if config.rules.is_empty() {
        bail!("the file has no [[rule]]");
    }
    let is_event = EVENTS.contains(&event.as_str());
    if !is_event && EVENTS.iter().any(|one| includes(&event, one)) {
        bail!("{event} is a kind of events; name one of them, such as {event}/…");
    }
    let topic = (!is_event).then_some(event.as_str());
    let fields = rule_check::fields_of(topic, &fields).map_err(anyhow::Error::msg)?;
    let mut full = serde_json::to_value(DeviceState::default())?;
    let different: Value = serde_json::from_str(&state).context("--state is no JSON")?;
    merge(&mut full, &different);
    let at = at.unwrap_or_else(Timestamp::now);
    let occasion = Occasion {
        cause: topic.map_or(Cause::Event(&event), Cause::Topic),
        facts: Facts {
            event: &fields,
            state: &full,
        },
        unix_ms: u64::try_from(at.as_millisecond()).unwrap_or_default(),
    };
    Ok(rule_check::explain(&config, occasion))
}

fn merge(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key.clone()).or_insert(json!(null)), value);
            }
        }
        (base, more) => *base = more.clone(),
    }
}
