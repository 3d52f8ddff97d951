//! Where the chat server is.

use std::sync::Arc;

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
}

impl std::fmt::Debug for ChatSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatSettings")
            .field("endpoint", &self.endpoint)
            .field("realm", &self.realm)
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
