//! `PUT` and `DELETE /chat/Message…` (wire reference E.3; CH-37…CH-40).

use actix_web::http::StatusCode;
use rusqlite::Connection;

use super::dialog_removal::{Deletion, ids_of_path};
use super::dialogs::load_own;
use super::error::ApiError;
use super::message_creation::body;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::roles::Action;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, Place};
use crate::hub::store::{changes, receipts};
use crate::hub::xmpp::announce;
use crate::protocol::address::UserId;

/// `PUT /chat/Message[/{id},…]`: marks as read or delivered, or changes the own text, of which the
/// others are told. Without ids it is about the whole dialog.
pub async fn update(request: &Request, ids: Option<&str>) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let ids = ids.map(ids_of_path).transpose()?;
    let (read, delivered) = (params.flag("read"), params.flag("delivered"));
    let body = body(params)?;
    if params.get("message").is_some() && body.is_none() {
        return Err(ApiError::invalid("message", "can't be blank"));
    }
    if !read && !delivered && body.is_none() {
        let rule = "read, delivered or message is needed";
        return Err(ApiError::invalid("base", rule));
    }
    if body.is_some() && ids.is_none() {
        let rule = "a new text needs the ids of its messages";
        return Err(ApiError::invalid("message", rule));
    }
    let dialog = params.text("chat_dialog_id");
    let (now, new_body) = (request.site.now(), body.clone());
    let (dialog, edited) = request
        .in_store(move |db| {
            let dialog = dialog_of(db, dialog, ids.as_deref(), user)?;
            if let Some(ids) = &ids
                && changes::those_in(db, &dialog.id, ids)?.len() != ids.len()
            {
                return Err(ApiError::not_found("Message not found"));
            }
            if read || delivered {
                receipts::mark(db, user, &dialog.id, ids.as_deref(), read, now)?;
            }
            let mut edited = Vec::new();
            if let Some(body) = new_body {
                for id in ids.unwrap_or_default() {
                    check_author(db, &dialog, &id, user)?;
                    let is_last = changes::edit(db, &id, &body, now)?;
                    edited.push((id, is_last));
                }
            }
            Ok((dialog, edited))
        })
        .await?;
    for (id, is_last) in edited {
        let body = body.as_deref().unwrap_or_default();
        announce::edit(&request.site, &dialog, user, &id, body, is_last);
    }
    Ok(done())
}

/// The dialog named, or the one of the first message.
fn dialog_of(
    db: &Connection,
    named: Option<String>,
    ids: Option<&[String]>,
    user: UserId,
) -> Result<Dialog, ApiError> {
    let dialog = match (named, ids.and_then(<[String]>::first)) {
        (Some(dialog), _) => dialog,
        (None, Some(id)) => {
            let place = messages::place(db, id)?;
            let place = place.ok_or_else(|| ApiError::not_found("Message not found"))?;
            place.dialog
        }
        (None, None) => return Err(ApiError::invalid("chat_dialog_id", "can't be blank")),
    };
    load_own(db, &dialog, user)
}

fn check_author(db: &Connection, dialog: &Dialog, id: &str, user: UserId) -> Result<(), ApiError> {
    let is_own = messages::place(db, id)?.is_some_and(|place| place.author == user);
    if is_own && dialog.may(user, Action::Write) {
        return Ok(());
    }
    Err(ApiError::forbidden("You can change only your messages"))
}

/// `DELETE /chat/Message/{id}[,{id}…]`: for the user, or with `force=1` for everybody, who are
/// told to drop them (CH-40).
pub async fn delete(request: &Request, ids: &str) -> Answer {
    let user = request.user().await?;
    let force = request.params.flag("force");
    let (ids, now) = (ids_of_path(ids)?, request.site.now());
    let (outcome, removed) = request
        .site
        .store
        .run(move |db| {
            let mut outcome = Deletion::default();
            let mut removed: Vec<(Dialog, String)> = Vec::new();
            for id in ids {
                let Some((place, dialog)) = visible(db, &id, user)? else {
                    outcome.missing.push(id);
                    continue;
                };
                if !dialog.may(user, right_needed(&place, user, force)) {
                    outcome.refused.push(id);
                    continue;
                }
                if force {
                    changes::remove(db, &place, &id, now)?;
                    removed.push((dialog, id.clone()));
                } else {
                    changes::hide(db, &place, user)?;
                }
                outcome.deleted.push(id);
            }
            Ok((outcome, removed))
        })
        .await?;
    for (dialog, id) in removed {
        announce::removal(&request.site, &dialog, user, &id);
    }
    Ok(respond(StatusCode::OK, &outcome.json()))
}

fn right_needed(place: &Place, user: UserId, force: bool) -> Action {
    match (force, place.author == user) {
        (false, _) => Action::HideMessage,
        (true, true) => Action::RemoveOwnMessage,
        (true, false) => Action::RemoveOthersMessage,
    }
}

/// A message the user can see, with its dialog.
///
/// # Errors
/// SQLite's.
pub fn visible(
    db: &Connection,
    id: &str,
    user: UserId,
) -> rusqlite::Result<Option<(Place, Dialog)>> {
    let Some(place) = messages::place(db, id)? else {
        return Ok(None);
    };
    let dialog = dialogs::load(db, &place.dialog)?.filter(|dialog| dialog.has(user));
    let Some(dialog) = dialog else {
        return Ok(None);
    };
    let is_visible = messages::is_visible(db, &place, user)?;
    Ok(is_visible.then_some((place, dialog)))
}
