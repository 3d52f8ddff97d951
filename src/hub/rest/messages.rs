//! `/chat/Message` (wire reference E.3; CH-30…CH-36).

use actix_web::http::StatusCode;
use minidom::Element;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::store::dialogs::{self, Dialog, PRIVATE};
use crate::hub::store::messages::{self, FIELDS, Insertion, NewMessage};
use crate::hub::store::query::{Filter, Page};
use crate::hub::store::users;
use crate::hub::xmpp::delivery;
use crate::protocol::address::UserId;
use crate::protocol::extra_params::{ExtraParamsBuilder, text_element};
use crate::protocol::ns;
use crate::protocol::xml::{SetAttribute, clean_text};

/// Ids one request may name.
const MAX_IDS: usize = 1_000;

/// `GET /chat/Message`: oldest first, and read from now on unless `mark_as_read=0` (CH-32).
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let dialog = params.text("chat_dialog_id");
    let dialog = dialog.ok_or_else(|| ApiError::invalid("chat_dialog_id", "can't be blank"))?;
    let mut page = Page::read(params, FIELDS, 100, 1_000);
    if page.sort.is_none() {
        page.sort = Some(("m.date_sent", false));
    }
    let mark = params.text("mark_as_read").as_deref() != Some("0");
    let only_count = params.flag("count");
    let filter = Filter::default()
        .and("m.dialog_id = ?", [dialog.clone().into()])
        .and_request(params, FIELDS)?;
    let wanted = page.clone();
    let found = request
        .site
        .store
        .run(move |db| {
            // The widget asks for dialogs it has only planned: an empty list, not an error [V].
            let Some(found) = dialogs::load(db, &dialog)? else {
                return Ok(Some((Vec::new(), 0)));
            };
            if !found.has(user) {
                return Ok(None);
            }
            if only_count {
                return Ok(Some((Vec::new(), messages::count(db, &filter)?)));
            }
            let items = messages::list(db, user, &filter, &wanted)?;
            if mark {
                let ids: Vec<String> = items
                    .iter()
                    .filter_map(|item| Some(item.get("_id")?.as_str()?.to_owned()))
                    .collect();
                messages::mark(db, user, &dialog, Some(&ids), true)?;
            }
            Ok(Some((items, 0)))
        })
        .await?;
    let (items, count) = found.ok_or_else(|| ApiError::forbidden("You are not in this dialog"))?;
    if only_count {
        return Ok(respond(StatusCode::OK, &json!({"items": {"count": count}})));
    }
    Ok(respond(
        StatusCode::OK,
        &json!({"skip": page.skip, "limit": page.limit, "items": items}),
    ))
}

/// `POST /chat/Message`: into the history, and with `send_to_chat=1` to the dialog's people.
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let dialog = target(request, user).await?;
    let is_private = dialog.kind == PRIVATE;
    let recipient = dialog
        .occupants
        .iter()
        .copied()
        .find(|id| is_private && *id != user);
    let new = NewMessage {
        id: ObjectId::generate().to_string(),
        dialog_id: dialog.id.clone(),
        sender: user,
        recipient,
        body: params.text("message").map(|text| clean_text(&text)),
        date_sent: request.site.now(),
        attachments: attachments(params),
        custom: custom(params),
    };
    let stanza = params
        .flag("send_to_chat")
        .then(|| stanza_of(request, &dialog, &new, params.flag("markable")));
    let id = new.id.clone();
    let insertion = delivery::post(&request.site, dialog, new, stanza).await?;
    if insertion != Insertion::New {
        return Err(ApiError::internal("a fresh message id was in use"));
    }
    let stored = request
        .site
        .store
        .run(move |db| messages::load(db, &id, user))
        .await?;
    let message = stored.ok_or_else(|| ApiError::internal("the message is gone"))?;
    Ok(respond(StatusCode::CREATED, &message))
}

/// `PUT /chat/Message[/{id},…]`: marks as read or delivered, or changes the own text. Without
/// ids it is about the whole dialog.
pub async fn update(request: &Request, ids: Option<&str>) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let ids: Option<Vec<String>> = ids.map(|ids| {
        ids.split(',')
            .map(|id| id.trim().to_owned())
            .take(MAX_IDS)
            .collect()
    });
    let dialog = params.text("chat_dialog_id");
    let (read, delivered) = (params.flag("read"), params.flag("delivered"));
    let body = params.text("message").map(|text| clean_text(&text));
    let now = request.site.now();
    let outcome = request
        .site
        .store
        .run(move |db| {
            let first = ids.as_ref().and_then(|ids| ids.first());
            let place = first
                .map(|id| messages::place(db, id))
                .transpose()?
                .flatten();
            let dialog = dialog.or_else(|| place.map(|(dialog, _)| dialog));
            let Some(dialog) = dialog else {
                return Ok(Err(Refused::Missing));
            };
            let is_member = dialogs::load(db, &dialog)?.is_some_and(|dialog| dialog.has(user));
            if !is_member {
                return Ok(Err(Refused::Missing));
            }
            if read || delivered {
                messages::mark(db, user, &dialog, ids.as_deref(), read)?;
            }
            if let Some(body) = body {
                for id in ids.iter().flatten() {
                    if !messages::edit(db, user, id, &body, now)? {
                        return Ok(Err(Refused::NotAuthor));
                    }
                }
            }
            Ok(Ok(()))
        })
        .await?;
    match outcome {
        Ok(()) => Ok(done()),
        Err(Refused::Missing) => Err(ApiError::not_found("Message not found")),
        Err(Refused::NotAuthor) => Err(ApiError::forbidden("You can change only your messages")),
    }
}

