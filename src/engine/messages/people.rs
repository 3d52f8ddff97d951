//! Users: looking them up, and when they were last active.

use serde_json::{Value, json};

use super::super::chat_command::{FindUsers, LastActivity};
use super::super::command::{CommandError, ErrorCode};
use super::super::directory::resolve;
use super::super::wiring::Wiring;
use super::of_rest;
use crate::chat::SendError;

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
        if !wiring.watched.set(user, watch) {
            let rule = "watch: no more users can be watched";
            return Err(CommandError::new(ErrorCode::WrongState, rule));
        }
        let asked = client.watch_activity(user, watch).await;
        asked.map_err(of_question)?;
    }
    let seconds = client.last_activity(user).await.map_err(of_question)?;
    Ok(json!({ "user": user, "seconds": seconds, "online": seconds == 0 }))
}

fn of_question(error: SendError) -> CommandError {
    let code = match &error {
        SendError::Answered { .. } => ErrorCode::NotFound,
        SendError::NoAnswer => ErrorCode::Timeout,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}
