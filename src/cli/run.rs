//! `cubelet run`: the device daemon in the foreground, as systemd wants it.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::base::shutdown;
use crate::config::{DeviceConfig, Surroundings};
use crate::control::rule_check;
use crate::engine::command::{Command, Reply, Request};
use crate::engine::daemon::{Daemon, Options};
use crate::engine::state::ChatStatus;

/// Arguments of `cubelet run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The device's configuration; `cubelet config check` explains what is wrong with one.
    #[arg(long, default_value = "/etc/cubelet/kiosk.toml")]
    config: PathBuf,

    /// Print one JSON line on stdout once logged in and online.
    #[arg(long)]
    ready_json: bool,
}

/// Runs until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When the configuration is wrong or the device cannot be started; never because the network,
/// the hub or the broker is away.
pub fn run(arguments: RunArgs) -> anyhow::Result<()> {
    crate::base::allocator::tune_for_small_boards();
    let report = rule_check::check(&arguments.config, &Surroundings::of_process());
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    let config = report.outcome?;
    // Signals, the ready line and systemd are all this runtime serves; the device has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, arguments.ready_json))
}

async fn serve(config: DeviceConfig, ready_json: bool) -> anyhow::Result<()> {
    let signalled = shutdown::on_signals().context("cannot listen for signals")?;
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let name = config.device.name.clone();
    let options = Options {
        keep_frames: false,
        more: crate::control::actors(&config),
    };
    let daemon = Daemon::start(config, options)?;
    // Ready means: it runs and will go on trying. A board may boot long before its network.
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    let mut state = daemon.port.state();
    let online = state.wait_for(|state| state.chat.status == ChatStatus::Online);
    tokio::pin!(online);
    let mut is_told = false;
    loop {
        tokio::select! {
            () = signalled.cancelled() => break,
            Some(()) = hangups.recv() => reload(&daemon).await,
            seen = &mut online, if !is_told => {
                is_told = true;
                if let Ok(state) = seen {
                    if ready_json {
                        let user = state.chat.user;
                        println!("{}", json!({ "device": name, "user": user, "status": "online" }));
                    }
                    tell_systemd(&[sd_notify::NotifyState::Status("online")]);
                }
            }
        }
    }
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    daemon.stop().await;
    Ok(())
}

/// What SIGHUP asks for; the outcome is in the log.
async fn reload(daemon: &Daemon) {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        command: Command::Reload,
        reply,
    };
    if daemon.port.requests.send(request).await.is_err() {
        return;
    }
    match answer.await {
        Ok(Ok(Reply::Json(done))) => tracing::info!(%done, "configuration read again"),
        Ok(Err(error)) => tracing::error!(%error, "configuration not read again"),
        _ => {}
    }
}

fn tell_systemd(news: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is no socket to tell, which is fine.
    if let Err(error) = sd_notify::notify(news) {
        tracing::debug!(%error, "systemd was not told");
    }
}
