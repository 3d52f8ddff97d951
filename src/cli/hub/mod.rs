//! `cubelet hub`: the site server, and what its operator does beside it.
//!
//! Invariant: what works on the hub's files works beside a running hub as well.
//! Must not enter: what the hub's own library decides.

mod enroll;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::base::{shutdown, systemd};
use crate::config::hub::{HubConfig, Secret};
use crate::hub;

/// Runs the site server: REST, chat, and the web phone.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct HubArgs {
    #[command(subcommand)]
    command: Option<HubCommand>,
    /// The configuration file (see configs/hub.toml).
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "dev",
        conflicts_with = "dev"
    )]
    pub config: Option<PathBuf>,
    /// Without configuration: loopback, free ports, a scratch folder, keys made up.
    #[arg(long)]
    pub dev: bool,
    /// Print one line of JSON with every address on stdout when the hub is ready.
    #[arg(long)]
    pub ready_json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum HubCommand {
    /// Make an account for a device, and print the code by which `cubelet setup` takes it. Works
    /// beside a running hub, and without one.
    Enroll(enroll::EnrollArgs),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration, a port, the database or the certificate is at fault.
pub fn run(args: &HubArgs) -> anyhow::Result<()> {
    if let Some(HubCommand::Enroll(arguments)) = &args.command {
        return enroll::run(arguments);
    }
    let config = match &args.config {
        Some(path) => HubConfig::load(path)
            .with_context(|| format!("the configuration {} cannot be used", path.display()))?,
        None => HubConfig::dev(new_key(), new_key())?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = shutdown::on_signals().context("cannot install signal handlers")?;
        let hub = hub::start(config).await?;
        if args.ready_json {
            let line = serde_json::to_string(hub.ready())?;
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{line}").and_then(|()| stdout.flush())?;
        }
        systemd::ready();
        stop.cancelled().await;
        systemd::stopping();
        hub.stop().await;
        Ok(())
    })
}

fn new_key() -> Secret {
    Secret::new(hub::auth::secret::random_text(32))
}
