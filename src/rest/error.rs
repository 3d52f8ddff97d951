//! How a REST call fails, sorted by what the caller can do about it.

use std::error::Error;
use std::time::Duration;

use crate::protocol::rest::ErrorBody;

/// A REST call failed. Texts come from the server's error body or the network stack and never
/// hold a token, a password or a URL's query.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestError {
    /// 401: the token or, for a login, the password is refused.
    #[error("not authorised: {0}")]
    Unauthorised(String),
    /// 404: no such thing; for a login, no such user.
    #[error("not found: {0}")]
    NotFound(String),
    /// Any other 4xx: the server does not accept what was asked.
    #[error("refused with {status}: {text}")]
    Validation {
        /// The HTTP status, mostly 422.
        status: u16,
        /// The server's error body as a sentence.
        text: String,
    },
    /// 429: asked too often.
    #[error("asked too often{}", .retry_after.map(|wait| format!("; again in {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        /// From `Retry-After`, in seconds.
        retry_after: Option<Duration>,
    },
    /// 5xx: the server's own fault.
    #[error("the server failed with {0}")]
    Server(u16),
    /// No answer.
    #[error("{kind}: {reason}")]
    Network {
        /// The kind of fault.
        kind: NetworkFault,
        /// The network stack's words.
        reason: String,
    },
    /// An answer that is not what this call is answered with.
    #[error("not an answer to {operation}: {reason}")]
    BadAnswer {
        /// Method and path of the call.
        operation: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings cannot work.
    #[error("the REST client cannot be set up: {0}")]
    Setup(String),
}

/// Where the way to the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// The host name has no address.
    Dns,
    /// Nobody accepts the connection.
    Connect,
    /// The server's certificate is not trusted, or TLS fails otherwise.
    Tls,
    /// No answer within the deadline.
    Timeout,
    /// The connection ended in the middle.
    Broken,
}

impl std::fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host name has no address",
            Self::Connect => "cannot connect",
            Self::Tls => "TLS failed",
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke",
        })
    }
}

impl RestError {
    /// Sorts an error of the HTTP client.
    pub(super) fn of_network(error: reqwest::Error) -> Self {
        // The URL may hold names in its query.
        let error = error.without_url();
        let kind = if error.is_timeout() {
            NetworkFault::Timeout
        } else if has_tls_cause(&error) {
            NetworkFault::Tls
        } else if error.is_dns() {
            NetworkFault::Dns
        } else if error.is_connect() {
            NetworkFault::Connect
        } else {
            NetworkFault::Broken
        };
        let reason = root_cause(&error);
        Self::Network { kind, reason }
    }

    /// Sorts an answer with an error status.
    pub(super) fn of_status(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let text = serde_json::from_slice::<ErrorBody>(body)
            .map(|body| body.to_string())
            .unwrap_or_else(|_| format!("status {status} without an error body"));
        let text = text.chars().take(512).collect();
        match status {
            401 => Self::Unauthorised(text),
            404 => Self::NotFound(text),
            429 => Self::RateLimited { retry_after },
            500.. => Self::Server(status),
            _ => Self::Validation { status, text },
        }
    }

    /// Whether nobody is there to answer: no address, or no connection.
    pub fn is_nobody_there(&self) -> bool {
        matches!(
            self,
            Self::Network {
                kind: NetworkFault::Dns | NetworkFault::Connect,
                ..
            }
        )
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Server(_) | Self::Network { .. } => true,
            Self::Unauthorised(_)
            | Self::NotFound(_)
            | Self::Validation { .. }
            | Self::BadAnswer { .. }
            | Self::Setup(_) => false,
        }
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        match cause.downcast_ref::<std::io::Error>() {
            // An io::Error that wraps another error gives that one's source, skipping it.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

fn has_tls_cause(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.is::<rustls::Error>())
}

fn root_cause(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
