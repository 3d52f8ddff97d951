//! Push notifications: those ordered, and those that wake the phone of somebody the bell rings.

use serde_json::{Map, Value, json};

use super::super::chat_command::Push;
use super::super::command::{CommandError, ErrorCode};
use super::super::directory::resolve_all;
use super::super::event::unix_ms;
use super::super::wiring::Wiring;
use super::of_rest;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::CallType;
use crate::rest::{PushEvent, PushRecipients, RestError};

pub(super) async fn push(wiring: &Wiring, push: Push) -> Result<Value, CommandError> {
    let recipients = if !push.users.is_empty() {
        PushRecipients::Users(resolve_all(wiring, &push.users).await?)
    } else if !push.external_ids.is_empty() {
        PushRecipients::ExternalIds(push.external_ids)
    } else if !push.any_tag.is_empty() {
        PushRecipients::AnyTag(push.any_tag)
    } else if !push.all_tags.is_empty() {
        PushRecipients::AllTags(push.all_tags)
    } else {
        PushRecipients::WithoutTags(push.without_tags)
    };
    let mut payload = push.data;
    let title = push.title.as_ref().unwrap_or(&wiring.config.device.name);
    payload.insert("title".to_owned(), json!(title));
    payload.insert("message".to_owned(), json!(push.text));
    if let Some(life) = push.life_s {
        let end = unix_ms() / 1_000 + u64::from(life);
        payload.insert("expiration".to_owned(), json!(end));
    }
    let event = PushEvent {
        environment: wiring.config.hub.push_environment.name(),
        recipients,
        payload,
    };
    match wiring.rest.push(&event).await {
        Ok(id) => Ok(json!({ "event": id })),
        Err(error) if is_nobody(&error) => {
            Err(CommandError::new(ErrorCode::NotFound, error.to_string()))
        }
        Err(error) => Err(of_rest(error)),
    }
}

/// Nobody of those named has subscribed: the server's way of saying so has no code of its own.
fn is_nobody(error: &RestError) -> bool {
    matches!(error, RestError::Validation { status: 422, text } if text.contains("No one"))
}

/// Wakes phones: a call is there for these people. `call` is the session that rings them; without it
/// they are rung when they are back. Whether somebody looks at a phone that is connected only the hub
/// can know, which leaves those out; at the vendor's cloud everybody who is called gets one, as its
/// own applications do it.
pub async fn wake(wiring: &Wiring, users: &[UserId], call: Option<&str>) {
    let name = &wiring.config.device.name;
    let call_type = wiring.config.calls.call_type;
    let me = wiring.user().unwrap_or_default();
    let session = call.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let event = PushEvent {
        environment: wiring.config.hub.push_environment.name(),
        recipients: PushRecipients::Users(users.to_vec()),
        payload: call_payload(name, me, users, &session, call_type),
    };
    match wiring.rest.push(&event).await {
        Ok(event) => tracing::info!(?users, event, "woken by a push notification"),
        Err(error) if is_nobody(&error) => {
            tracing::debug!(?users, "nobody to be woken");
        }
        // Another server may have no events at all.
        Err(error @ RestError::NotFound(_)) => tracing::debug!(?users, %error, "not woken"),
        Err(error) => tracing::warn!(?users, %error, "not woken by a push notification"),
    }
}

/// What the vendor's applications send with a call. Those of React Native and of Flutter name the
/// same things differently, so both find theirs.
fn call_payload(
    name: &str,
    me: UserId,
    users: &[UserId],
    session: &str,
    call_type: CallType,
) -> Map<String, Value> {
    let opponents: Vec<String> = users.iter().map(ToString::to_string).collect();
    let opponents = opponents.join(",");
    let (word, number) = match call_type {
        CallType::Video => ("video", 1),
        CallType::Audio => ("audio", 2),
    };
    let fields = [
        ("message", json!(format!("Somebody rings at {name}."))),
        ("title", json!(name)),
        ("ios_voip", json!(1)),
        ("cubelet_unless_attended", json!(1)),
        ("handle", json!(name)),
        ("initiatorId", json!(me)),
        ("opponentsIds", json!(opponents)),
        ("uuid", json!(session)),
        ("callType", json!(word)),
        ("signal_type", json!("startCall")),
        ("session_id", json!(session)),
        ("call_type", json!(number)),
        ("caller_id", json!(me)),
        ("caller_name", json!(name)),
        ("call_opponents", json!(opponents)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
