//! `cubelet run`: the device daemon in the foreground, as systemd wants it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::base::{shutdown, systemd};
use crate::config::{DeviceConfig, Surroundings};
use crate::control::rule_check;
use crate::engine::command::{Command, Reply, Request};
use crate::engine::daemon::{Daemon, MoreActors, Options};
use crate::engine::state::ChatStatus;
use crate::engine::supervisor::LONGEST_PULSE;

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
    let (more, console) = more_actors(&config);
    let options = Options {
        keep_frames: false,
        more,
    };
    let daemon = Daemon::start(config, options)?;
    // Ready means: it runs and will go on trying. A board may boot long before its network.
    systemd::ready();
    let watchdog = feed_watchdog(daemon.port.pulse());
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
                        let console = *console.borrow();
                        println!(
                            "{}",
                            json!({ "device": name, "user": user, "status": "online", "console": console })
                        );
                    }
                    systemd::status("online");
                }
            }
        }
    }
    systemd::stopping();
    daemon.stop().await;
    if let Some(watchdog) = watchdog {
        watchdog.abort();
    }
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

/// What the layers above the engine add to it, and where the console listens once it does.
fn more_actors(config: &DeviceConfig) -> (MoreActors, watch::Receiver<Option<SocketAddr>>) {
    let control = crate::control::actors(config);
    #[cfg(feature = "console")]
    let (console, bound) = crate::console::actors(config);
    #[cfg(not(feature = "console"))]
    let (console, bound): (MoreActors, _) = {
        if config.console.is_some() {
            tracing::warn!("[console] has no effect: this program is built without it");
        }
        (Box::new(|_| Vec::new()), watch::channel(None).1)
    };
    let (rtsp, _) = crate::rtsp::actors(config);
    let more: MoreActors = Box::new(move |port| {
        let mut actors = control(port);
        actors.extend(console(port));
        actors.extend(rtsp(port));
        actors
    });
    (more, bound)
}

/// A daemon whose actors' thread hangs is ended and begun again by systemd: nothing in it could
/// bring that thread back.
/// Without `WatchdogSec=` nobody is told: a socket that nobody reads from fills, and then blocks.
fn feed_watchdog(mut pulse: watch::Receiver<u64>) -> Option<JoinHandle<()>> {
    let period = systemd::watchdog_period()?;
    if period <= LONGEST_PULSE {
        tracing::warn!(
            ?period,
            least = ?LONGEST_PULSE,
            "WatchdogSec is shorter than the daemon may take to notice a stuck part: it can be ended without need"
        );
    }
    Some(tokio::spawn(async move {
        while pulse.changed().await.is_ok() {
            systemd::alive();
        }
    }))
}
