//! Why a chat connection did not come up or came to its end.

use std::time::Duration;

/// The steps from nothing to a usable connection, each with its own deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Name resolution and TCP.
    Connect,
    /// TLS.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
    /// Opening the XML stream and reading its features.
    Open,
    /// SASL.
    Login,
    /// Resuming the stream of the last connection (XEP-0198 §5).
    Resume,
    /// Resource binding.
    Bind,
    /// Stream management (XEP-0198).
    StreamManagement,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "TCP connection",
            Self::Tls => "TLS",
            Self::Upgrade => "WebSocket upgrade",
            Self::Open => "stream opening",
            Self::Login => "login",
            Self::Resume => "stream resumption",
            Self::Bind => "resource binding",
            Self::StreamManagement => "stream management",
        })
    }
}

/// What went wrong with the network or the server. Texts never hold a credential or a message.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Fault {
    /// The name has no address, or nobody accepts the connection.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Where to.
        endpoint: String,
        /// The system's words.
        reason: String,
    },
    /// The certificate is not trusted, or TLS fails otherwise.
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls {
        /// Where to.
        endpoint: String,
        /// The TLS library's words.
        reason: String,
    },
    /// The endpoint would carry the password in clear text through the network.
    #[error("{endpoint} is not encrypted and not on this machine; use wss or direct TLS")]
    Plaintext {
        /// The endpoint as configured.
        endpoint: String,
    },
    /// The endpoint's address cannot be used.
    #[error("{endpoint} is no chat endpoint: {reason}")]
    Endpoint {
        /// The endpoint as configured.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer within the step's deadline.
    #[error("no answer to {step} within {} s", limit.as_secs_f32())]
    Deadline {
        /// The step.
        step: Step,
        /// Its deadline.
        limit: Duration,
    },
    /// The server answered with something else than the step calls for.
    #[error("{step} failed: {reason}")]
    Protocol {
        /// The step.
        step: Step,
        /// What came instead.
        reason: String,
    },
    /// The server closed the stream with an error (RFC 6120 §4.9).
    #[error("the server closed the stream: {condition}{}", text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Stream {
        /// The condition's name.
        condition: String,
        /// The server's words.
        text: Option<String>,
    },
    /// The server closed the stream without an error.
    #[error("the server closed the stream")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What arrives is not XML.
    #[error("the server sends what is not XML: {0}")]
    NotXml(String),
    /// Nothing arrives any more, not even answers to our questions.
    #[error("the server has been silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// The server counts stanzas that were never sent.
    #[error("{0}")]
    Miscount(String),
    /// There is no session to log in with.
    #[error("{0}")]
    Session(String),
    /// [`super::ChatClient::reconnect`] was called.
    #[error("a new connection was asked for")]
    Abandoned,
    /// Our own database failed.
    #[error("{0}")]
    Store(String),
}

/// How a connection ended.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// We were told to end.
    #[error("shut down")]
    Shutdown,
    /// The server does not accept the credentials. Trying again with the same ones is pointless.
    #[error("the credentials are refused: {reason}")]
    Refused {
        /// The SASL condition or the server's words.
        reason: String,
    },
    /// Another connection took our place (stream error `conflict`).
    #[error("another connection took over")]
    Conflict,
    /// The network or the server failed; trying again may help.
    #[error(transparent)]
    Lost(#[from] Fault),
}