enum Refused {
    Missing,
    NotAuthor,
}

/// `GET /chat/Message/unread`
pub async fn unread(request: &Request) -> Answer {
    let user = request.user().await?;
    let mut wanted = request.params.texts("chat_dialog_ids");
    wanted.truncate(MAX_IDS);
    let counts = request
        .site
        .store
        .run(move |db| {
            let page = Page {
                limit: 10_000,
                skip: 0,
                sort: None,
            };
            let (mine, _) = dialogs::list(db, user, Filter::default(), &page)?;
            let mut total = 0;
            let mut counts = Map::new();
            for dialog in mine
                .iter()
                .filter(|one| wanted.is_empty() || wanted.contains(&one.id))
            {
                let count = messages::unread(db, user, &dialog.id)?;
                total += count;
                if !wanted.is_empty() {
                    counts.insert(dialog.id.clone(), json!(count));
                }
            }
            counts.insert("total".to_owned(), json!(total));
            Ok(counts)
        })
        .await?;
    Ok(respond(StatusCode::OK, &Json::Object(counts)))
}

/// The dialog a new message goes to; a private one is made if there is none.
async fn target(request: &Request, user: UserId) -> Result<Dialog, ApiError> {
    let params = &request.params;
    let now = request.site.now();
    if let Some(id) = params.text("chat_dialog_id") {
        let found = request
            .site
            .store
            .run(move |db| dialogs::load(db, &id))
            .await?;
        let dialog = found.filter(|dialog| dialog.has(user));
        let dialog = dialog.ok_or_else(|| ApiError::not_found("Dialog not found"))?;
        if dialog.kind == dialogs::BROADCAST && !dialog.is_run_by(user) {
            return Err(ApiError::forbidden("Only administrators write here"));
        }
        return Ok(dialog);
    }
    let recipient = params.ids("recipient_id").first().copied();
    let recipient = recipient
        .ok_or_else(|| ApiError::invalid("base", "chat_dialog_id or recipient_id is needed"))?;
    let found = request.site.store.run(move |db| {
        if users::by_id(db, recipient)?.is_none() {
            return Ok(None);
        }
        dialogs::private_between(db, user, recipient, now).map(Some)
    });
    found
        .await?
        .ok_or_else(|| ApiError::not_found("User not found"))
}

/// A list, or an object with numbers for keys.
fn attachments(params: &Json) -> Vec<Json> {
    let items: Vec<Json> = match params.get("attachments") {
        Some(Json::Array(items)) => items.clone(),
        Some(Json::Object(items)) => items.values().cloned().collect(),
        _ => Vec::new(),
    };
    items.into_iter().filter(Json::is_object).collect()
}

/// Everything that is no parameter of the request itself is a custom field of the message.
fn custom(params: &Json) -> Map<String, Json> {
    const OWN: &[&str] = &[
        "chat_dialog_id",
        "recipient_id",
        "message",
        "attachments",
        "send_to_chat",
        "markable",
        "silent",
        "save_to_history",
        "dialog_id",
        "date_sent",
    ];
    let Json::Object(params) = params else {
        return Map::new();
    };
    params
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()) && is_element_name(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Custom names become elements, so they must be XML names; this is the part all clients use.
fn is_element_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn stanza_of(request: &Request, dialog: &Dialog, new: &NewMessage, markable: bool) -> Element {
    let realm = &request.site.realm;
    let (kind, from, to) = match new.recipient {
        Some(user) => (
            "chat",
            format!("{}/rest", realm.user(new.sender)),
            realm.user(user),
        ),
        None => (
            "groupchat",
            realm.occupant(&dialog.id, new.sender),
            realm.room(&dialog.id),
        ),
    };
    let mut params = ExtraParamsBuilder::default()
        .text("save_to_history", "1")
        .text("dialog_id", &dialog.id)
        .text("date_sent", new.date_sent.to_string());
    for attachment in &new.attachments {
        params = params.element(attachment_element(attachment));
    }
    for (name, value) in &new.custom {
        params = params.element(custom_element(name, value));
    }
    let mut message = Element::builder("message", ns::CLIENT)
        .with("type", kind)
        .with("id", &new.id)
        .with("from", from)
        .with("to", to);
    if let Some(body) = &new.body {
        message = message.append(text_element("body", body));
    }
    if markable {
        message = message.append(Element::bare("markable", ns::CHAT_MARKERS));
    }
    message.append(params.build()).build()
}

fn attachment_element(attachment: &Json) -> Element {
    /// The attributes clients know (wire reference B.2).
    const KNOWN: &[&str] = &[
        "type",
        "id",
        "uid",
        "url",
        "data",
        "size",
        "width",
        "height",
        "duration",
        "content-type",
        "name",
    ];
    let mut element = Element::builder("attachment", ns::CLIENT);
    for name in KNOWN {
        if let Some(value) = attachment.get(*name).and_then(plain) {
            element = element.with(name, value);
        }
    }
    element.build()
}

fn custom_element(name: &str, value: &Json) -> Element {
    match value {
        Json::Object(children) => Element::builder(name, ns::CLIENT)
            .append_all(
                children
                    .iter()
                    .filter(|(name, _)| is_element_name(name))
                    .map(|(name, value)| custom_element(name, value)),
            )
            .build(),
        Json::Array(_) => text_element(name, &value.to_string()),
        other => text_element(name, &plain(other).unwrap_or_default()),
    }
}
