//! `GET` and `POST /chat/Dialog` (wire reference E.3; CH-04…CH-15).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::dialog_input::{texts, user_ids};
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, dialog_data, json as respond};
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, BROADCAST, Dialog, FIELDS, GROUP, PRIVATE, PUBLIC};
use crate::hub::store::query::{Filter, Kind, Page, check_names};
use crate::hub::store::{dialog_json, dialog_views, users};
use crate::protocol::address::UserId;

/// Administrators a dialog may have besides its owner (CH-10…CH-12).
pub const MAX_ADMINS: usize = 5;
/// Dialogs of one page, and of a request that names none.
const PAGE: u64 = 100;

/// `GET /chat/Dialog`
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    check_names(params, FIELDS, &["extensions", "data"])?;
    let mut page = Page::read(params, FIELDS, PAGE, PAGE);
    if page.sort.is_none() {
        page.sort = Some((
            "coalesce(dialogs.last_message_date_sent, dialogs.created_at)".into(),
            true,
        ));
    }
    let mut filter = dialogs::listed_for(user).and_request(params, FIELDS)?;
    filter_extensions(&mut filter, request)?;
    let filter = dialog_data::add_filter(filter, request)?;
    let only_count = params.flag("count");
    let (site, wanted) = (Arc::clone(&request.site), page.clone());
    let (items, total) = request
        .site
        .store
        .run(move |db| {
            let total = dialogs::count(db, &filter)?;
            if only_count {
                return Ok((Vec::new(), total));
            }
            let found = dialogs::list(db, &filter, &wanted)?;
            let items = found.iter().map(|dialog| shown(db, &site, dialog, user));
            Ok((items.collect::<rusqlite::Result<Vec<_>>>()?, total))
        })
        .await?;
    if only_count {
        return Ok(respond(StatusCode::OK, &json!({"items": {"count": total}})));
    }
    Ok(respond(
        StatusCode::OK,
        &json!({"total_entries": total, "skip": page.skip, "limit": page.limit, "items": items}),
    ))
}

/// `extensions[field]=…`, with operators or without (CH-13).
fn filter_extensions(filter: &mut Filter, request: &Request) -> Result<(), ApiError> {
    let Some(wanted) = request.params.get("extensions") else {
        return Ok(());
    };
    let wanted = wanted
        .as_object()
        .ok_or_else(|| ApiError::invalid("extensions", "needs a field: extensions[field]"))?;
    for (field, value) in wanted {
        let is_allowed = request.site.config.chat.dialog_extensions.contains(field);
        if !is_allowed {
            let rule = format!("{field:?} is none of this site's custom fields");
            return Err(ApiError::invalid("extensions", rule));
        }
        // The configuration allows only names that need no escaping.
        let column = format!("(dialogs.extensions ->> '$.\"{field}\"')");
        let name = format!("extensions[{field}]");
        filter.add_field(&name, &column, Kind::Text, value)?;
    }
    Ok(())
}

/// A dialog as a user sees it.
///
/// # Errors
/// SQLite's.
pub fn shown(
    connection: &Connection,
    site: &Site,
    dialog: &Dialog,
    viewer: UserId,
) -> rusqlite::Result<Json> {
    let fields = &site.config.chat.dialog_extensions;
    let mut json = dialog_json::of(connection, &site.realm, fields, dialog, viewer)?;
    if let Some(data) = dialog_data::shown(&site.classes, dialog) {
        json["data"] = data;
    }
    Ok(json)
}

/// `POST /chat/Dialog`
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let kind = kind(request)?;
    let mut people = user_ids(params, "occupants_ids")?;
    let mut admins = user_ids(params, "admins_ids")?;
    people.retain(|id| *id != user);
    admins.retain(|id| *id != user);
    let mut texts = texts(params, &request.site.config.chat.dialog_extensions)?;
    if kind == PRIVATE {
        let [other] = people.as_slice() else {
            let rule = "of a private dialog names one other user";
            return Err(ApiError::invalid("occupants_ids", rule));
        };
        return create_private(request, user, *other, texts).await;
    }
    if params.text("name").is_none() {
        return Err(ApiError::invalid("name", "can't be blank"));
    }
    if kind != GROUP {
        // Whoever subscribes, or everybody.
        people.clear();
    }
    check_admins(admins.len())?;
    check_occupants(&request.site, people.len() + admins.len() + 1)?;
    let (now, site) = (request.site.now(), Arc::clone(&request.site));
    let dialog = request.in_store(move |db| {
        let (people, admins) = (existing(db, &people)?, existing(db, &admins)?);
        dialog_data::settle(db, &site.classes, None, user, &mut texts)?;
        let dialog = dialogs::create(db, kind, user, &people, &admins, &texts, now)?;
        Ok(shown(db, &site, &dialog, user)?)
    });
    Ok(respond(StatusCode::CREATED, &dialog.await?))
}

