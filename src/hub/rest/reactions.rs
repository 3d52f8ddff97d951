//! `/chat/Message/{id}/reactions` (wire reference E.3, B.5; CH-42…CH-44).

use actix_web::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::message_changes::visible;
use super::params::plain;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::roles::Action;
use crate::hub::store::reactions;
use crate::hub::xmpp::announce;

/// Characters of one reaction. The longest emoji sequences have about ten.
const MAX_LENGTH: usize = 32;

/// `PUT /chat/Message/{id}/reactions`: adds, removes or, with both, swaps a reaction. What is
/// there already, or not there, is no error, and nobody is told of it.
pub async fn update(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let (add, remove) = (
        reaction(&request.params, "add")?,
        reaction(&request.params, "remove")?,
    );
    if add.is_none() && remove.is_none() {
        return Err(ApiError::invalid("base", "add or remove is needed"));
    }
    let (message, now) = (id.to_owned(), request.site.now());
    let (dialog, added, removed) = request
        .in_store(move |db| {
            let found = visible(db, &message, user)?;
            let (place, dialog) = found.ok_or_else(|| ApiError::not_found("Message not found"))?;
            if !dialog.may(user, Action::Read) {
                return Err(ApiError::forbidden("You cannot react here"));
            }
            let mut removed = None;
            if let Some(reaction) = remove
                && reactions::remove(db, place.seq, user, &reaction, now)?
            {
                removed = Some(reaction);
            }
            let mut added = None;
            if let Some(reaction) = add
                && reactions::add(db, place.seq, user, &reaction, now)?
            {
                added = Some(reaction);
            }
            if reactions::count(db, place.seq, user)? > reactions::MAX_OWN {
                let rule = format!("makes more than {} reactions", reactions::MAX_OWN);
                return Err(ApiError::invalid("add", rule));
            }
            Ok((dialog, added, removed))
        })
        .await?;
    if added.is_some() || removed.is_some() {
        announce::reaction(
            &request.site,
            &dialog,
            user,
            id,
            added.as_deref(),
            removed.as_deref(),
        );
    }
    Ok(done())
}

fn reaction(params: &Json, name: &'static str) -> Result<Option<String>, ApiError> {
    let Some(value) = params.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = plain(value).unwrap_or_default();
    let length = text.chars().count();
    if length == 0 || length > MAX_LENGTH || text.chars().any(char::is_control) {
        let rule = format!("must be a text of 1 to {MAX_LENGTH} characters");
        return Err(ApiError::invalid(name, rule));
    }
    Ok(Some(text))
}

/// `GET /chat/Message/{id}/reactions`
pub async fn list(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let message = id.to_owned();
    let found = request.in_store(move |db| {
        let found = visible(db, &message, user)?;
        let (place, _) = found.ok_or_else(|| ApiError::not_found("Message not found"))?;
        Ok(reactions::by_reaction(db, place.seq)?)
    });
    let all: Map<String, Json> = found
        .await?
        .into_iter()
        .map(|(reaction, users)| (reaction, json!(users)))
        .collect();
    Ok(respond(StatusCode::OK, &Json::Object(all)))
}
