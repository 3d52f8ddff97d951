//! What the device can be told about chat. The serde form of each is the JSON of `cmd/<verb>`;
//! fields that are not known are refused.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::command::UserRef;
use crate::base::object_id::ObjectId;
use crate::protocol::chat_message::{Attachment, params_from_json, system_params_from_json};
use crate::store::history::Bookmark;

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// The receiver, unless a dialog is given.
    pub to: Option<UserRef>,
    /// The dialog, unless a user is given.
    pub dialog: Option<String>,
    /// The text, at most 5,000 characters; required without attachment.
    pub text: String,
    /// The message's id, 24 hex digits: sending the same again is harmless. Made if absent.
    pub message: Option<String>,
    /// Custom parameters, nested as they are.
    pub custom: Map<String, Value>,
    /// What goes with it: places, contacts, files that are on the server already; at most 10.
    pub attachments: Vec<Attachment>,
    /// A file of `[attachments] send_from`, by name.
    pub file: Option<String>,
    /// A picture of the camera.
    pub snapshot: bool,
    /// No push to those who are offline.
    pub silent: bool,
    /// Not kept in the server's history.
    pub unsaved: bool,
    /// Seconds after which it disappears, 1 to 604,800; such a message is not kept.
    pub destroy_after: Option<u32>,
}

/// A new text for a message of ours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The message.
    pub message: String,
    /// The new text, 1 to 5,000 characters.
    pub text: String,
}

/// Messages to be taken back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The message.
    pub message: String,
    /// For everybody, which is possible for own messages, or only for this user.
    #[serde(default)]
    pub for_all: bool,
}

/// A reaction to be added, removed or swapped.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct React {
    /// The message.
    pub message: String,
    /// Usually an emoji, 1 to 32 characters.
    pub add: Option<String>,
    /// The same.
    pub remove: Option<String>,
}

/// Typing, or not any more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typing {
    /// To a user, unless a dialog is given.
    pub to: Option<UserRef>,
    /// In a dialog.
    pub dialog: Option<String>,
    /// Whether it began.
    #[serde(default = "yes")]
    pub composing: bool,
}

/// Messages we have read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarkRead {
    /// All of this dialog, unless messages are given.
    pub dialog: Option<String>,
    /// These, at most 100.
    pub messages: Vec<String>,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadHistory {
    /// Of one dialog; of all without.
    pub dialog: Option<String>,
    /// `next` of the page before: the messages older than those.
    pub before: Option<String>,
    /// At most this many, 1 to 100.
    pub limit: u32,
}

impl Default for ReadHistory {
    fn default() -> Self {
        Self {
            dialog: None,
            before: None,
            limit: 20,
        }
    }
}

/// Words to look for in the history.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The words, or how they begin; 1 to 256 characters.
    pub text: String,
    /// In one dialog; in all without.
    pub dialog: Option<String>,
    /// At most this many, 1 to 100.
    #[serde(default = "twenty")]
    pub limit: u32,
}

/// Which dialogs to list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListDialogs {
    /// At most this many, 1 to 100.
    pub limit: u32,
    /// Leave out so many of the latest.
    pub skip: u32,
}

impl Default for ListDialogs {
    fn default() -> Self {
        Self { limit: 20, skip: 0 }
    }
}

/// The kinds of dialog there are to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialogKind {
    /// With one other user.
    Private,
    /// With a name and members.
    Group,
    /// With a name, for whoever subscribes.
    Public,
    /// To everybody, written by its admins.
    Broadcast,
}

/// A dialog to be created.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateDialog {
    /// Its kind.
    pub kind: DialogKind,
    /// Title, 1 to 200 characters; none for private ones.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The others; exactly one for private ones, at most 100.
    #[serde(default)]
    pub users: Vec<UserRef>,
}

