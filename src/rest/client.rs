//! The client every API family is a method of: it holds the session and repeats a call once
//! where that is safe.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::error::{NetworkFault, RestError};
use super::exchange::{Exchange, Proof, Request, read};
use super::session_state::{Demand, SessionState};
use super::settings::{Login, RestSettings};
use crate::protocol::rest::Session;

/// A REST client logged in as one user; cheap to clone, all clones share the session.
#[derive(Clone)]
pub struct RestClient {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    login: Mutex<Login>,
    state: Mutex<SessionState>,
    /// Held during a login, so that many refused calls cause one.
    renewal: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for RestClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestClient")
            .field("settings", self.shared.exchange.settings())
            .field("login", &*self.shared.login.lock())
            .finish_non_exhaustive()
    }
}

impl RestClient {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`RestError::Setup`]: the CA file, or an address that is not https and not loopback.
    pub fn new(settings: RestSettings, login: Login) -> Result<Self, RestError> {
        Ok(Self {
            shared: Arc::new(Shared {
                exchange: Exchange::new(settings)?,
                login: Mutex::new(login),
                state: Mutex::default(),
                renewal: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// The application's number.
    pub fn app_id(&self) -> u64 {
        self.shared.exchange.settings().app_id
    }

    /// A session that is good as far as we know, logging in if there is none.
    ///
    /// # Errors
    /// As the login: [`RestError::Unauthorised`] for a wrong password, [`RestError::NotFound`]
    /// for an unknown user, network faults.
    pub async fn session(&self) -> Result<Session, RestError> {
        self.session_unless(None).await
    }

    /// Like [`RestClient::session`] after the server refused `token`, also elsewhere than here
    /// (the chat server knows the same tokens).
    ///
    /// # Errors
    /// As [`RestClient::session`].
    pub async fn session_instead_of(&self, token: &str) -> Result<Session, RestError> {
        self.session_unless(Some(token)).await
    }

    async fn session_unless(&self, rejected: Option<&str>) -> Result<Session, RestError> {
        if let Some(known) = self.known(rejected) {
            return known;
        }
        let _renewal = self.shared.renewal.lock().await;
        // Whoever held the lock before us may have logged in.
        if let Some(known) = self.known(rejected) {
            return known;
        }
        let outcome = self.log_in_with_the_password_of_now().await;
        let mut state = self.shared.state.lock();
        match &outcome {
            Ok(session) => state.logged_in(Instant::now(), session.clone()),
            Err(error) => state.login_failed(Instant::now(), error),
        }
        outcome
    }

    /// A password that was changed where it is kept (US-19) is taken as soon as the old one is
    /// refused.
    async fn log_in_with_the_password_of_now(&self) -> Result<Session, RestError> {
        let login = self.shared.login.lock().clone();
        let outcome = self.log_in(&self.shared.exchange, &login).await;
        if !matches!(outcome, Err(RestError::Unauthorised(_))) {
            return outcome;
        }
        let Some(renewed) = login.renewed().await else {
            return outcome;
        };
        tracing::info!("the password was changed; logging in with the new one");
        let outcome = self.log_in(&self.shared.exchange, &renewed).await;
        *self.shared.login.lock() = renewed;
        outcome
    }

    fn known(&self, rejected: Option<&str>) -> Option<Result<Session, RestError>> {
        match self.shared.state.lock().demand(Instant::now(), rejected) {
            Demand::Use(session) => Some(Ok(session)),
            Demand::Refused(error) => Some(Err(error)),
            Demand::LogIn => None,
        }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.shared.exchange
    }

    pub(super) fn take_session(&self) -> Option<Session> {
        self.shared.state.lock().take()
    }

    /// Performs a call in the session and reads the answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, request: Request) -> Result<T, RestError> {
        read(&request, &self.call_raw(&request).await?)
    }

    /// Performs a call in the session: a 401 renews the session once, a GET whose connection
    /// failed is sent once more. Nothing else is repeated: a POST may have been carried out, and
    /// after a timeout the caller has waited long enough.
    pub(super) async fn call_raw(&self, request: &Request) -> Result<Vec<u8>, RestError> {
        let session = self.session().await?;
        match self.send(request, &session).await {
            Err(RestError::Unauthorised(_)) => {
                let session = self.session_instead_of(&session.token).await?;
                self.send(request, &session).await
            }
            Err(RestError::Network { kind, reason })
                if request.method == Method::GET && kind != NetworkFault::Timeout =>
            {
                tracing::debug!(operation = request.operation(), %kind, reason, "asking again");
                self.send(request, &session).await
            }
            outcome => outcome,
        }
    }

    async fn send(&self, request: &Request, session: &Session) -> Result<Vec<u8>, RestError> {
        let proof = Proof::Token(&session.token);
        let outcome = self.shared.exchange.send(request, proof).await;
        if outcome.is_ok() {
            let mut state = self.shared.state.lock();
            state.used(Instant::now(), &session.token);
        }
        outcome
    }
}
