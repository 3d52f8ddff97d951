//! `cubelet doctor`: every check with its outcome and, where something is wrong, its remedy.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, DeviceConfig, Surroundings, check_device};
use crate::control::remote::Remote;
use crate::engine::doctor::{Check, Status, examine};

/// Arguments of `cubelet doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The device's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/cubelet/kiosk.toml")]
    config: PathBuf,

    /// One JSON object: `ok` and `checks`, each with `name`, `status`, `detail` and `remedy`.
    #[arg(long)]
    json: bool,
}

/// Looks, prints; exit status 0 if nothing failed, else 1.
pub fn run(arguments: &DoctorArgs) -> ExitCode {
    let checks = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(look(&arguments.config)),
        Err(error) => vec![Check::failed(
            "threads",
            error.to_string(),
            "free some memory",
        )],
    };
    let ok = checks.iter().all(|check| check.status != Status::Failed);
    let text = if arguments.json {
        format!("{}\n", json!({ "ok": ok, "checks": checks }))
    } else {
        page(&checks, std::io::stdout().is_terminal())
    };
    let printed = super::output::print(&text).is_ok();
    if ok && printed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn look(file: &Path) -> Vec<Check> {
    let report = check_device(file, &Surroundings::of_process());
    let mut checks: Vec<Check> = report
        .warnings
        .iter()
        .map(|warning| {
            let remedy = match warning.path.as_str() {
                "version" => "`cubelet setup --migrate`",
                _ => "fine for a try, not for a site",
            };
            Check::warning("configuration", warning.to_string(), remedy)
        })
        .collect();
    match report.outcome {
        Err(_) if !file.exists() => {
            checks.push(Check::failed(
                "configuration",
                format!("there is no {}", file.display()),
                "`cubelet setup` writes one; or name yours with --config",
            ));
            checks.push(Check::skipped("everything else", "needs the configuration"));
        }
        Err(errors) => {
            checks.extend(errors.problems().iter().map(|problem| {
                Check::failed(
                    "configuration",
                    problem.to_string(),
                    "correct it; docs/reference/config.md lists every key",
                )
            }));
            checks.push(Check::skipped("everything else", "needs the configuration"));
        }
        Ok(config) => {
            checks.push(Check::passed("configuration", file.display().to_string()));
            checks.extend(examine(&config).await);
            checks.push(broker(&config).await);
        }
    }
    checks
}

async fn broker(config: &DeviceConfig) -> Check {
    const NAME: &str = "MQTT broker";
    let Some(mqtt) = &config.mqtt else {
        return Check::skipped(NAME, "no [mqtt] section: no local control");
    };
    let config::Mqtt { host, port, .. } = mqtt;
    match Remote::connect(mqtt, &[]).await {
        Ok(_) => Check::passed(NAME, format!("{host}:{port} lets us in")),
        Err(error) => Check::failed(
            NAME,
            error.to_string(),
            "is Mosquitto running there, are [mqtt] host, port, username and password its own? its \
             log names who it refused",
        ),
    }
}

fn page(checks: &[Check], colour: bool) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let mut page = String::new();
    for check in checks {
        let (word, code) = match check.status {
            Status::Passed => ("ok", "32"),
            Status::Warning => ("warn", "33"),
            Status::Failed => ("FAIL", "31"),
            Status::Skipped => ("skip", "2"),
        };
        let word = if colour {
            format!("\x1b[{code}m{word:<4}\x1b[0m")
        } else {
            format!("{word:<4}")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{word}  {:<width$}  {}", check.name, check.detail);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(page, "      {:<width$}  → {remedy}", "");
        }
    }
    let failed = checks
        .iter()
        .filter(|check| check.status == Status::Failed)
        .count();
    let _ = match failed {
        0 => writeln!(page, "\nnothing is in the way"),
        1 => writeln!(page, "\n1 thing is in the way"),
        several => writeln!(page, "\n{several} things are in the way"),
    };
    page
}