/// What to change about a dialog.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateDialog {
    /// The dialog.
    pub dialog: String,
    /// Title.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Uid or address of a picture.
    pub photo: Option<String>,
    /// Members to add.
    pub add_users: Vec<UserRef>,
    /// Members to remove.
    pub remove_users: Vec<UserRef>,
    /// Admins to add.
    pub add_admins: Vec<UserRef>,
    /// Admins to remove.
    pub remove_admins: Vec<UserRef>,
    /// Messages to pin.
    pub pin: Vec<String>,
    /// Messages to unpin.
    pub unpin: Vec<String>,
}

/// A dialog, for what needs nothing else.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneDialog {
    /// The dialog.
    pub dialog: String,
    /// For everybody, where the role allows it, not only for this user.
    #[serde(default)]
    pub for_all: bool,
}

/// Whether messages of a dialog are pushed to this user.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// The dialog.
    pub dialog: String,
    /// What they shall be; absent to ask.
    pub enabled: Option<bool>,
}

/// A system message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendSystem {
    /// To whom.
    pub to: UserRef,
    /// Its text.
    pub body: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// An attachment to be fetched.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// The message.
    pub message: String,
    /// Which of its attachments, from 0.
    #[serde(default)]
    pub attachment: usize,
}

/// Whose activity.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastActivity {
    /// The user.
    pub user: UserRef,
    /// Also begin (`true`) or end (`false`) to be told of changes.
    pub watch: Option<bool>,
}

/// Whom to keep away.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The user.
    pub user: UserRef,
    /// Also keep our own messages from the user.
    #[serde(default)]
    pub mutual: bool,
}

/// Whom to let in again.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unblock {
    /// The user.
    pub user: UserRef,
}

/// Whom to look up; one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FindUsers {
    /// The exact login.
    pub login: Option<String>,
    /// These numbers, at most 100.
    pub ids: Vec<u64>,
    /// How the full name begins, at least 4 characters.
    pub name: Option<String>,
}

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
}

fn yes() -> bool {
    true
}

fn twenty() -> u32 {
    20
}

/// The longest text of a message, in characters.
pub const TEXT_MAX: usize = 5_000;
/// The most attachments of a message.
const ATTACHMENTS_MAX: usize = 10;
/// The longest life of a self-destroying message, seconds: a week.
const DESTROY_MAX: u32 = 604_800;
/// The most messages or users in one command.
const LIST_MAX: usize = 100;

/// Fine, or the field and the rule.
pub type Checked = Result<(), String>;

/// What a command must satisfy beyond its types. The error names the field and the rule.
pub trait Check {
    /// Checks.
    ///
    /// # Errors
    /// The field and the rule, for people.
    fn check(&self) -> Checked;
}

impl Check for Draft {
    fn check(&self) -> Checked {
        target(self.to.as_ref(), self.dialog.as_deref())?;
        if self.file.is_some() && self.snapshot {
            return Err("file and snapshot: only one may be given".into());
        }
        let has_file = self.file.is_some() || self.snapshot;
        if self.attachments.is_empty() && !has_file {
            characters("text", &self.text, 1, TEXT_MAX)?;
        }
        characters("text", &self.text, 0, TEXT_MAX)?;
        if let Some(message) = &self.message {
            object_id("message", message)?;
        }
        if self.attachments.len() > ATTACHMENTS_MAX {
            return Err(too_many(
                "attachments",
                self.attachments.len(),
                ATTACHMENTS_MAX,
            ));
        }
        if self.attachments.iter().any(|one| one.kind.is_empty()) {
            return Err("attachments: each needs a type".into());
        }
        params_from_json(&self.custom).map_err(|rule| format!("custom: {rule}"))?;
        match self.destroy_after {
            Some(seconds) if !(1..=DESTROY_MAX).contains(&seconds) => Err(format!(
                "destroy_after: must be 1 to {DESTROY_MAX}, not {seconds}"
            )),
            _ => Ok(()),
        }
    }
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
            Self::CreateDialog(new) => check_new_dialog(new),
            Self::UpdateDialog(update) => check_update(update),
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
            Self::Users(find) => check_users(find),
            Self::Unread
            | Self::LastActivity(_)
            | Self::Block(_)
            | Self::Unblock(_)
            | Self::Blocked => Ok(()),
        }
    }
}

