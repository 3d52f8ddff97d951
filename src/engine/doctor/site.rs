//! The hub (name, way, certificate, log-in), the chat server, STUN and TURN servers.

use std::time::Duration;

use super::{Check, stun};
use crate::chat::{self, ConnectionEnd, Fault};
use crate::config::DeviceConfig;
use crate::engine::upstream::{chat_settings, rest_client};
use crate::rest::{NetworkFault, RestError};

/// For a whole log-in.
const LOGIN_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &DeviceConfig) -> Vec<Check> {
    let (login, chat, ice) = tokio::join!(login(config), chat(config), ice(config));
    let mut checks = vec![login, chat];
    checks.extend(ice);
    checks
}

/// A session of its own, given back at once, so that a running daemon keeps its own.
async fn login(config: &DeviceConfig) -> Check {
    const NAME: &str = "hub";
    let api = &config.hub.api;
    let client = match rest_client(config) {
        Ok(client) => client,
        Err(error) => return Check::failed(NAME, error.to_string(), "correct the configuration"),
    };
    let session = match tokio::time::timeout(LOGIN_LIMIT, client.session()).await {
        Ok(outcome) => outcome,
        Err(_) => Err(RestError::Network {
            kind: NetworkFault::Timeout,
            reason: format!("{api} took longer than {LOGIN_LIMIT:?}"),
        }),
    };
    match session {
        Ok(session) => {
            // One that stays is forgotten by the hub in its time.
            let _ = client.destroy_session().await;
            Check::passed(
                NAME,
                format!("{api} lets us in as user {}", session.user_id),
            )
        }
        Err(error) => Check::failed(NAME, format!("{api}: {error}"), login_remedy(&error)),
    }
}

fn login_remedy(error: &RestError) -> &'static str {
    match error {
        RestError::Unauthorised(_) => {
            "wrong password, or auth_key of another application: compare hub.password_file, \
             hub.app_id and hub.auth_key with the hub's"
        }
        RestError::NotFound(_) => {
            "the hub does not know this user: correct hub.login, or make the account there"
        }
        RestError::Network { kind, .. } => match kind {
            NetworkFault::Dns => "correct the host in hub.api, or the network's name server",
            NetworkFault::Connect => {
                "is the hub running, is the port right, does a firewall stand in between?"
            }
            NetworkFault::Tls => {
                "hub.ca must be the certificate the hub made on its first start (its log names the \
                 file), the host in hub.api must be one the certificate names, and the clock right"
            }
            NetworkFault::Timeout | NetworkFault::Broken => {
                "something between here and the hub swallows packets: try `ping` and another cable"
            }
        },
        RestError::RateLimited { .. } => "wait: the hub has refused too many tries",
        _ => "is hub.api really a hub's address? its log says more",
    }
}

/// As far as the server's greeting. Logging in is the hub's check: the account is the same, and a
/// second connection would take a running daemon's place.
async fn chat(config: &DeviceConfig) -> Check {
    const NAME: &str = "chat server";
    let settings = match chat_settings(config) {
        Ok(settings) => settings,
        Err(error) => return Check::failed(NAME, error.to_string(), "correct hub.ca"),
    };
    let shown = match &settings.endpoint {
        chat::ChatEndpoint::Tls { host, port } => format!("tls://{host}:{port}"),
        chat::ChatEndpoint::WebSocket(url) => url.to_string(),
    };
    match chat::greet(&settings).await {
        Ok(()) => Check::passed(NAME, format!("{shown} answers")),
        Err(end) => {
            let remedy = match &end {
                ConnectionEnd::Lost(Fault::Unreachable { .. }) => {
                    "is the hub running, is the port in hub.chat right?"
                }
                ConnectionEnd::Lost(Fault::Tls { .. }) => {
                    "hub.ca must be the certificate the hub made on its first start, and the host \
                     in hub.chat one that the certificate names"
                }
                _ => "is hub.chat really a chat server's address, with the right scheme and path?",
            };
            Check::failed(NAME, format!("{shown}: {end}"), remedy)
        }
    }
}

/// Each server is asked for our address, which one for TURN answers as well.
async fn ice(config: &DeviceConfig) -> Vec<Check> {
    let urls = config
        .calls
        .ice_servers
        .iter()
        .flat_map(|server| &server.urls);
    let checks = urls.map(|url| async move {
        let name = if url.starts_with("turn") { "TURN server" } else { "STUN server" };
        match stun::ask(url).await {
            Ok(address) => Check::passed(name, format!("{url} sees us as {address}")),
            Err(stun::StunError::NotUdp) => {
                Check::skipped(name, format!("{url}: only servers over UDP are asked"))
            }
            Err(error) => Check::failed(
                name,
                format!("{url}: {error}"),
                "calls from outside the local network need it: is it running, is its UDP port open?",
            ),
        }
    });
    futures::future::join_all(checks).await
}
