//! `/chat/Dialog` (wire reference E.3; CH-01…CH-23).

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::store::dialogs::{self, Dialog, FIELDS, GROUP, PRIVATE, Texts};
use crate::hub::store::query::{Filter, Page};
use crate::hub::store::users;
use crate::hub::xmpp::kick;
use crate::protocol::address::UserId;

/// Characters of a name, a photo's address or a description.
const MAX_TEXT: usize = 2_000;
/// Bytes of `extensions` or `permissions`.
const MAX_NESTED: usize = 8 * 1024;
/// Messages one dialog may pin.
const MAX_PINNED: usize = 100;

/// `GET /chat/Dialog`
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let mut page = Page::read(&request.params, FIELDS, 100, 100);
    if page.sort.is_none() {
        page.sort = Some((
            "coalesce(dialogs.last_message_date_sent, dialogs.created_at)",
            true,
        ));
    }
    let mut filter = Filter::default().and_request(&request.params, FIELDS)?;
    // `occupants_ids[all]=a,b`: the dialogs all of them are in.
    if let Some(wanted) = request.params.get("occupants_ids") {
        let operator = if wanted.get("all").is_some() {
            "all"
        } else {
            "in"
        };
        let ids = match wanted {
            Json::Object(_) => wanted.ids(operator),
            _ => request.params.ids("occupants_ids"),
        };
        filter = with_occupants(filter, &ids, operator == "all");
    }
    let realm = request.site.realm.clone();
    let only_count = request.params.flag("count");
    let wanted = page.clone();
    let (items, total) = request
        .site
        .store
        .run(move |db| {
            let (found, total) = dialogs::list(db, user, filter, &wanted)?;
            let items = found.iter().map(|dialog| dialog.json_for(db, &realm, user));
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

fn with_occupants(filter: Filter, ids: &[UserId], all: bool) -> Filter {
    let marks = vec!["?"; ids.len()].join(", ");
    let least = if all { ids.len() } else { 1 };
    let condition = format!(
        "(SELECT count(*) FROM occupants x WHERE x.dialog_id = dialogs.id
          AND x.user_id IN ({marks})) >= {least}"
    );
    filter.and(&condition, ids.iter().map(|id| (*id as i64).into()))
}

/// `POST /chat/Dialog`
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let kind = params.number("type").unwrap_or(i64::from(GROUP));
    let kind = u8::try_from(kind)
        .ok()
        .filter(|kind| (1..=5).contains(kind));
    let kind = kind.ok_or_else(|| ApiError::invalid("type", "is none of 1 to 5"))?;
    let mut occupants = params.ids("occupants_ids");
    occupants.retain(|id| *id != user);
    let admins = params.ids("admins_ids");
    let texts = texts_of(params)?;
    if kind == PRIVATE && occupants.len() != 1 {
        return Err(ApiError::invalid(
            "occupants_ids",
            "of a private dialog names one other user",
        ));
    }
    if kind == GROUP && params.text("name").is_none() && occupants.is_empty() {
        return Err(ApiError::invalid(
            "base",
            "a group needs a name or occupants",
        ));
    }
    check_count(request, occupants.len() + admins.len() + 1)?;
    let (now, realm) = (request.site.now(), request.site.realm.clone());
    let created = request
        .site
        .store
        .run(move |db| {
            let known = users::by_ids(db, &occupants)?;
            let known: Vec<UserId> = known.iter().map(|user| user.id).collect();
            let dialog = if kind == PRIVATE {
                let Some(other) = known.first() else {
                    return Ok(None);
                };
                dialogs::private_between(db, user, *other, now)?
            } else {
                let admins: Vec<UserId> = users::by_ids(db, &admins)?
                    .iter()
                    .map(|user| user.id)
                    .collect();
                dialogs::create(db, kind, user, &known, &admins, &texts, now)?
            };
            if kind == PRIVATE {
                // Asking for a dialog one had removed brings it back to the list.
                dialogs::add_occupants(db, &dialog.id, &[user], now)?;
            }
            dialog.json_for(db, &realm, user).map(Some)
        })
        .await?;
    let dialog = created.ok_or_else(|| ApiError::invalid("occupants_ids", "no such user"))?;
    Ok(respond(StatusCode::CREATED, &dialog))
}

