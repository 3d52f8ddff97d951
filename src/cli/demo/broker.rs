//! A Mosquitto of the demo's own, on a free loopback port, gone when the demo is.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long the broker may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running broker; dropping it ends the process.
pub struct Broker {
    /// Where it listens.
    pub port: u16,
    _process: Child,
}

impl Broker {
    /// Starts a broker whose files live in `folder`.
    ///
    /// # Errors
    /// When Mosquitto is not installed or does not come up.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        // Taken and given back: Mosquitto cannot be told to pick a port and say which.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
             set_tcp_nodelay true\nlog_dest stderr\nlog_type error\n"
        );
        std::fs::write(&config, text)?;
        let process = Command::new(find()?)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start mosquitto")?;
        tokio::time::timeout(START_LIMIT, listening(port))
            .await
            .context("mosquitto does not listen")?;
        Ok(Self {
            port,
            _process: process,
        })
    }
}

async fn listening(port: u16) {
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        pause.tick().await;
    }
}

fn find() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian puts daemons where users' PATH does not look.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|file| file.is_file())
        .context(
            "mosquitto is not installed: apt-get install mosquitto (or `make demo`, which does)",
        )
}