fn check_new_dialog(new: &CreateDialog) -> Checked {
    match (new.kind, &new.name) {
        (DialogKind::Private, Some(_)) => {
            return Err("name: a private dialog has none".into());
        }
        (DialogKind::Private, None) => {}
        (_, None) => return Err("name: is required".into()),
        (_, Some(name)) => characters("name", name, 1, 200)?,
    }
    match (new.kind, new.users.len()) {
        (DialogKind::Private, 1) | (DialogKind::Group, 1..=LIST_MAX) => Ok(()),
        (DialogKind::Private, _) => Err("users: a private dialog has exactly one".into()),
        (DialogKind::Group, 0) => Err("users: at least one is required".into()),
        (DialogKind::Group, count) => Err(too_many("users", count, LIST_MAX)),
        (_, 0) => Ok(()),
        _ => Err("users: this kind of dialog has subscribers instead".into()),
    }
}

fn check_update(update: &UpdateDialog) -> Checked {
    object_id("dialog", &update.dialog)?;
    if let Some(name) = &update.name {
        characters("name", name, 1, 200)?;
    }
    for (field, users) in [
        ("add_users", &update.add_users),
        ("remove_users", &update.remove_users),
        ("add_admins", &update.add_admins),
        ("remove_admins", &update.remove_admins),
    ] {
        if users.len() > LIST_MAX {
            return Err(too_many(field, users.len(), LIST_MAX));
        }
    }
    ids("pin", &update.pin)?;
    ids("unpin", &update.unpin)?;
    let nothing = UpdateDialog {
        dialog: update.dialog.clone(),
        ..UpdateDialog::default()
    };
    if *update == nothing {
        return Err("nothing to change: name, description, photo, add_users … are missing".into());
    }
    Ok(())
}

fn check_users(find: &FindUsers) -> Checked {
    let given = [
        find.login.is_some(),
        !find.ids.is_empty(),
        find.name.is_some(),
    ];
    if given.into_iter().filter(|&given| given).count() != 1 {
        return Err("login, ids or name: exactly one is required".into());
    }
    if find.ids.len() > LIST_MAX {
        return Err(too_many("ids", find.ids.len(), LIST_MAX));
    }
    match (&find.login, &find.name) {
        (Some(login), _) => characters("login", login, 1, UserRef::LOGIN_MAX),
        (_, Some(name)) => characters("name", name, 4, 200),
        _ => Ok(()),
    }
}

fn target(to: Option<&UserRef>, dialog: Option<&str>) -> Checked {
    match (to, dialog) {
        (Some(_), Some(_)) => Err("to and dialog: only one may be given".into()),
        (None, None) => Err("to or dialog: one is required".into()),
        (None, Some(dialog)) => object_id("dialog", dialog),
        (Some(_), None) => Ok(()),
    }
}

fn optional_dialog(dialog: Option<&str>) -> Checked {
    dialog.map_or(Ok(()), |dialog| object_id("dialog", dialog))
}

fn object_id(field: &str, text: &str) -> Checked {
    text.parse::<ObjectId>()
        .map(drop)
        .map_err(|error| format!("{field}: {error}"))
}

fn ids(field: &str, ids: &[String]) -> Checked {
    if ids.len() > LIST_MAX {
        return Err(too_many(field, ids.len(), LIST_MAX));
    }
    ids.iter().try_for_each(|id| object_id(field, id))
}

fn limit(limit: u32) -> Checked {
    if (1..=100).contains(&limit) {
        Ok(())
    } else {
        Err(format!("limit: must be 1 to 100, not {limit}"))
    }
}

fn too_many(field: &str, count: usize, most: usize) -> String {
    format!("{field}: {count} are more than the most {most}")
}

fn characters(field: &str, text: &str, least: usize, most: usize) -> Checked {
    match text.chars().count() {
        0 if least > 0 => Err(format!("{field}: must not be empty")),
        length if length < least => Err(format!(
            "{field}: {length} characters are fewer than the least {least}"
        )),
        length if length > most => Err(format!(
            "{field}: {length} characters are more than the most {most}"
        )),
        _ => Ok(()),
    }
}
