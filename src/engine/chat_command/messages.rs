//! Messages written, changed and taken back; typing notices and system messages.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::command::UserRef;
use super::Check;
use super::rules::{Checked, characters, object_id, target, too_many};
use crate::protocol::chat_message::{Attachment, Contact, params_from_json};

/// The longest text of a message, in characters.
pub const TEXT_MAX: usize = 5_000;
/// The most attachments of a message.
const ATTACHMENTS_MAX: usize = 10;
/// The longest name of a contact, in characters, as in an address book (AB-01).
const CONTACT_NAME_MAX: usize = 255;
/// The longest telephone number of a contact, in characters, however it is written.
const CONTACT_PHONE_MAX: usize = 64;
/// The longest life of a self-destroying message, seconds: a week.
const DESTROY_MAX: u32 = 604_800;

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
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
    /// Contacts that go with it, as attachments of their own (RT-43).
    pub contacts: Vec<Contact>,
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
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The message.
    pub message: String,
    /// The new text, 1 to 5,000 characters.
    pub text: String,
}

/// Messages to be taken back.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The message.
    pub message: String,
    /// For everybody, which is possible for own messages, or only for this user.
    #[serde(default)]
    pub for_all: bool,
}

/// A reaction to be added, removed or swapped.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
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

/// A system message.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
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

fn yes() -> bool {
    true
}

impl Check for Draft {
    fn check(&self) -> Checked {
        target(self.to.as_ref(), self.dialog.as_deref())?;
        if self.file.is_some() && self.snapshot {
            return Err("file and snapshot: only one may be given".into());
        }
        let has_file = self.file.is_some() || self.snapshot;
        let attached = self.attachments.len() + self.contacts.len();
        if attached == 0 && !has_file {
            characters("text", &self.text, 1, TEXT_MAX)?;
        }
        characters("text", &self.text, 0, TEXT_MAX)?;
        if let Some(message) = &self.message {
            object_id("message", message)?;
        }
        if attached > ATTACHMENTS_MAX {
            return Err(too_many("attachments", attached, ATTACHMENTS_MAX));
        }
        for contact in &self.contacts {
            characters("contacts: name", &contact.name, 1, CONTACT_NAME_MAX)?;
            characters("contacts: phone", &contact.phone, 1, CONTACT_PHONE_MAX)?;
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
