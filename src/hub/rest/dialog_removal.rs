//! `DELETE /chat/Dialog/…` (wire reference E.3; CH-21…CH-24).

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::dialogs::load_own;
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::roles::Action;
use crate::hub::store::dialogs::{self, BROADCAST, Dialog, PRIVATE, PUBLIC};
use crate::hub::store::{changes, dialog_views, occupants};
use crate::hub::xmpp::kick;
use crate::protocol::address::UserId;

/// Ids one request may name.
pub const MAX_IDS: usize = 1_000;

/// The ids of a path, in their order.
///
/// # Errors
/// 422 for too many.
pub fn ids_of_path(text: &str) -> Result<Vec<String>, ApiError> {
    let ids = text.split(',').map(|id| id.trim().to_owned());
    let mut seen: Vec<String> = Vec::new();
    for id in ids.filter(|id| !id.is_empty()) {
        if !seen.contains(&id) {
            seen.push(id);
        }
        if seen.len() > MAX_IDS {
            return Err(ApiError::invalid(
                "base",
                format!("More than {MAX_IDS} ids"),
            ));
        }
    }
    Ok(seen)
}

/// What became of each of several things to be deleted.
#[derive(Default)]
pub struct Deletion {
    /// Gone.
    pub deleted: Vec<String>,
    /// Not there, or not for this user.
    pub missing: Vec<String>,
    /// There, and not to be deleted by this user.
    pub refused: Vec<String>,
}

impl Deletion {
    /// The three lists of the contract.
    pub fn json(&self) -> Json {
        json!({
            "SuccessfullyDeleted": {"ids": self.deleted},
            "NotFound": {"ids": self.missing},
            "WrongPermissions": {"ids": self.refused},
        })
    }
}

/// `DELETE /chat/Dialog/{id}[,{id}…]`: from the own list, or with `force=1` for everybody.
pub async fn delete(request: &Request, ids: &str) -> Answer {
    let user = request.user().await?;
    let force = request.params.flag("force");
    let ids = ids_of_path(ids)?;
    let is_single = ids.len() == 1;
    let (outcome, left) = request
        .site
        .store
        .run(move |db| {
            let mut outcome = Deletion::default();
            let mut left: Vec<(String, UserId)> = Vec::new();
            for id in ids {
                let dialog = dialogs::load(db, &id)?.filter(|dialog| dialog.has(user));
                let Some(dialog) = dialog else {
                    outcome.missing.push(id);
                    continue;
                };
                if force && !dialog.may(user, Action::DeleteForAll) {
                    outcome.refused.push(id);
                    continue;
                }
                let people = remove(db, &dialog, user, force)?;
                left.extend(people.into_iter().map(|person| (id.clone(), person)));
                outcome.deleted.push(id);
            }
            Ok((outcome, left))
        })
        .await?;
    for (dialog, person) in left {
        kick(&request.site, &dialog, person, user);
    }
    if !is_single {
        return Ok(respond(StatusCode::OK, &outcome.json()));
    }
    if !outcome.missing.is_empty() {
        return Err(ApiError::not_found("Dialog not found"));
    }
    if !outcome.refused.is_empty() {
        return Err(ApiError::forbidden(
            "Only its owner can delete a dialog for everybody",
        ));
    }
    Ok(done())
}

/// Returns who is in the dialog no more.
fn remove(
    db: &Connection,
    dialog: &Dialog,
    user: UserId,
    force: bool,
) -> rusqlite::Result<Vec<UserId>> {
    if force {
        dialogs::delete(db, &dialog.id)?;
        return Ok(dialog.occupants.clone());
    }
    match dialog.kind {
        PRIVATE | BROADCAST => {
            dialog_views::hide(db, &dialog.id, user)?;
            Ok(Vec::new())
        }
        kind => {
            occupants::remove(db, &dialog.id, &[user])?;
            if dialog.occupants == [user] && kind != PUBLIC {
                // Nobody is left who could ever see it again.
                dialogs::delete(db, &dialog.id)?;
            }
            Ok(vec![user])
        }
    }
}

/// `DELETE /chat/Dialog/clearHistory/{id}`: for the user, or with `force=1` for everybody.
pub async fn clear_history(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let force = request.params.flag("force");
    let (id, now) = (id.to_owned(), request.site.now());
    request
        .in_store(move |db| {
            let dialog = load_own(db, &id, user)?;
            if !force {
                return Ok(dialog_views::clear(db, &dialog.id, user)?);
            }
            if !dialog.may(user, Action::DeleteForAll) {
                return Err(ApiError::forbidden(
                    "Only its owner can clear a dialog for everybody",
                ));
            }
            Ok(changes::remove_all(db, &dialog.id, now)?)
        })
        .await?;
    Ok(done())
}
