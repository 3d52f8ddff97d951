//! `POST /events`: an application asks for a push notification (wire reference E.5; PN-09…PN-16).

use actix_web::http::StatusCode;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::push_subscriptions::{ENVIRONMENTS, TOKEN_CHANNELS, one_of, push_of};
use super::request::Request;
use super::{Answer, json as respond};
use crate::hub::clock::iso8601;
use crate::hub::push::payload::{self, Universal};
use crate::hub::store::notifications::{self, Notification, Reach};
use crate::hub::store::recipients::{self, MAX_VALUES, Recipients};
use crate::hub::store::subscriptions::WEB;
use crate::hub::xmpp::delivery;

const MESSAGE: &str = "event[message]";
const PUSH_TYPE: &str = "event[push_type]";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `POST /events`
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let push = push_of(request)?;
    let event = request.params.get("event").unwrap_or(&request.params);
    one_of(
        event,
        "notification_type",
        "event[notification_type]",
        &["push"],
    )?;
    let environment = one_of(event, "environment", "event[environment]", ENVIRONMENTS)?;
    if event.text("event_type").is_some() {
        one_of(event, "event_type", "event[event_type]", &["one_shot"])?;
    }
    let push_type = push_type(event)?;
    let recipients = recipients(event)?;
    let message = event.text("message");
    let message = message.ok_or_else(|| ApiError::invalid(MESSAGE, "can't be blank"))?;
    let (now, rules) = (request.site.now(), &request.site.config.push);
    let Universal {
        payload,
        is_urgent,
        expires_at,
        is_for_unattended,
    } = payload::universal(&decode(&message)?, rules.life_seconds, now)
        .map_err(|rule| ApiError::invalid(MESSAGE, rule.to_string()))?;
    let notification = Notification {
        payload,
        is_urgent,
        expires_at,
    };
    let (site, of_event) = (request.site.clone(), environment.clone());
    let id = request.in_store(move |db| {
        let limit = site.config.push.event_recipients;
        let mut users = recipients::find(db, &recipients, limit + 1)?;
        if users.len() > limit {
            let rule = format!("The event is for more than {limit} people");
            return Err(ApiError::invalid("base", rule));
        }
        // Whoever has blocked the sender is not disturbed either.
        users.retain(|other| *other == user || delivery::may_post(&site, user, *other));
        if is_for_unattended {
            users.retain(|other| !site.router.is_attended(*other));
        }
        let reach = notifications::queue(db, &notification, &users, Some(&of_event), now)?;
        if reach.queued == 0 {
            return Err(ApiError::invalid("base", nobody(reach)));
        }
        Ok(notifications::note_event(db, user, &of_event, reach, now)?)
    });
    let id = id.await?;
    push.wake();
    let mut event = json!({
        "id": id,
        "event_type": "one_shot",
        "message": message,
        "date": null,
        "period": null,
        "name": null,
        "occured_count": 0,
        "created_at": iso8601(now),
        "updated_at": iso8601(now),
        "end_date": null,
        "active": true,
        "application_id": request.site.config.app_id,
        "user_id": user,
        "kind": "API",
        "environment": environment,
        "tag_query": null,
    });
    if let Some(name) = push_type {
        event["notification_channel"] = json!({ "name": name });
    }
    Ok(respond(StatusCode::CREATED, &json!([{ "event": event }])))
}

/// An event for one channel only: what this hub cannot deliver it does not accept.
fn push_type(event: &Json) -> Result<Option<String>, ApiError> {
    match event.text("push_type") {
        Some(other) if TOKEN_CHANNELS.contains(&other.as_str()) => {
            let rule = format!("{other} is not delivered by this server, only {WEB} is");
            Err(ApiError::invalid(PUSH_TYPE, rule))
        }
        Some(other) if other != WEB => {
            let rule = format!("must be one of {}, {WEB}", TOKEN_CHANNELS.join(", "));
            Err(ApiError::invalid(PUSH_TYPE, rule))
        }
        push_type => Ok(push_type),
    }
}

/// Exactly one way of choosing people (PN-10…PN-12).
fn recipients(event: &Json) -> Result<Recipients, ApiError> {
    let null = Json::Null;
    let user = event.get("user").unwrap_or(&null);
    let external = event.get("external_user").unwrap_or(&null);
    let tags = user.get("tags").unwrap_or(&null);
    let mut ways = Vec::new();
    if !user.texts("ids").is_empty() {
        ways.push(Recipients::Ids(user.ids("ids")));
    }
    let ids = external.texts("ids");
    if !ids.is_empty() {
        ways.push(Recipients::ExternalIds(ids));
    }
    for (name, of) in [
        ("any", Recipients::AnyTag as fn(Vec<String>) -> Recipients),
        ("all", Recipients::AllTags),
        ("exclude", Recipients::WithoutTags),
    ] {
        let texts = tags.texts(name);
        if !texts.is_empty() {
            ways.push(of(texts));
        }
    }
    let rule = "Exactly one of event[user][ids], event[external_user][ids], event[user][tags][any], \
                event[user][tags][all] and event[user][tags][exclude] is needed";
    match ways.as_slice() {
        [one] if one.count() > MAX_VALUES => {
            let rule = format!("names more than {MAX_VALUES} recipients");
            Err(ApiError::invalid("base", rule))
        }
        [_] => Ok(ways.remove(0)),
        _ => Err(ApiError::invalid("base", rule)),
    }
}

/// Base64 of UTF-8, or of the first 256 characters, as `btoa` of browsers gives it.
fn decode(message: &str) -> Result<String, ApiError> {
    // In a form a plus sign is a blank.
    let text: String = message.trim().replace(' ', "+");
    let bytes = BASE64.decode(text.split_ascii_whitespace().collect::<String>());
    let bytes = bytes.map_err(|_| ApiError::invalid(MESSAGE, "is no Base64"))?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect()))
}

fn nobody(reach: Reach) -> String {
    match reach.kept_only {
        0 => "No one can receive the message".to_owned(),
        count => format!(
            "No one can receive the message: {count} subscriptions are of channels that this \
             server does not deliver by"
        ),
    }
}
