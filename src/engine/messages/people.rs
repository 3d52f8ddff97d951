//! Users: looking them up, and when they were last active.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::chat_command::{FindUsers, LastActivity};
use super::super::command::{CommandError, ErrorCode};
use super::super::directory::resolve;
use super::super::inquiries::InquiryError;
use super::super::wiring::Wiring;
use super::of_rest;
use crate::base::object_id::ObjectId;
use crate::protocol::last_activity as wire;

/// How long the chat server may take for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Users in one reply.
const MOST: u32 = 100;

pub(super) async fn find(wiring: &Wiring, find: FindUsers) -> Result<Value, CommandError> {
    let users = if let Some(login) = &find.login {
        let user = wiring.rest.user_by_login(login).await;
        user.map(|user| user.into_iter().collect())
    } else if let Some(name) = &find.name {
        let condition = ("full_name[start_with]", name.as_str());
        wiring.rest.users_where(condition, MOST, 0).await
    } else {
        wiring.rest.users_by_ids(&find.ids).await
    };
    Ok(json!({ "users": users.map_err(of_rest)? }))
}

pub(super) async fn last_activity(
    wiring: &Wiring,
    whose: LastActivity,
) -> Result<Value, CommandError> {
    let user = resolve(wiring, &whose.user).await?;
    let client = wiring.chat.client();
    if let Some(watch) = whose.watch {
        if !wiring.inquiries.set_watched(user, watch) {
            let rule = "watch: no more users can be watched";
            return Err(CommandError::new(ErrorCode::WrongState, rule));
        }
        let id = ObjectId::generate().to_string();
        let iq = wire::watch(&wiring.realm, &id, user, watch);
        let asked = wiring.inquiries.ask(&client, iq, LIMIT).await;
        asked.map_err(of_inquiry)?;
    }
    let id = ObjectId::generate().to_string();
    let iq = wire::ask(&wiring.realm, &id, user);
    let answer = wiring.inquiries.ask(&client, iq, LIMIT).await;
    let answer = answer.map_err(of_inquiry)?;
    let seconds = wire::read(&wiring.realm, &answer).map(|(_, seconds)| seconds);
    Ok(json!({ "user": user, "seconds": seconds, "online": seconds == Some(0) }))
}

fn of_inquiry(error: InquiryError) -> CommandError {
    let code = match &error {
        InquiryError::Send(_) => ErrorCode::Unavailable,
        InquiryError::NoAnswer => ErrorCode::Timeout,
        InquiryError::Refused(_) => ErrorCode::NotFound,
    };
    CommandError::new(code, error.to_string())
}
