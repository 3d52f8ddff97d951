//! `/enrolments`: cubelet's own route, by which a device comes by its account.

use actix_web::http::StatusCode;
use serde_json::json;
use url::Url;

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, json as respond};
use crate::hub::auth::{LoginError, enrolment};
use crate::protocol::enrolment::{Account, CodeSecret};

/// `POST /enrolments/redeem`: `{"secret": …}`, the first half of a code.
pub async fn redeem(request: &Request) -> Answer {
    let site = &request.site;
    let text = request.params.text("secret").unwrap_or_default();
    let secret = CodeSecret::read(&text)
        .map_err(|mistake| ApiError::invalid("secret", mistake.to_string()))?;
    let api = Url::parse(&request.origin).map_err(ApiError::internal)?;
    let chat = chat_of(&api)?;
    let enrolled = enrolment::redeem(site, secret, request.address)
        .await
        .map_err(|error| match error {
            LoginError::Wrong => {
                ApiError::unauthorized("The code is unknown, was used already, or has run out")
            }
            other => other.into(),
        })?;
    let account = Account {
        login: enrolled.login,
        user_id: enrolled.user,
        password: enrolled.password,
        app_id: site.config.app_id,
        auth_key: site.config.auth_key.expose().to_owned(),
        api,
        chat,
        chat_host: site.realm.chat_host.clone(),
    };
    Ok(respond(StatusCode::CREATED, &json!({ "account": account })))
}

/// The WebSocket beside the API: one port serves both, also behind a proxy.
fn chat_of(api: &Url) -> Result<Url, ApiError> {
    let mut chat = api.clone();
    let scheme = if api.scheme() == "https" { "wss" } else { "ws" };
    chat.set_scheme(scheme)
        .map_err(|()| ApiError::internal("an address that takes no scheme"))?;
    chat.set_path("/xmpp");
    Ok(chat)
}