fn kind(request: &Request) -> Result<u8, ApiError> {
    let text = request.params.text("type");
    let text = text.ok_or_else(|| ApiError::invalid("type", "can't be blank"))?;
    let kind = text
        .parse()
        .ok()
        .filter(|kind| (BROADCAST..=PUBLIC).contains(kind));
    // A meeting's dialog is made with its meeting.
    let kind = kind.ok_or_else(|| ApiError::invalid("type", "is none of 1, 2, 3 and 4"))?;
    let may_broadcast = request.site.config.chat.broadcast_by_users || request.has_admin_key();
    if kind == BROADCAST && !may_broadcast {
        let text = "Broadcast dialogs are created with the administration key on this site";
        return Err(ApiError::forbidden(text));
    }
    Ok(kind)
}

async fn create_private(
    request: &Request,
    user: UserId,
    other: UserId,
    mut texts: dialogs::Texts,
) -> Answer {
    let (now, site) = (request.site.now(), Arc::clone(&request.site));
    let dialog = request.in_store(move |db| {
        if existing(db, &[other])?.is_empty() {
            return Err(ApiError::invalid("occupants_ids", "no such user"));
        }
        dialog_data::settle(db, &site.classes, None, user, &mut texts)?;
        let is_new = dialogs::find_private(db, user, other)?.is_none();
        let mut dialog = dialogs::private_between(db, user, other, now)?;
        if is_new && (texts.extensions.is_some() || texts.data.is_some()) {
            let extensions = dialogs::Texts {
                extensions: texts.extensions,
                data: texts.data,
                ..dialogs::Texts::default()
            };
            dialogs::set_texts(db, &dialog.id, &extensions, now)?;
            dialog = load(db, &dialog.id)?;
        }
        // Asking for a dialog one had removed brings it back to the list.
        dialog_views::show(db, &dialog.id, user)?;
        Ok(shown(db, &site, &dialog, user)?)
    });
    Ok(respond(StatusCode::CREATED, &dialog.await?))
}

/// Those of these users who exist.
///
/// # Errors
/// SQLite's.
pub fn existing(connection: &Connection, ids: &[UserId]) -> rusqlite::Result<Vec<UserId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let known = users::by_ids(connection, ids)?;
    Ok(known.iter().map(|user| user.id).collect())
}

/// A dialog by its id, whoever asks.
///
/// # Errors
/// 404.
pub fn load(connection: &Connection, id: &str) -> Result<Dialog, ApiError> {
    dialogs::load(connection, id)?.ok_or_else(|| ApiError::not_found("Dialog not found"))
}

/// A dialog the user is in. Strangers learn nothing, not even that it exists.
///
/// # Errors
/// 404.
pub fn load_own(connection: &Connection, id: &str, user: UserId) -> Result<Dialog, ApiError> {
    load(connection, id).and_then(|dialog| {
        let own = dialog.has(user).then_some(dialog);
        own.ok_or_else(|| ApiError::not_found("Dialog not found"))
    })
}

/// Checks how many administrators there would be.
///
/// # Errors
/// 422 for too many.
pub fn check_admins(count: usize) -> Result<(), ApiError> {
    if count > MAX_ADMINS {
        let rule = format!("are more than {MAX_ADMINS}");
        return Err(ApiError::invalid("admins_ids", rule));
    }
    Ok(())
}

/// Checks how many people there would be.
///
/// # Errors
/// 422 for more than the site allows in a dialog.
pub fn check_occupants(site: &Site, count: usize) -> Result<(), ApiError> {
    let limit = site.config.limits.occupants;
    if count > limit {
        let rule = format!("are more than {limit}");
        return Err(ApiError::invalid("occupants_ids", rule));
    }
    Ok(())
}
