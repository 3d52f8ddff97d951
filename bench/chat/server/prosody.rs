//! Debian's Prosody: its default modules, without federation, registration and the rate limit.

use std::process::{Command, Stdio};
use std::sync::Arc;

use super::{PASSWORD, Process, Server, certificate, free_addresses, scratch};
use crate::stream::{Account, Target};

pub async fn start(accounts: usize) -> anyhow::Result<Server> {
    let folder = scratch("prosody")?;
    let path = folder.path();
    let files = certificate::make(path)?;
    let [tls, http] = free_addresses::<2>()?;
    let data = path.join("data/localhost/accounts");
    std::fs::create_dir_all(&data)?;
    for number in 0..accounts {
        // The format `prosodyctl adduser` writes.
        let account = format!("return {{\n\t[\"password\"] = \"{PASSWORD}\";\n}};\n");
        std::fs::write(data.join(format!("user{number}.dat")), account)?;
    }
    let config = format!(
        r#"
data_path = "{path}/data"
pidfile = "{path}/prosody.pid"
log = {{ info = "{path}/prosody.log" }}
run_as_root = true
modules_enabled = {{
  "disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private";
  "smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "ping"; "time"; "uptime"; "version"; "posix";
  "websocket";
}}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ {tls} }}
allow_unencrypted_plain_auth = true
consider_websocket_secure = true
http_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http} }}
https_ports = {{ }}
http_default_host = "localhost"
ssl = {{ certificate = "{certificate}"; key = "{key}" }}
VirtualHost "localhost"
"#,
        path = path.display(),
        tls = tls.port(),
        http = http.port(),
        certificate = files.certificate.display(),
        key = files.key.display(),
    );
    let file = path.join("prosody.cfg.lua");
    std::fs::write(&file, config)?;
    let mut command = Command::new("prosody");
    command.args(["-F", "--config"]).arg(&file);
    let mut child = Process::start(command.stdout(Stdio::null()), path)?;
    child.listens(&[tls, http], path).await?;
    let account = |number| Account {
        name: format!("user{number}"),
        password: PASSWORD.to_owned(),
    };
    let target = Target {
        domain: "localhost".to_owned(),
        tls,
        websocket: format!("ws://{http}/xmpp-websocket"),
        connector: certificate::connector(&files.ca)?,
        accounts: Arc::new((0..accounts).map(account).collect()),
    };
    Ok(Server {
        target,
        ready: None,
        child,
        _folder: folder,
    })
}
