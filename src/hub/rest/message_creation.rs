//! `POST /chat/Message` (wire reference E.3; CH-34…CH-36).

use actix_web::http::StatusCode;
use minidom::Element;
use serde_json::{Map, Value as Json};

use super::dialogs::{existing, load_own};
use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::roles::Action;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, Insertion, MAX_BODY, NewMessage};
use crate::hub::xmpp::stanza::Refusal;
use crate::hub::xmpp::{announce, delivery};
use crate::protocol::address::UserId;
use crate::protocol::extra_params::{ExtraParamsBuilder, text_element};
use crate::protocol::ns;
use crate::protocol::xml::{SetAttribute, clean_text};

/// Attachments of one message.
const MAX_ATTACHMENTS: usize = 100;

/// `POST /chat/Message`: into the history, and with `send_to_chat=1` to the dialog's people.
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let (body, attachments, custom) = (body(params)?, attachments(params)?, custom(params));
    if body.is_none() && attachments.is_empty() && custom.is_empty() {
        let rule = "message, attachments or a custom parameter is needed";
        return Err(ApiError::invalid("base", rule));
    }
    let dialog = target(request, user).await?;
    if let Some(partner) = dialog.partner(user)
        && !delivery::may_post(&request.site, user, partner)
    {
        return Err(ApiError::forbidden(Refusal::UNAVAILABLE.text));
    }
    let new = NewMessage {
        id: ObjectId::generate().to_string(),
        dialog_id: dialog.id.clone(),
        sender: user,
        recipient: dialog.partner(user),
        body,
        date_sent: request.site.now(),
        attachments,
        custom,
    };
    let stanza = params
        .flag("send_to_chat")
        .then(|| stanza_of(request, &dialog, &new));
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

/// The text of a request, as XML can carry it.
///
/// # Errors
/// 422 when it is no text or too long.
pub fn body(params: &Json) -> Result<Option<String>, ApiError> {
    let Some(value) = params.get("message").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = plain(value).ok_or_else(|| ApiError::invalid("message", "must be a text"))?;
    if text.len() > MAX_BODY {
        let rule = format!("is longer than {MAX_BODY} bytes");
        return Err(ApiError::invalid("message", rule));
    }
    let text = clean_text(&text);
    Ok((!text.is_empty()).then_some(text))
}

/// The dialog a new message goes to; a private one is made if there is none (CH-09).
async fn target(request: &Request, user: UserId) -> Result<Dialog, ApiError> {
    let params = &request.params;
    let now = request.site.now();
    if let Some(id) = params.text("chat_dialog_id") {
        return request
            .in_store(move |db| {
                let dialog = load_own(db, &id, user)?;
                if !dialog.may(user, Action::Write) {
                    return Err(ApiError::forbidden("Only administrators write here"));
                }
                Ok(dialog)
            })
            .await;
    }
    let recipient = params.ids("recipient_id").first().copied();
    let recipient = recipient
        .ok_or_else(|| ApiError::invalid("base", "chat_dialog_id or recipient_id is needed"))?;
    if recipient == user {
        return Err(ApiError::invalid("recipient_id", "is yourself"));
    }
    request
        .in_store(move |db| {
            if existing(db, &[recipient])?.is_empty() {
                return Err(ApiError::not_found("User not found"));
            }
            Ok(dialogs::private_between(db, user, recipient, now)?)
        })
        .await
}

/// A list, or an object with numbers for keys, in their order.
fn attachments(params: &Json) -> Result<Vec<Json>, ApiError> {
    const NAME: &str = "attachments";
    let items: Vec<Json> = match params.get(NAME) {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items.clone(),
        Some(Json::Object(items)) => {
            let mut items: Vec<(u64, &Json)> = items
                .iter()
                .map(|(key, item)| (key.parse().unwrap_or(u64::MAX), item))
                .collect();
            items.sort_by_key(|(key, _)| *key);
            items.into_iter().map(|(_, item)| item.clone()).collect()
        }
        Some(_) => return Err(ApiError::invalid(NAME, "must be a list or an object")),
    };
    if !items.iter().all(Json::is_object) {
        return Err(ApiError::invalid(NAME, "must be objects"));
    }
    if items.len() > MAX_ATTACHMENTS {
        let rule = format!("are more than {MAX_ATTACHMENTS}");
        return Err(ApiError::invalid(NAME, rule));
    }
    Ok(items)
}

/// Everything that is no parameter of the request itself is a custom field of the message.
fn custom(params: &Json) -> Map<String, Json> {
    const OWN: &[&str] = &[
        "chat_dialog_id",
        "recipient_id",
        "message",
        "attachments",
        "attachment",
        "send_to_chat",
        "markable",
        "silent",
        "save_to_history",
        "dialog_id",
        "date_sent",
        "token",
    ];
    let own = |name: &str| OWN.contains(&name) || !announce::is_element_name(name);
    let params = params.as_object().into_iter().flatten();
    params
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn stanza_of(request: &Request, dialog: &Dialog, new: &NewMessage) -> Element {
    let params = &request.params;
    let mut extra = ExtraParamsBuilder::default()
        .text("save_to_history", "1")
        .text("dialog_id", &dialog.id)
        .text("date_sent", new.date_sent.to_string());
    if params.flag("silent") {
        extra = extra.text("silent", "1");
    }
    for attachment in &new.attachments {
        extra = extra.element(attachment_element(attachment));
    }
    for element in announce::custom_elements(&new.custom) {
        extra = extra.element(element);
    }
    let mut message =
        announce::addressed(&request.site, dialog, new.sender).with("id", new.id.clone());
    if let Some(body) = &new.body {
        message = message.append(text_element("body", body));
    }
    if params.flag("markable") {
        message = message.append(Element::bare("markable", ns::CHAT_MARKERS));
    }
    message.append(extra.build()).build()
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