/// `PUT /chat/Dialog/{id}` and `PUT /chat/Dialog/{id}/admins`
pub async fn update(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let dialog = load(request, id, user).await?;
    let change = Change::read(request, &dialog, user)?;
    let (now, realm, id) = (
        request.site.now(),
        request.site.realm.clone(),
        dialog.id.clone(),
    );
    let removed = change.remove.clone();
    let updated = request
        .site
        .store
        .run(move |db| {
            let known = users::by_ids(db, &change.add)?;
            let known: Vec<UserId> = known.iter().map(|user| user.id).collect();
            dialogs::set_texts(db, &id, &change.texts, now)?;
            dialogs::add_occupants(db, &id, &known, now)?;
            dialogs::remove_occupants(db, &id, &change.remove)?;
            dialogs::set_admins(db, &id, &change.admins, true)?;
            dialogs::set_admins(db, &id, &change.no_admins, false)?;
            if let Some(pinned) = &change.pinned {
                dialogs::set_pinned(db, &id, pinned)?;
            }
            let dialog = dialogs::load(db, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            dialog.json_for(db, &realm, user)
        })
        .await?;
    for victim in removed {
        kick(&request.site, &dialog.id, victim, user);
    }
    Ok(respond(StatusCode::OK, &updated))
}

/// `DELETE /chat/Dialog/{id}[,{id}…]`: from the own list, or with `force=1` for everybody.
pub async fn delete(request: &Request, ids: &str) -> Answer {
    let user = request.user().await?;
    let force = request.params.flag("force");
    let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
    let is_single = ids.len() == 1;
    let outcome = request
        .site
        .store
        .run(move |db| {
            let mut outcome = [Vec::new(), Vec::new(), Vec::new()];
            for id in ids {
                let dialog = dialogs::load(db, &id)?.filter(|dialog| dialog.has(user));
                let place = match dialog {
                    None => 1,
                    Some(dialog) if force && dialog.owner != user => 2,
                    Some(dialog) => {
                        remove(db, &dialog, user, force)?;
                        0
                    }
                };
                outcome[place].push(id);
            }
            Ok(outcome)
        })
        .await?;
    let [deleted, missing, refused] = outcome;
    if !is_single {
        return Ok(respond(
            StatusCode::OK,
            &json!({
                "SuccessfullyDeleted": {"ids": deleted},
                "NotFound": {"ids": missing},
                "WrongPermissions": {"ids": refused},
            }),
        ));
    }
    if !missing.is_empty() {
        return Err(ApiError::not_found("Dialog not found"));
    }
    if !refused.is_empty() {
        return Err(ApiError::forbidden(
            "Only its owner can delete a dialog for everybody",
        ));
    }
    Ok(done())
}

fn remove(
    db: &rusqlite::Connection,
    dialog: &Dialog,
    user: UserId,
    force: bool,
) -> rusqlite::Result<()> {
    if force {
        dialogs::delete(db, &dialog.id)
    } else if dialog.kind == PRIVATE {
        dialogs::hide(db, &dialog.id, user)
    } else {
        dialogs::remove_occupants(db, &dialog.id, &[user])
    }
}

/// The dialog, if the user is in it. Strangers learn nothing, not even that it exists.
async fn load(request: &Request, id: &str, user: UserId) -> Result<Dialog, ApiError> {
    let id = id.to_owned();
    let found = request
        .site
        .store
        .run(move |db| dialogs::load(db, &id))
        .await?;
    found
        .filter(|dialog| dialog.has(user))
        .ok_or_else(|| ApiError::not_found("Dialog not found"))
}

struct Change {
    texts: Texts,
    add: Vec<UserId>,
    remove: Vec<UserId>,
    admins: Vec<UserId>,
    no_admins: Vec<UserId>,
    pinned: Option<Vec<String>>,
}

impl Change {
    fn read(request: &Request, dialog: &Dialog, user: UserId) -> Result<Self, ApiError> {
        let params = &request.params;
        let nothing = Json::Null;
        let push = params.get("push_all").unwrap_or(&nothing);
        let pull = params.get("pull_all").unwrap_or(&nothing);
        let change = Self {
            texts: texts_of(params)?,
            add: push.ids("occupants_ids"),
            remove: pull.ids("occupants_ids"),
            admins: push.ids("admins_ids"),
            no_admins: pull.ids("admins_ids"),
            pinned: pinned(dialog, push, pull)?,
        };
        let changes_people = !change.add.is_empty() || !change.remove.is_empty();
        if dialog.kind == PRIVATE && changes_people {
            return Err(ApiError::forbidden("A private dialog keeps its two people"));
        }
        let removes_others = change.remove.iter().any(|id| *id != user);
        if removes_others && !dialog.is_run_by(user) {
            return Err(ApiError::forbidden("Only administrators can remove others"));
        }
        if change.remove.contains(&dialog.owner) && user != dialog.owner {
            return Err(ApiError::forbidden("The owner cannot be removed"));
        }
        let changes_admins = !change.admins.is_empty() || !change.no_admins.is_empty();
        if changes_admins && dialog.owner != user {
            return Err(ApiError::forbidden(
                "Only the owner can change administrators",
            ));
        }
        if change.pinned.is_some() && !dialog.is_run_by(user) {
            return Err(ApiError::forbidden("Only administrators can pin messages"));
        }
        // In a group everybody may name it and invite (CH-16, CH-17); other kinds are run.
        let is_run = dialog.kind != GROUP && dialog.kind != PRIVATE;
        if is_run && !dialog.is_run_by(user) && (!change.remove.contains(&user)) {
            return Err(ApiError::forbidden(
                "Only administrators can change this dialog",
            ));
        }
        check_count(request, dialog.occupants.len() + change.add.len())?;
        Ok(change)
    }
}

fn pinned(dialog: &Dialog, push: &Json, pull: &Json) -> Result<Option<Vec<String>>, ApiError> {
    let (add, remove) = (
        push.texts("pinned_messages_ids"),
        pull.texts("pinned_messages_ids"),
    );
    if add.is_empty() && remove.is_empty() {
        return Ok(None);
    }
    let mut pinned = dialog.pinned.clone();
    pinned.retain(|id| !remove.contains(id) && !add.contains(id));
    pinned.extend(add);
    if pinned.len() > MAX_PINNED {
        let text = format!("has more than {MAX_PINNED} messages");
        return Err(ApiError::invalid("pinned_messages_ids", text));
    }
    Ok(Some(pinned))
}

fn check_count(request: &Request, count: usize) -> Result<(), ApiError> {
    let limit = request.site.config.limits.occupants;
    if count > limit {
        return Err(ApiError::invalid(
            "occupants_ids",
            format!("are more than {limit}"),
        ));
    }
    Ok(())
}

fn texts_of(params: &Json) -> Result<Texts, ApiError> {
    for name in ["name", "description", "photo"] {
        let length = params.text(name).map_or(0, |text| text.chars().count());
        if length > MAX_TEXT {
            return Err(ApiError::invalid(
                name,
                format!("is longer than {MAX_TEXT} characters"),
            ));
        }
    }
    for name in ["extensions", "permissions"] {
        let length = params.get(name).map_or(0, |value| value.to_string().len());
        if length > MAX_NESTED {
            return Err(ApiError::invalid(
                name,
                format!("is larger than {MAX_NESTED} bytes"),
            ));
        }
    }
    let get = |name: &str| params.get(name).cloned();
    Ok(Texts {
        name: get("name"),
        description: get("description"),
        photo: get("photo"),
        extensions: get("extensions"),
        permissions: get("permissions"),
    })
}
