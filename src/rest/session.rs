//! Sessions (wire reference E.2; AU-01…): create, show, destroy.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::RestClient;
use super::error::RestError;
use super::exchange::{Exchange, Proof, Request, read};
use super::settings::Login;
use crate::protocol::rest::Session;

#[derive(Deserialize)]
struct Wrapped {
    session: Session,
}

impl RestClient {
    /// `POST /session` with login or e-mail address, and password.
    pub(super) async fn log_in(
        &self,
        exchange: &Exchange,
        login: &Login,
    ) -> Result<Session, RestError> {
        let settings = exchange.settings();
        let (field, name) = login.account.field();
        let request = Request::new(Method::POST, &["session"]).body(json!({
            "application_id": settings.app_id,
            "auth_key": settings.auth_key.as_str(),
            "user": { (field): name, "password": login.password.as_str() },
        }));
        let body = exchange.send(&request, Proof::InBody).await?;
        let session = read::<Wrapped>(&request, &body)?.session;
        if session.token.is_empty() || session.user_id == 0 {
            return Err(RestError::BadAnswer {
                operation: request.operation(),
                reason: "the session has no token or no user".into(),
            });
        }
        tracing::info!(user = session.user_id, "logged in");
        Ok(session)
    }

    /// `GET /session`: the session as the server sees it.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn current_session(&self) -> Result<Session, RestError> {
        let wrapped: Wrapped = self.call(Request::new(Method::GET, &["session"])).await?;
        Ok(wrapped.session)
    }

    /// `DELETE /session`: the token is worth nothing afterwards. Without a session nothing
    /// happens.
    ///
    /// # Errors
    /// [`RestError`]; the session is forgotten here in any case.
    pub async fn destroy_session(&self) -> Result<(), RestError> {
        let Some(session) = self.take_session() else {
            return Ok(());
        };
        let request = Request::new(Method::DELETE, &["session"]);
        let outcome = self
            .exchange()
            .send(&request, Proof::Token(&session.token))
            .await;
        match outcome {
            // A token the server has already forgotten is destroyed as well as any.
            Ok(_) | Err(RestError::Unauthorised(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
