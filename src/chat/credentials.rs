//! Who the device is in the chat, and where that comes from.

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::protocol::address::UserId;
use crate::rest::{RestClient, RestError};

/// What proves the user (wire reference A.4: the server takes either).
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The login password; SCRAM-SHA-256 or SCRAM-SHA-1 is used where offered.
    Password(Zeroizing<String>),
    /// A REST session token; always PLAIN, as servers hold SCRAM keys for passwords alone.
    Token(Zeroizing<String>),
}

/// A user with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's number.
    pub user: UserId,
    /// The proof.
    pub secret: Secret,
}

impl Credentials {
    /// A user with its login password.
    pub fn with_password(user: UserId, password: impl Into<String>) -> Self {
        let secret = Secret::Password(Zeroizing::new(password.into()));
        Self { user, secret }
    }

    /// A user with a session token.
    pub fn with_token(user: UserId, token: impl Into<String>) -> Self {
        let secret = Secret::Token(Zeroizing::new(token.into()));
        Self { user, secret }
    }
}

// Not derived: the secret must not reach a log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// No credentials could be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialsError {
    /// The user or its password is refused; asking again soon is pointless.
    #[error("{0}")]
    Refused(String),
    /// They could not be asked for right now.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody is there who could be asked.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Who was to be asked.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
}

/// Where credentials come from, asked before every connection.
#[async_trait]
pub trait CredentialsSource: Send + Sync + 'static {
    /// Credentials to log in with. `refused` are the ones the chat server did not take a moment
    /// ago: a source of tokens gets a new one.
    async fn credentials(
        &self,
        refused: Option<&Credentials>,
    ) -> Result<Credentials, CredentialsError>;
}

/// Fixed ones.
#[async_trait]
impl CredentialsSource for Credentials {
    async fn credentials(
        &self,
        _refused: Option<&Credentials>,
    ) -> Result<Credentials, CredentialsError> {
        Ok(self.clone())
    }
}

/// The token of the REST session.
#[async_trait]
impl CredentialsSource for RestClient {
    async fn credentials(
        &self,
        refused: Option<&Credentials>,
    ) -> Result<Credentials, CredentialsError> {
        let session = match refused {
            Some(Credentials {
                secret: Secret::Token(token),
                ..
            }) => self.session_instead_of(token).await,
            _ => self.session().await,
        };
        match session {
            Ok(session) => Ok(Credentials::with_token(session.user_id, session.token)),
            Err(error @ (RestError::Unauthorised(_) | RestError::NotFound(_))) => {
                Err(CredentialsError::Refused(error.to_string()))
            }
            Err(error @ RestError::Validation { .. }) => {
                Err(CredentialsError::Refused(error.to_string()))
            }
            Err(error) if error.is_nobody_there() => Err(CredentialsError::Unreachable {
                endpoint: "the REST API".into(),
                reason: error.to_string(),
            }),
            Err(error) => Err(CredentialsError::Unavailable(format!(
                "no session from the server: {error}"
            ))),
        }
    }
}
