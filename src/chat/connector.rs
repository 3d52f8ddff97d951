//! From an endpoint to an open stream: name, TCP, TLS, upgrade, each with its deadline.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::error::{ConnectionEnd, Fault, Step};
use super::happy_eyeballs;
use super::settings::{ChatEndpoint, ChatSettings};
use super::transport::{AnyIo, StreamTransport, Transport, TransportError, WebSocketTransport};
use crate::base::loopback::is_loopback;

/// Where to connect and whether through TLS.
struct Target<'a> {
    host: &'a str,
    port: u16,
    is_encrypted: bool,
}

/// Connects and opens the stream; the server's features are the next element to arrive.
pub(super) async fn connect(settings: &ChatSettings) -> Result<Transport, ConnectionEnd> {
    let endpoint = &settings.endpoint;
    let target = target(endpoint)?;
    let io = reach(settings, &target).await?;
    let to = settings.realm.chat_host.as_str();
    let limit = settings.tuning.step;
    match endpoint {
        ChatEndpoint::Tls { .. } => {
            let stream = step(Step::Open, limit, StreamTransport::open(io, to)).await?;
            Ok(Transport::Stream(Box::new(stream)))
        }
        ChatEndpoint::WebSocket(url) => {
            let upgrade = WebSocketTransport::upgrade(io, url, to);
            let mut socket = step(Step::Upgrade, limit, upgrade).await?;
            step(Step::Open, limit, socket.open()).await?;
            Ok(Transport::WebSocket(Box::new(socket)))
        }
    }
}

/// Connects as far as the server's greeting and leaves again, to know that there is one.
///
/// # Errors
/// As any connection ends.
pub async fn greet(settings: &ChatSettings) -> Result<(), ConnectionEnd> {
    connect(settings).await.map(drop)
}

/// Runs one step against its deadline.
pub(super) async fn step<T, E: Into<StepError>>(
    step: Step,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ConnectionEnd> {
    match tokio::time::timeout(limit, work).await {
        Err(_) => Err(Fault::Deadline { step, limit }.into()),
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(match error.into() {
            StepError::End(end) => end,
            StepError::Transport(error) => Fault::Protocol {
                step,
                reason: error.to_string(),
            }
            .into(),
        }),
    }
}

/// What a step may fail with.
pub(super) enum StepError {
    End(ConnectionEnd),
    Transport(TransportError),
}

impl From<ConnectionEnd> for StepError {
    fn from(end: ConnectionEnd) -> Self {
        Self::End(end)
    }
}

impl From<Fault> for StepError {
    fn from(fault: Fault) -> Self {
        Self::End(fault.into())
    }
}

impl From<TransportError> for StepError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

fn target(endpoint: &ChatEndpoint) -> Result<Target<'_>, Fault> {
    let url = match endpoint {
        ChatEndpoint::Tls { host, port } => {
            return Ok(Target {
                host,
                port: *port,
                is_encrypted: true,
            });
        }
        ChatEndpoint::WebSocket(url) => url,
    };
    let unusable = |reason: &str| Fault::Endpoint {
        endpoint: url.to_string(),
        reason: reason.to_owned(),
    };
    let host = url.host_str().ok_or_else(|| unusable("it has no host"))?;
    let (is_encrypted, usual_port) = match url.scheme() {
        "wss" => (true, 443),
        "ws" if is_loopback(host) => (false, 80),
        "ws" => {
            let endpoint = url.to_string();
            return Err(Fault::Plaintext { endpoint });
        }
        _ => return Err(unusable("its scheme is neither wss nor ws")),
    };
    Ok(Target {
        host,
        port: url.port().unwrap_or(usual_port),
        is_encrypted,
    })
}

async fn reach(settings: &ChatSettings, target: &Target<'_>) -> Result<AnyIo, ConnectionEnd> {
    let endpoint = || format!("{}:{}", target.host, target.port);
    // A literal IPv6 address stands in brackets in a URL alone.
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let limit = settings.tuning.step;
    let tcp = step(Step::Connect, limit, async {
        happy_eyeballs::connect(host, target.port)
            .await
            .map_err(|error| Fault::Unreachable {
                endpoint: endpoint(),
                reason: error.to_string(),
            })
    })
    .await?;
    tcp.set_nodelay(true)
        .map_err(|error| Fault::Broken(error.to_string()))?;
    if !target.is_encrypted {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Fault::Endpoint {
        endpoint: endpoint(),
        reason: error.to_string(),
    })?;
    let tls = step(Step::Tls, limit, async {
        TlsConnector::from(settings.tls.clone())
            .connect(name, tcp)
            .await
            .map_err(|error| Fault::Tls {
                endpoint: endpoint(),
                reason: error.to_string(),
            })
    })
    .await?;
    Ok(Box::new(tls))
}
