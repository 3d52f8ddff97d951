//! Where the chat server is.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use crate::protocol::address::Realm;

/// How to reach the chat server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEndpoint {
    /// XML stream on direct TLS (RFC 6120 with XEP-0368), commonly port 5223.
    Tls {
        /// Host name or address, also what the certificate must be for.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// WebSocket (RFC 7395): `wss://…`, or `ws://…` on loopback.
    WebSocket(Url),
}

/// The chat server and the realm on it.
#[derive(Clone)]
pub struct ChatSettings {
    /// How to reach it.
    pub endpoint: ChatEndpoint,
    /// Application and chat host, for addresses.
    pub realm: Realm,
    /// Trust anchors, from [`crate::base::tls::client_config`].
    pub tls: Arc<ClientConfig>,
    /// How patient it is.
    pub tuning: ChatTuning,
}

/// How patient the connection is (RT-13, RT-17, RT-19). The default suits a LAN as well as a
/// mobile network: a dead server is noticed within 9 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTuning {
    /// The pause before the second try; doubled with each failure, drawn with full jitter.
    pub retry_first: Duration,
    /// The longest pause between two tries; at least `retry_first`.
    pub retry_longest: Duration,
    /// Time for each step of connecting.
    pub step: Duration,
    /// After so long without a byte from the server it is asked for a sign of life; this is also
    /// what keeps NAT and VPN entries alive.
    pub quiet: Duration,
    /// So long it may take to answer before it counts as dead.
    pub patience: Duration,
    /// For how long after a cut the server is asked to keep the stream; zero asks for none.
    pub resume: Duration,
}

impl Default for ChatTuning {
    fn default() -> Self {
        Self {
            retry_first: Duration::from_millis(300),
            retry_longest: Duration::from_secs(30),
            step: Duration::from_secs(5),
            quiet: Duration::from_secs(4),
            patience: Duration::from_secs(5),
            resume: Duration::from_secs(600),
        }
    }
}

impl std::fmt::Debug for ChatSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatSettings")
            .field("endpoint", &self.endpoint)
            .field("realm", &self.realm)
            .field("tuning", &self.tuning)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for ChatEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls { host, port } => write!(f, "{host}:{port}"),
            Self::WebSocket(url) => write!(f, "{url}"),
        }
    }
}
