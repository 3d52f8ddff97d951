//! Debian's ejabberd: its default modules, without federation, conferences and the shaper.

use std::process::{Command, Stdio};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use super::{PASSWORD, Process, Server, certificate, free_addresses, scratch};
use crate::stream::{Account, Target};

/// Where Debian keeps Erlang's libraries beside Erlang's own.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu";

pub async fn start(accounts: usize) -> anyhow::Result<Server> {
    let folder = scratch("ejabberd")?;
    let path = folder.path();
    let files = certificate::make(path)?;
    let [tls, http] = free_addresses::<2>()?;
    let config = format!(
        r#"
hosts: [localhost]
loglevel: info
certfiles: ["{certificate}"]
ca_file: "{ca}"
auth_password_format: plain
listen:
  - port: {tls}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    tls: true
  - port: {http}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api
      /websocket: ejabberd_http_ws
acl:
  loopback:
    ip: [127.0.0.0/8]
access_rules:
  local:
    allow: all
api_permissions:
  "accounts":
    who:
      ip: 127.0.0.1/8
    what: [register]
modules:
  mod_adhoc: {{}}
  mod_admin_extra: {{}}
  mod_avatar: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_last: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub:
    plugins: [flat, pep]
  mod_push: {{}}
  mod_push_keepalive: {{}}
  mod_roster:
    versioning: true
  mod_shared_roster: {{}}
  mod_stream_mgmt:
    resend_on_timeout: if_offline
  mod_vcard:
    search: false
  mod_vcard_xupdate: {{}}
  mod_version: {{}}
"#,
        certificate = files.both.display(),
        ca = files.ca.display(),
        tls = tls.port(),
        http = http.port(),
    );
    let file = path.join("ejabberd.yml");
    std::fs::write(&file, config)?;
    let mut command = Command::new("erl");
    // As Debian's ejabberdctl starts it, without the name under which nodes find each other.
    command
        .args(["+K", "true", "+P", "250000", "-noinput", "-mnesia", "dir"])
        .arg(format!("\"{}\"", path.join("spool").display()))
        .args(["-s", "ejabberd"])
        .current_dir(path)
        .env("ERL_LIBS", LIBRARIES)
        .env("ERL_MAX_PORTS", "32000")
        .env("EJABBERD_CONFIG_PATH", &file)
        .env("EJABBERD_LOG_PATH", path.join("ejabberd.log"))
        .env("ERL_CRASH_DUMP", path.join("crash.dump"))
        .env("HOME", path);
    let mut child = Process::start(command.stdout(Stdio::null()), path)?;
    child.listens(&[tls, http], path).await?;
    let http_client = reqwest::Client::new();
    let accounts: Vec<Account> = stream::iter(0..accounts)
        .map(|number| {
            let name = format!("user{number}");
            let body = json!({"user": name, "host": "localhost", "password": PASSWORD});
            let request = http_client
                .post(format!("http://{http}/api/register"))
                .body(body.to_string());
            async move {
                request.send().await?.error_for_status()?;
                anyhow::Ok(Account {
                    name,
                    password: PASSWORD.to_owned(),
                })
            }
        })
        .buffered(16)
        .try_collect()
        .await?;
    let target = Target {
        domain: "localhost".to_owned(),
        tls,
        websocket: format!("ws://{http}/websocket"),
        connector: certificate::connector(&files.ca)?,
        accounts: Arc::new(accounts),
    };
    Ok(Server {
        target,
        ready: None,
        child,
        _folder: folder,
    })
}
