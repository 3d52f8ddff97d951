//! The dialog object of wire reference E.3, as one user sees it (CH-01).

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::dialogs::{BROADCAST, Dialog, GROUP, LastMessage, MEETING, PRIVATE, PUBLIC};
use super::{messages, receipts, users};
use crate::hub::clock::iso8601;
use crate::hub::roles::Action;
use crate::protocol::address::{Realm, UserId};

/// A dialog as `viewer` sees it. `fields` are the custom fields the site allows; others are not
/// shown, so that taking one from the configuration removes it from all dialogs (CH-13).
pub fn of(
    connection: &Connection,
    realm: &Realm,
    fields: &[String],
    dialog: &Dialog,
    viewer: UserId,
) -> rusqlite::Result<Json> {
    let last = messages::last_visible(connection, dialog, viewer)?;
    let mut json = json!({
        "_id": dialog.id,
        "type": dialog.kind,
        "user_id": dialog.owner,
        "name": dialog.name,
        "description": dialog.description,
        "photo": dialog.photo,
        "created_at": iso8601(dialog.created_at),
        "updated_at": iso8601(dialog.updated_at),
        "last_message": last.as_ref().map(|last| &last.body),
        "last_message_id": last.as_ref().map(|last| &last.id),
        "last_message_user_id": last.as_ref().map(|last| last.sender),
        "last_message_date_sent": last.as_ref().map(|last| last.date_sent),
        "last_message_status": status(connection, dialog, last.as_ref(), viewer)?,
        "unread_messages_count": receipts::unread(connection, viewer, &dialog.id)?,
        "occupants_ids": dialog.occupants,
        "occupants_count": dialog.occupants.len(),
        "admins_ids": dialog.admins,
        "pinned_messages_ids": dialog.pinned,
        "extensions": allowed(dialog.extensions.as_deref(), fields),
        "permissions": nested(dialog.permissions.as_deref()),
        "xmpp_room_jid": realm.room(&dialog.id),
    });
    match dialog.kind {
        PRIVATE => {
            let partner = dialog.partner(viewer);
            let partner = partner.map_or(Ok(None), |user| users::by_id(connection, user))?;
            let photo = partner
                .as_ref()
                .map(|user| user.json()["avatar"].clone())
                .unwrap_or_default();
            json["name"] = json!(partner.and_then(|user| user.full_name));
            json["photo"] = photo;
            json["xmpp_room_jid"] = Json::Null;
        }
        // Too many to list; a public dialog's are at `/occupants` (CH-27).
        PUBLIC => json["occupants_ids"] = json!([]),
        BROADCAST => {
            json["occupants_ids"] = json!([]);
            json["occupants_count"] = json!(all_users(connection)?);
        }
        _ => {}
    }
    if dialog.may(viewer, Action::Block) {
        json["blocked_ids"] = json!(dialog.blocked);
    }
    Ok(json)
}

/// `sent`, `delivered` or `read` for the viewer's own message where messages have receipts.
fn status(
    connection: &Connection,
    dialog: &Dialog,
    last: Option<&LastMessage>,
    viewer: UserId,
) -> rusqlite::Result<Option<&'static str>> {
    let own = last.filter(|last| last.sender == viewer);
    match (own, dialog.kind) {
        (Some(last), GROUP | PRIVATE | MEETING) => {
            receipts::status(connection, &last.id, viewer).map(Some)
        }
        _ => Ok(None),
    }
}

/// Everybody is in a broadcast dialog.
fn all_users(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM users")?
        .query_row([], |row| row.get(0))
}

fn nested(text: Option<&str>) -> Json {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Json::Null)
}

fn allowed(text: Option<&str>, fields: &[String]) -> Json {
    let Json::Object(all) = nested(text) else {
        return Json::Null;
    };
    let kept: Map<String, Json> = all
        .into_iter()
        .filter(|(name, _)| fields.contains(name))
        .collect();
    if kept.is_empty() {
        return Json::Null;
    }
    Json::Object(kept)
}
