//! Our hub, the binary CUBELET_BIN names. Its accounts are guests, whose session token is their
//! password in chat.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Process, Server, certificate, scratch};
use crate::stream::{Account, Target};

/// What the hub says about itself; `cubelet hub --ready-json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ready {
    /// REST on loopback.
    pub api: String,
    /// REST over TLS.
    pub https: String,
    /// The chat's domain.
    pub chat: String,
    /// WebSocket on loopback.
    pub chat_url: String,
    /// Direct TLS.
    pub xmpp_tls: String,
    /// The CA's file.
    pub ca: PathBuf,
    /// The application.
    pub app_id: u64,
    /// Its key.
    pub auth_key: String,
}

pub async fn start(accounts: usize) -> anyhow::Result<Server> {
    let binary = std::env::var_os("CUBELET_BIN").context("CUBELET_BIN names no binary")?;
    let folder = scratch("cubelet")?;
    let data = folder.path().join("data");
    let config = format!(
        "data_dir = {data:?}\napp_id = 1\nauth_key = 'bench'\n\
         [listen]\nhttp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nxmpp_tls = '127.0.0.1:0'\n\
         [limits]\nconnections = 6000\nrequests_per_second = 0\n"
    );
    let file = folder.path().join("hub.toml");
    std::fs::write(&file, config)?;
    let mut command = Command::new(binary);
    command.args(["hub", "--ready-json", "--config"]).arg(&file);
    let mut child = Process::start(command.stdout(Stdio::piped()), folder.path())?;
    let stdout = child.0.stdout.take().context("no stdout")?;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    });
    let line = line.await??;
    let ready: Ready = serde_json::from_str(&line).with_context(|| {
        let log = std::fs::read_to_string(folder.path().join("stderr.log"));
        format!("not ready: {}", log.unwrap_or_default())
    })?;
    let target = Target {
        domain: ready.chat.clone(),
        tls: ready.xmpp_tls.parse()?,
        websocket: ready.chat_url.clone(),
        connector: certificate::connector(&ready.ca)?,
        accounts: Arc::new(guests(&ready, accounts).await?),
    };
    Ok(Server {
        target,
        ready: Some(ready),
        child,
        _folder: folder,
    })
}

async fn guests(ready: &Ready, count: usize) -> anyhow::Result<Vec<Account>> {
    let http = reqwest::Client::new();
    let body = json!({
        "application_id": ready.app_id,
        "auth_key": ready.auth_key,
        "user": {"guest": true, "full_name": "Guest"},
    });
    let body = serde_json::to_string(&body)?;
    stream::iter(0..count)
        .map(|_| {
            let request = http
                .post(format!("{}/session", ready.api))
                .header("Content-Type", "application/json")
                .body(body.clone());
            async move {
                let answer: Value = request.send().await?.error_for_status()?.json().await?;
                let of = |key: &str| answer["session"].get(key).cloned();
                let user = of("user_id").context("no user_id")?;
                let token = of("token").and_then(|token| token.as_str().map(str::to_owned));
                anyhow::Ok(Account {
                    name: format!("{user}-{}", ready.app_id),
                    password: token.context("no token")?,
                })
            }
        })
        .buffered(32)
        .try_collect()
        .await
}
