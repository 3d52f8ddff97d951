//! `GET /chat/Message` and the unread counts (wire reference E.3; CH-15, CH-30…CH-33).

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::dialog_removal::MAX_IDS;
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, json as respond};
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, FIELDS};
use crate::hub::store::query::{Filter, Page, check_names};
use crate::hub::store::{occupants, receipts};
use crate::protocol::address::UserId;

/// Messages a page has unless the request says otherwise, and at most.
const PAGE: u64 = 100;
const MAX_PAGE: u64 = 1_000;
/// Messages of a preview (CH-15).
const PREVIEW: u64 = 20;

/// What a list request found.
enum Found {
    Items(Vec<Json>),
    Count(u64),
}

/// `GET /chat/Message`: oldest first, and read from now on unless `mark_as_read=0` (CH-32).
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let dialog = params.text("chat_dialog_id");
    let dialog = dialog.ok_or_else(|| ApiError::invalid("chat_dialog_id", "can't be blank"))?;
    if params.flag("preview") {
        return preview(request, user, dialog).await;
    }
    check_names(params, FIELDS, &[])?;
    let mut page = Page::read(params, FIELDS, PAGE, MAX_PAGE);
    if page.sort.is_none() {
        page.sort = Some(("m.date_sent".into(), false));
    }
    let mark = params.text("mark_as_read").as_deref() != Some("0");
    let only_count = params.flag("count");
    let asked = Filter::default().and_request(params, FIELDS)?;
    let (wanted, now) = (page.clone(), request.site.now());
    let found = request.in_store(move |db| {
        // The widget asks for dialogs it has only planned: an empty list, not an error [V].
        if dialogs::kind(db, &dialog)?.is_none() {
            return Ok(Found::Items(Vec::new()));
        }
        if !occupants::has(db, &dialog, user)? {
            return Err(ApiError::forbidden("You are not in this dialog"));
        }
        let filter = messages::visible_in(db, &dialog, user)?.and_filter(asked);
        if only_count {
            return Ok(Found::Count(messages::count(db, &filter)?));
        }
        let items = messages::list(db, user, &filter, &wanted)?;
        if mark {
            mark_as_read(db, user, &dialog, &items, now)?;
        }
        Ok(Found::Items(items))
    });
    let body = match found.await? {
        Found::Count(count) => json!({"items": {"count": count}}),
        Found::Items(items) => json!({"skip": page.skip, "limit": page.limit, "items": items}),
    };
    Ok(respond(StatusCode::OK, &body))
}

fn mark_as_read(
    db: &Connection,
    user: UserId,
    dialog: &str,
    items: &[Json],
    now: i64,
) -> rusqlite::Result<()> {
    let ids: Vec<String> = items
        .iter()
        .filter(|item| item["read"] == 0 && item["sender_id"] != json!(user))
        .filter_map(|item| Some(item["_id"].as_str()?.to_owned()))
        .collect();
    receipts::mark(db, user, dialog, Some(&ids), true, now)
}

/// The last messages of a dialog that allows it, for users who are not in it: read by nobody.
async fn preview(request: &Request, user: UserId, dialog: String) -> Answer {
    let items = request.in_store(move |db| {
        let dialog = super::dialogs::load(db, &dialog)?;
        if !dialog.has(user) && !allows_preview(&dialog, user) {
            return Err(ApiError::forbidden("This dialog has no preview"));
        }
        let filter = messages::visible_in(db, &dialog.id, user)?;
        let page = Page {
            limit: PREVIEW,
            skip: 0,
            sort: Some(("m.date_sent".into(), true)),
        };
        let mut items = messages::list(db, user, &filter, &page)?;
        items.reverse();
        Ok(items)
    });
    let items = items.await?;
    let body = json!({"skip": 0, "limit": PREVIEW, "items": items});
    Ok(respond(StatusCode::OK, &body))
}

fn allows_preview(dialog: &Dialog, user: UserId) -> bool {
    let permissions: Option<Json> = dialog
        .permissions
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    !dialog.blocked.contains(&user) && permissions.is_some_and(|all| all["allow_preview"] == true)
}

/// `GET /chat/Message/unread`
pub async fn unread(request: &Request) -> Answer {
    let user = request.user().await?;
    let mut wanted = request.params.texts("chat_dialog_ids");
    // One of the SDKs' guides has this name.
    wanted.extend(request.params.texts("dialogs_ids"));
    if wanted.len() > MAX_IDS {
        let rule = format!("are more than {MAX_IDS}");
        return Err(ApiError::invalid("chat_dialog_ids", rule));
    }
    let counts = request.in_store(move |db| {
        let mut counts = Map::new();
        let all = receipts::unread_by_dialog(db, user)?;
        if wanted.is_empty() {
            let total: u64 = all.iter().map(|(_, count)| count).sum();
            counts.insert("total".to_owned(), json!(total));
            return Ok(counts);
        }
        let mut total = 0;
        for dialog in wanted {
            if counts.contains_key(&dialog) || !is_counted(db, &dialog, user)? {
                continue;
            }
            let count = all.iter().find(|(id, _)| *id == dialog);
            let count = count.map_or(0, |(_, count)| *count);
            total += count;
            counts.insert(dialog, json!(count));
        }
        counts.insert("total".to_owned(), json!(total));
        Ok(counts)
    });
    Ok(respond(StatusCode::OK, &Json::Object(counts.await?)))
}

/// Only private and group dialogs have unread messages (CH-33).
fn is_counted(db: &Connection, dialog: &str, user: UserId) -> rusqlite::Result<bool> {
    let kind = dialogs::kind(db, dialog)?;
    Ok(kind.is_some_and(dialogs::has_receipts) && occupants::has(db, dialog, user)?)
}
