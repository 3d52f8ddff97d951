//! Chat commands carried out: `sending` and `changing` messages, `reading` the history, `dialogs`,
//! `people`, `blocking` some of them, `pushing` notifications to them, `records` of custom objects.
//!
//! Invariant: what is answered "ok" is on the disk, or was done by the hub.
//! Must not enter: the JSON of a command (that is `control`), how a message reaches the hub.

mod blocking;
mod changing;
mod dialogs;
mod people;
mod pushing;
mod reading;
mod records;
mod sending;

use serde_json::Value;

use super::chat_command::{ChatCommand, Check};
use super::command::{CommandError, ErrorCode};
use super::wiring::Wiring;
use crate::chat::SendError;
use crate::rest::RestError;
use crate::store::StoreError;

pub(super) use pushing::{Occasion, wake};
pub(super) use sending::place;
pub use sending::{queue_file, send, send_with};

/// Carries a chat command out.
///
/// # Errors
/// [`CommandError`] with the code and what is wrong.
pub async fn execute(wiring: &Wiring, command: ChatCommand) -> Result<Value, CommandError> {
    command.check().map_err(invalid)?;
    match command {
        ChatCommand::Edit(edit) => changing::edit(wiring, edit).await,
        ChatCommand::Remove(remove) => changing::remove(wiring, remove).await,
        ChatCommand::React(react) => changing::react(wiring, react).await,
        ChatCommand::MarkRead(mark) => changing::mark_read(wiring, mark).await,
        ChatCommand::Typing(typing) => sending::typing(wiring, typing).await,
        ChatCommand::SendSystem(system) => sending::system(wiring, system).await,
        ChatCommand::History(page) => reading::page(wiring, page).await,
        ChatCommand::Search(search) => reading::search(wiring, search).await,
        ChatCommand::SendStatus(message) => reading::send_status(wiring, &message).await,
        ChatCommand::Unread => reading::unread(wiring).await,
        ChatCommand::Dialogs(list) => dialogs::list(wiring, list).await,
        ChatCommand::CreateDialog(new) => dialogs::create(wiring, new).await,
        ChatCommand::UpdateDialog(update) => dialogs::update(wiring, *update).await,
        ChatCommand::LeaveDialog(dialog) => dialogs::leave(wiring, &dialog).await,
        ChatCommand::DeleteDialog(one) => dialogs::delete(wiring, one).await,
        ChatCommand::ClearDialog(one) => dialogs::clear(wiring, one).await,
        ChatCommand::Subscribe(dialog) => dialogs::subscribe(wiring, &dialog).await,
        ChatCommand::Occupants(dialog) => dialogs::occupants(wiring, &dialog).await,
        ChatCommand::Notifications(wanted) => dialogs::notifications(wiring, wanted).await,
        ChatCommand::LastActivity(whose) => people::last_activity(wiring, whose).await,
        ChatCommand::Download(wanted) => {
            super::attachments::save(wiring, &wanted.message, wanted.attachment).await
        }
        ChatCommand::Users(find) => people::find(wiring, find).await,
        ChatCommand::Block(whom) => blocking::block(wiring, whom).await,
        ChatCommand::Unblock(whom) => blocking::unblock(wiring, whom).await,
        ChatCommand::Blocked => blocking::list(wiring).await,
        ChatCommand::Push(push) => pushing::push(wiring, *push).await,
        ChatCommand::UpdateProfile(update) => people::update_profile(wiring, update).await,
        ChatCommand::CreateRecord(new) => records::create(wiring, *new).await,
        ChatCommand::ListRecords(list) => records::list(wiring, *list).await,
        ChatCommand::UpdateRecord(update) => records::update(wiring, *update).await,
        ChatCommand::DeleteRecords(delete) => records::delete(wiring, delete).await,
        ChatCommand::ReportUser(report) => people::report_user(wiring, report).await,
        ChatCommand::ReportMessage(report) => people::report_message(wiring, report).await,
    }
}

fn invalid(rule: String) -> CommandError {
    CommandError::new(ErrorCode::InvalidPayload, rule)
}

fn of_rest(error: RestError) -> CommandError {
    let code = match &error {
        RestError::NotFound(_) => ErrorCode::NotFound,
        RestError::Validation { status: 403, .. } => ErrorCode::NotAllowed,
        RestError::Validation { .. } => ErrorCode::InvalidPayload,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}

fn of_send(error: SendError) -> CommandError {
    let code = match &error {
        SendError::TooLong { .. } | SendError::Unsendable(_) => ErrorCode::InvalidPayload,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}

fn of_store(error: StoreError) -> CommandError {
    CommandError::new(ErrorCode::Unavailable, error.to_string())
}
