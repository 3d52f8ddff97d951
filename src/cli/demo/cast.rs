//! Who plays in the demo: a hub, three accounts, a door station and an indoor station.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::config::hub::{HubConfig, Secret};
use crate::engine::daemon::{Daemon, Options};
use crate::engine::state::ChatStatus;
use crate::hub::{Ready, RunningHub};

/// How long a station may take to be online.
const ONLINE_LIMIT: Duration = Duration::from_secs(20);

/// A station of the demo.
pub struct Station {
    /// Its name in topics.
    pub name: &'static str,
    /// The running device.
    pub daemon: Daemon,
}

/// A person's account.
pub struct Account {
    /// Login name.
    pub login: &'static str,
    /// Password, made for this demo.
    pub password: String,
}

/// Starts a hub on free loopback ports, with keys and files of its own.
///
/// # Errors
/// When it cannot start.
pub async fn start_hub() -> anyhow::Result<RunningHub> {
    let key = || Secret::new(uuid::Uuid::new_v4().simple().to_string());
    let config = HubConfig::dev(key(), key())?;
    crate::hub::start(config)
        .await
        .context("cannot start the hub")
}

/// Signs a user up at the hub.
///
/// # Errors
/// When the hub refuses.
pub async fn sign_up(hub: &Ready, login: &'static str, full_name: &str) -> anyhow::Result<Account> {
    let password = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let answer = reqwest::Client::new()
        .post(format!("{}/users", hub.api))
        .header("CB-AuthKey", &hub.auth_key)
        .json(&json!({ "user": { "login": login, "password": password, "full_name": full_name } }))
        .send()
        .await?;
    ensure!(
        answer.status().is_success(),
        "sign-up of {login}: {}",
        answer.text().await?
    );
    Ok(Account { login, password })
}

/// What differs between the stations.
pub struct Part {
    /// Name and login.
    pub account: Account,
    /// Whom its bell rings.
    pub ring: &'static [&'static str],
    /// The relay, and who may pull it.
    pub door: &'static str,
    /// The test picture.
    pub pattern: &'static str,
}

/// Writes a station's configuration as a user would, loads it, and starts the station.
///
/// # Errors
/// When the configuration is refused or the station does not start.
pub fn start_station(
    folder: &Path,
    hub: &Ready,
    broker_port: u16,
    part: &Part,
) -> anyhow::Result<Station> {
    let name = part.account.login;
    let file = write_config(folder, hub, broker_port, part)?;
    let config = crate::config::load_device(&file)?;
    let options = Options {
        keep_frames: true,
        more: crate::control::actors(&config),
    };
    let daemon = Daemon::start(config, options).with_context(|| format!("cannot start {name}"))?;
    Ok(Station { name, daemon })
}

fn write_config(
    folder: &Path,
    hub: &Ready,
    broker_port: u16,
    part: &Part,
) -> anyhow::Result<PathBuf> {
    let name = part.account.login;
    let home = folder.join(name);
    std::fs::create_dir_all(&home)?;
    let secret = |file: &str, text: &str| -> anyhow::Result<PathBuf> {
        let path = home.join(file);
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?
            .write_all(text.as_bytes())?;
        Ok(path)
    };
    let password_file = secret("password", &part.account.password)?;
    let auth_key_file = secret("auth-key", &hub.auth_key)?;
    let config = format!(
        r#"# Written by `cubelet demo`.
[device]
name = "{name}"
state_dir = {state_dir:?}

[hub]
api = "{api}"
chat = "tls://{chat}"
chat_host = "{chat_host}"
ca = {ca:?}
app_id = {app_id}
auth_key_file = {auth_key_file:?}
login = "{name}"
password_file = {password_file:?}

[camera]
source = "test:{pattern}"

[audio]
source = "test"
sink = "null"

[display]
sink = "null"

[calls]
ring = {ring:?}
bind = ["127.0.0.1"]

[door]
{door}

[mqtt]
host = "127.0.0.1"
port = {broker_port}
"#,
        state_dir = home.join("state"),
        api = hub.api,
        chat = hub.xmpp_tls,
        chat_host = hub.chat,
        ca = hub.ca,
        app_id = hub.app_id,
        pattern = part.pattern,
        ring = part.ring,
        door = part.door,
    );
    let file = home.join("kiosk.toml");
    std::fs::write(&file, config)?;
    Ok(file)
}

impl Station {
    /// Waits until it is logged in and its chat connection is up.
    ///
    /// # Errors
    /// With the state's reason when it takes too long.
    pub async fn online(&self) -> anyhow::Result<()> {
        let mut state = self.daemon.port.state();
        let wait = state.wait_for(|state| state.chat.status == ChatStatus::Online);
        let result = tokio::time::timeout(ONLINE_LIMIT, wait).await;
        let reached = matches!(result, Ok(Ok(_)));
        let reason = self.daemon.port.state().borrow().chat.reason.clone();
        ensure!(
            reached,
            "{} did not get online: {}",
            self.name,
            reason.unwrap_or_default()
        );
        Ok(())
    }
}
