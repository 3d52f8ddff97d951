//! `POST /chat/Message/system` (wire reference E.3, B.6; CH-41).

use actix_web::http::StatusCode;
use serde_json::json;

use super::dialogs::existing;
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::xmpp::announce;
use crate::hub::xmpp::delivery::{self, Sender};

/// Sends a signal to the connections a user has at this moment. Nothing is kept: who is away does
/// not get it.
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let recipient = request.params.ids("recipientId").first().copied();
    let recipient = recipient.ok_or_else(|| ApiError::invalid("recipientId", "can't be blank"))?;
    let mut params = request.params.as_object().cloned().unwrap_or_default();
    // The hub's own: with another module identifier it would pass for a call.
    for own in ["recipientId", "moduleIdentifier"] {
        params.remove(own);
    }
    if let Some(bad) = params.keys().find(|name| !announce::is_element_name(name)) {
        let rule = "must be a name of letters, digits, '_', '-' and '.'";
        return Err(ApiError::invalid_field(bad, rule));
    }
    let known = request
        .site
        .store
        .run(move |db| existing(db, &[recipient]))
        .await?;
    if known.is_empty() {
        return Err(ApiError::not_found("User not found"));
    }
    let site = &request.site;
    let id = ObjectId::generate().to_string();
    let stanza = announce::system(site, user, recipient, &id, &params);
    let sender = Sender {
        user,
        address: announce::rest_address(site, user),
        connection: None,
    };
    delivery::send_and_wait(site, sender, stanza)
        .await
        .map_err(|refusal| ApiError::forbidden(refusal.text))?;
    Ok(respond(
        StatusCode::OK,
        &json!({"messageId": id, "recipientId": recipient, "extensionParams": params}),
    ))
}
