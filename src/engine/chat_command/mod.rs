//! What the device can be told about chat. The serde form of each command is the JSON of
//! `cmd/<verb>`; fields that are not known are refused.
//!
//! Invariant: a command that passes its [`Check`] breaks no rule that can be told without a
//! network; an error names the field and the rule.
//! Must not enter: how a command is carried out (`engine::messages`).

mod dialogs;
mod messages;
mod people;
mod push;
mod reading;
mod records;
mod rules;

use crate::protocol::chat_message::system_params_from_json;
use crate::store::history::Bookmark;
use rules::{characters, ids, limit, object_id, optional_dialog, target};

pub use dialogs::{CreateDialog, DialogKind, ListDialogs, Notifications, OneDialog, UpdateDialog};
pub use messages::{Draft, Edit, React, Remove, SendSystem, TEXT_MAX, Typing};
pub use people::{
    Block, FindUsers, LastActivity, ReportMessage, ReportUser, Unblock, UpdateProfile,
};
pub use push::Push;
pub use reading::{Download, MarkRead, ReadHistory, Search};
pub use records::{CreateRecord, DeleteRecords, ListRecords, UpdateRecord};
pub use rules::Checked;

/// A chat command.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatCommand {
    /// `edit`
    Edit(Edit),
    /// `remove`
    Remove(Remove),
    /// `react`
    React(React),
    /// `typing`
    Typing(Typing),
    /// `mark_read`
    MarkRead(MarkRead),
    /// `history`
    History(ReadHistory),
    /// `search`
    Search(Search),
    /// `send_status`
    SendStatus(String),
    /// `unread`
    Unread,
    /// `dialogs`
    Dialogs(ListDialogs),
    /// `dialog_create`
    CreateDialog(CreateDialog),
    /// `dialog_update`
    UpdateDialog(Box<UpdateDialog>),
    /// `dialog_leave`: out of it, however the kind of dialog has it.
    LeaveDialog(String),
    /// `dialog_delete`
    DeleteDialog(OneDialog),
    /// `dialog_clear`
    ClearDialog(OneDialog),
    /// `dialog_subscribe`
    Subscribe(String),
    /// `dialog_occupants`
    Occupants(String),
    /// `dialog_notifications`
    Notifications(Notifications),
    /// `send_system`
    SendSystem(SendSystem),
    /// `download`
    Download(Download),
    /// `last_activity`
    LastActivity(LastActivity),
    /// `users`
    Users(FindUsers),
    /// `block`
    Block(Block),
    /// `unblock`
    Unblock(Unblock),
    /// `blocked`
    Blocked,
    /// `profile_update`
    UpdateProfile(UpdateProfile),
    /// `report_user`
    ReportUser(ReportUser),
    /// `report_message`
    ReportMessage(ReportMessage),
    /// `record_create`
    CreateRecord(Box<CreateRecord>),
    /// `records`
    ListRecords(Box<ListRecords>),
    /// `record_update`
    UpdateRecord(Box<UpdateRecord>),
    /// `record_delete`
    DeleteRecords(DeleteRecords),
    /// `push`
    Push(Box<Push>),
}

/// What a command must satisfy beyond its types. The error names the field and the rule.
pub trait Check {
    /// Checks.
    ///
    /// # Errors
    /// The field and the rule, for people.
    fn check(&self) -> Checked;
}

impl Check for ChatCommand {
    fn check(&self) -> Checked {
        match self {
            Self::Edit(edit) => {
                object_id("message", &edit.message)?;
                characters("text", &edit.text, 1, TEXT_MAX)
            }
            Self::Remove(remove) => object_id("message", &remove.message),
            Self::React(react) => {
                object_id("message", &react.message)?;
                if react.add.is_none() && react.remove.is_none() {
                    return Err("add or remove: one is required".into());
                }
                for (field, reaction) in [("add", &react.add), ("remove", &react.remove)] {
                    if let Some(reaction) = reaction {
                        characters(field, reaction, 1, 32)?;
                    }
                }
                Ok(())
            }
            Self::Typing(typing) => target(typing.to.as_ref(), typing.dialog.as_deref()),
            Self::MarkRead(mark) => {
                match (&mark.dialog, mark.messages.is_empty()) {
                    (Some(dialog), true) => object_id("dialog", dialog)?,
                    (None, false) => {}
                    _ => return Err("dialog or messages: exactly one is required".into()),
                }
                ids("messages", &mark.messages)
            }
            Self::History(page) => {
                limit(page.limit)?;
                if let Some(before) = &page.before {
                    let parsed: Result<Bookmark, String> = before.parse();
                    parsed.map_err(|rule| format!("before: {rule}"))?;
                }
                optional_dialog(page.dialog.as_deref())
            }
            Self::Search(search) => {
                limit(search.limit)?;
                characters("text", &search.text, 1, 256)?;
                optional_dialog(search.dialog.as_deref())
            }
            Self::Download(download) => object_id("message", &download.message),
            Self::SendStatus(message) => object_id("message", message),
            Self::Dialogs(list) => limit(list.limit),
            Self::CreateDialog(new) => dialogs::check_new(new),
            Self::UpdateDialog(update) => dialogs::check_update(update),
            Self::LeaveDialog(dialog) | Self::Subscribe(dialog) | Self::Occupants(dialog) => {
                object_id("dialog", dialog)
            }
            Self::DeleteDialog(one) | Self::ClearDialog(one) => object_id("dialog", &one.dialog),
            Self::Notifications(one) => object_id("dialog", &one.dialog),
            Self::SendSystem(system) => {
                if let Some(body) = &system.body {
                    characters("body", body, 1, TEXT_MAX)?;
                }
                system_params_from_json(&system.params)
                    .map(drop)
                    .map_err(|rule| format!("params: {rule}"))
            }
            Self::UpdateProfile(update) => people::check_profile(update),
            Self::ReportUser(report) => people::check_reason(&report.reason),
            Self::ReportMessage(report) => people::check_message_report(report),
            Self::CreateRecord(new) => records::check_new(new),
            Self::ListRecords(list) => records::check_list(list),
            Self::UpdateRecord(update) => records::check_update(update),
            Self::DeleteRecords(delete) => records::check_delete(delete),
            Self::Push(push) => push::check(push),
            Self::Users(find) => people::check_users(find),
            Self::Unread
            | Self::LastActivity(_)
            | Self::Block(_)
            | Self::Unblock(_)
            | Self::Blocked => Ok(()),
        }
    }
}
