//! `/chat/Dialog/{id}/subscribe`, `…/occupants`, `…/notifications` (wire reference E.3;
//! CH-25…CH-29).

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::dialogs::{check_occupants, load, load_own, shown};
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::store::dialogs::{BROADCAST, Dialog, PUBLIC};
use crate::hub::store::query::{Page, check_names};
use crate::hub::store::users::User;
use crate::hub::store::{dialog_views, dialogs, occupants, users};
use crate::hub::xmpp::kick;
use crate::protocol::address::UserId;

/// `POST /chat/Dialog/{id}/subscribe`
pub async fn subscribe(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let (id, now) = (id.to_owned(), request.site.now());
    let site = Arc::clone(&request.site);
    let dialog = request.in_store(move |db| {
        let dialog = load(db, &id)?;
        check_open(&dialog, user)?;
        if !dialog.occupants.contains(&user) {
            check_occupants(&site, dialog.occupants.len() + 1)?;
            occupants::add(db, &id, &[user], now)?;
            dialogs::set_texts(db, &id, &dialogs::Texts::default(), now)?;
        }
        Ok(shown(db, &site, &load(db, &id)?, user)?)
    });
    Ok(respond(StatusCode::OK, &dialog.await?))
}

/// Only public dialogs are there for everybody; of others strangers learn nothing.
fn check_open(dialog: &Dialog, user: UserId) -> Result<(), ApiError> {
    if dialog.blocked.contains(&user) {
        return Err(ApiError::forbidden("You are blocked in this dialog"));
    }
    match (dialog.kind, dialog.has(user)) {
        (PUBLIC, _) => Ok(()),
        (_, true) => Err(ApiError::invalid(
            "base",
            "Only public dialogs can be subscribed to",
        )),
        (_, false) => Err(ApiError::not_found("Dialog not found")),
    }
}

/// `DELETE /chat/Dialog/{id}/subscribe`
pub async fn unsubscribe(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let dialog = id.to_owned();
    request
        .in_store(move |db| {
            let dialog = load_own(db, &dialog, user)?;
            check_open(&dialog, user)?;
            Ok(occupants::remove(db, &dialog.id, &[user])?)
        })
        .await?;
    kick(&request.site, id, user, user);
    Ok(done())
}

/// `GET /chat/Dialog/{id}/occupants`: a public dialog's for every user, a group's for those in it.
pub async fn occupants(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    check_names(&request.params, &[], &[])?;
    let page = Page::read(&request.params, &[], 100, 100);
    let id = id.to_owned();
    let found: Vec<User> = request
        .in_store(move |db| {
            let dialog = load(db, &id)?;
            let is_open = dialog.kind == PUBLIC && !dialog.blocked.contains(&user);
            if !is_open && !dialog.has(user) {
                return Err(ApiError::not_found("Dialog not found"));
            }
            if dialog.kind == BROADCAST {
                let text = "A broadcast dialog is everybody's and has no list of occupants";
                return Err(ApiError::invalid("base", text));
            }
            let (skip, limit) = (page.skip as usize, page.limit as usize);
            let ids: Vec<UserId> = dialog
                .occupants
                .into_iter()
                .skip(skip)
                .take(limit)
                .collect();
            Ok(users::by_ids(db, &ids)?)
        })
        .await?;
    let items: Vec<Json> = found.iter().map(User::json).collect();
    Ok(respond(StatusCode::OK, &json!({"items": items})))
}

/// `GET /chat/Dialog/{id}/notifications`
pub async fn notifications(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let id = id.to_owned();
    let enabled = request.in_store(move |db| {
        let dialog = load_own(db, &id, user)?;
        Ok(dialog_views::notifications(db, &dialog.id, user)?)
    });
    Ok(notifications_answer(enabled.await?))
}

/// `PUT /chat/Dialog/{id}/notifications`
pub async fn set_notifications(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let enabled = match request.params.text("enabled").as_deref() {
        Some("0" | "false") => false,
        Some("1" | "true") => true,
        _ => return Err(ApiError::invalid("enabled", "must be 0 or 1")),
    };
    let id = id.to_owned();
    request
        .in_store(move |db| {
            let dialog = load_own(db, &id, user)?;
            Ok(dialog_views::set_notifications(
                db, &dialog.id, user, enabled,
            )?)
        })
        .await?;
    Ok(notifications_answer(enabled))
}

fn notifications_answer(enabled: bool) -> actix_web::HttpResponse {
    let body = json!({"notifications": {"enabled": u8::from(enabled)}});
    respond(StatusCode::OK, &body)
}
