//! Users: looking them up, when they were last active, reporting them; the device's own profile.

use serde_json::{Value, json};

use super::super::chat_command::{
    FindUsers, LastActivity, ReportMessage, ReportUser, UpdateProfile,
};
use super::super::command::{CommandError, ErrorCode};
use super::super::directory::resolve;
use super::super::wiring::Wiring;
use super::of_rest;
use crate::chat::SendError;
use crate::rest::{ProfileUpdate, RestError};

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

pub(super) async fn update_profile(
    wiring: &Wiring,
    update: UpdateProfile,
) -> Result<Value, CommandError> {
    let custom_data = update.custom_text();
    let update = ProfileUpdate {
        full_name: update.full_name,
        phone: update.phone,
        website: update.website,
        avatar: update.avatar,
        custom_data,
        tags: update.tags,
    };
    let user = wiring.rest.update_profile(&update).await.map_err(of_rest)?;
    Ok(json!({ "user": user }))
}

pub(super) async fn report_user(
    wiring: &Wiring,
    report: ReportUser,
) -> Result<Value, CommandError> {
    let user = resolve(wiring, &report.user).await?;
    let filed = wiring.rest.report_user(user, &report.reason).await;
    filed.map(|id| json!({ "report": id })).map_err(of_report)
}

pub(super) async fn report_message(
    wiring: &Wiring,
    report: ReportMessage,
) -> Result<Value, CommandError> {
    let filed = wiring
        .rest
        .report_message(&report.message, &report.reason)
        .await;
    filed.map(|id| json!({ "report": id })).map_err(of_report)
}

/// What is not found is the place for reports, which the application's administration makes.
fn of_report(error: RestError) -> CommandError {
    match error {
        RestError::NotFound(_) => CommandError::new(
            ErrorCode::Unavailable,
            "the application takes no reports: it has no class UserReports or MessageReports",
        ),
        error => of_rest(error),
    }
}

fn of_question(error: SendError) -> CommandError {
    let code = match &error {
        SendError::Answered { .. } => ErrorCode::NotFound,
        SendError::NoAnswer => ErrorCode::Timeout,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}
