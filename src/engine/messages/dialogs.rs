//! Dialogs: the list from the history, changes by the hub.

use serde_json::{Value, json};

use super::super::chat_command::{
    CreateDialog, DialogKind, ListDialogs, Notifications, OneDialog, UpdateDialog,
};
use super::super::command::{CommandError, ErrorCode, UserRef};
use super::super::directory::resolve_all;
use super::super::wiring::Wiring;
use super::{invalid, of_rest, of_store};
use crate::protocol::rest::Dialog;
use crate::rest::{DialogAbout, DialogLists, DialogUpdate, NewDialog};

pub(super) async fn list(wiring: &Wiring, list: ListDialogs) -> Result<Value, CommandError> {
    let dialogs = wiring.history.dialogs(list.limit, list.skip).await;
    let dialogs = dialogs.map_err(of_store)?;
    let dialogs: Vec<Value> = dialogs.iter().map(shown).collect();
    Ok(json!({ "dialogs": dialogs }))
}

/// A dialog as replies show it.
fn shown(dialog: &Dialog) -> Value {
    let kind = match dialog.kind {
        1 => "broadcast",
        2 => "group",
        3 => "private",
        4 => "public",
        _ => "other",
    };
    let other = |name: &str| dialog.other.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "dialog": dialog.id,
        "kind": kind,
        "name": dialog.name,
        "description": other("description"),
        "photo": other("photo"),
        "owner": dialog.user_id,
        "users": dialog.occupants_ids,
        "admins": other("admins_ids"),
        "pinned": other("pinned_messages_ids"),
        "extensions": other("extensions"),
        "allow_preview": other("permissions")["allow_preview"],
        "last_message": other("last_message"),
        "last_date": dialog.last_message_date_sent,
    })
}

/// Into the history, and out as a reply.
async fn kept(wiring: &Wiring, dialog: Dialog) -> Result<Value, CommandError> {
    let reply = json!({ "dialog": dialog.id, "details": shown(&dialog) });
    let put = wiring.history.put_dialogs(vec![dialog]).await;
    put.map_err(of_store)?;
    Ok(reply)
}

pub(super) async fn create(wiring: &Wiring, new: CreateDialog) -> Result<Value, CommandError> {
    let users = resolve_all(wiring, &new.users).await?;
    let name = new.name.unwrap_or_default();
    let about = DialogAbout {
        description: new.description,
        extensions: (!new.extensions.is_empty()).then_some(Some(new.extensions)),
        allow_preview: new.allow_preview,
    };
    let new = match (new.kind, users.as_slice()) {
        (DialogKind::Private, [user]) => NewDialog::Private(*user),
        (DialogKind::Private, _) => {
            return Err(invalid("users: a private dialog has exactly one".into()));
        }
        (DialogKind::Group, _) => NewDialog::Group {
            name,
            occupants: users,
        },
        (DialogKind::Public, _) => NewDialog::Public { name },
        (DialogKind::Broadcast, _) => NewDialog::Broadcast { name },
    };
    let dialog = wiring.rest.create_dialog(&new, &about).await;
    kept(wiring, dialog.map_err(of_rest)?).await
}

pub(super) async fn update(wiring: &Wiring, update: UpdateDialog) -> Result<Value, CommandError> {
    let ids = async |users: &[UserRef]| resolve_all(wiring, users).await;
    let change = DialogUpdate {
        push: DialogLists {
            occupants: ids(&update.add_users).await?,
            admins: ids(&update.add_admins).await?,
            pinned_messages: update.pin,
        },
        pull: DialogLists {
            occupants: ids(&update.remove_users).await?,
            admins: ids(&update.remove_admins).await?,
            pinned_messages: update.unpin,
        },
        name: update.name,
        about: DialogAbout {
            description: update.description,
            extensions: update.extensions,
            allow_preview: update.allow_preview,
        },
        photo: update.photo,
    };
    let changed = wiring.rest.update_dialog(&update.dialog, &change).await;
    kept(wiring, changed.map_err(of_rest)?).await
}

/// Out of a group by removing oneself, out of a public dialog by unsubscribing.
pub(super) async fn leave(wiring: &Wiring, dialog: &str) -> Result<Value, CommandError> {
    let known = wiring.history.dialog(dialog).await.map_err(of_store)?;
    let me = wiring
        .user()
        .ok_or_else(|| CommandError::new(ErrorCode::Unavailable, "not logged in at the hub yet"))?;
    let left = match known.map(|known| known.kind) {
        Some(4) => wiring.rest.unsubscribe(dialog).await,
        Some(2) => {
            let change = DialogUpdate {
                pull: DialogLists {
                    occupants: vec![me],
                    ..DialogLists::default()
                },
                ..DialogUpdate::default()
            };
            wiring.rest.update_dialog(dialog, &change).await.map(drop)
        }
        Some(_) => {
            let rule = "dialog: only group and public dialogs can be left";
            return Err(CommandError::new(ErrorCode::WrongState, rule));
        }
        None => {
            let text = format!("there is no dialog {dialog}");
            return Err(CommandError::new(ErrorCode::NotFound, text));
        }
    };
    left.map_err(of_rest)?;
    forget(wiring, dialog).await
}

async fn forget(wiring: &Wiring, dialog: &str) -> Result<Value, CommandError> {
    let forgotten = wiring.history.forget_dialog(dialog).await;
    forgotten.map_err(of_store)?;
    Ok(json!({ "dialog": dialog }))
}

pub(super) async fn delete(wiring: &Wiring, one: OneDialog) -> Result<Value, CommandError> {
    let ids = [one.dialog.clone()];
    let outcome = wiring.rest.delete_dialogs(&ids, one.for_all).await;
    let outcome = outcome.map_err(of_rest)?;
    if !outcome.forbidden.is_empty() {
        let rule = "the role in this dialog does not allow it";
        return Err(CommandError::new(ErrorCode::NotAllowed, rule));
    }
    forget(wiring, &one.dialog).await
}

pub(super) async fn clear(wiring: &Wiring, one: OneDialog) -> Result<Value, CommandError> {
    let cleared = wiring.rest.clear_history(&one.dialog, one.for_all).await;
    cleared.map_err(of_rest)?;
    let cleared = wiring.history.clear_dialog(&one.dialog).await;
    cleared.map_err(of_store)?;
    Ok(json!({ "dialog": one.dialog }))
}

pub(super) async fn subscribe(wiring: &Wiring, dialog: &str) -> Result<Value, CommandError> {
    let dialog = wiring.rest.subscribe(dialog).await.map_err(of_rest)?;
    kept(wiring, dialog).await
}

pub(super) async fn occupants(wiring: &Wiring, dialog: &str) -> Result<Value, CommandError> {
    let users = wiring.rest.occupants(dialog, 100, 0).await;
    Ok(json!({ "users": users.map_err(of_rest)? }))
}

pub(super) async fn notifications(
    wiring: &Wiring,
    wanted: Notifications,
) -> Result<Value, CommandError> {
    let enabled = wiring
        .rest
        .notifications(&wanted.dialog, wanted.enabled)
        .await
        .map_err(of_rest)?;
    Ok(json!({ "dialog": wanted.dialog, "enabled": enabled }))
}
