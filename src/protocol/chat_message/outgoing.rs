//! What is stored before it is sent: messages, their edits and removals, read markers.

use minidom::Element;
use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use super::param::{Param, element_of};
use super::receipt::Marker;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::extra_params::{ExtraParamsBuilder, text_element};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One user, on all connections.
    User(UserId),
    /// Everybody in a dialog.
    Dialog(String),
}

impl Default for Target {
    fn default() -> Self {
        Self::User(0)
    }
}

impl Target {
    /// Type and `to` of a stanza.
    pub(super) fn address(&self, realm: &Realm) -> (&'static str, String) {
        match self {
            Self::User(user) => ("chat", realm.user(*user)),
            Self::Dialog(dialog) => ("groupchat", realm.room(dialog)),
        }
    }
}

/// What a stanza does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// It is a new message.
    #[default]
    Create,
    /// It gives a message of ours another text (RT-36).
    Edit {
        /// The message.
        message_id: String,
        /// Whether it is the last one of its dialog.
        is_last: bool,
    },
    /// It takes a message of ours back, for everybody (RT-37).
    Remove {
        /// The message.
        message_id: String,
    },
    /// It tells the author, who is the target, that a message was delivered or read.
    Mark {
        /// The message.
        message_id: String,
        /// What happened to it.
        marker: Marker,
    },
}

/// Something to be sent, in order, once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMessage {
    /// 24 hex digits; also the `_id` of the stored message, and what makes sending it again safe.
    pub id: String,
    /// The receiver.
    pub target: Target,
    /// The text; may be empty with an attachment.
    pub body: String,
    /// The dialog, where known; the hub adds it otherwise.
    pub dialog_id: Option<String>,
    /// Unix seconds at which the user wrote it, which may be long before it is sent.
    pub date_sent: u64,
    /// Further parameters, stored with the message.
    pub custom: Vec<Param>,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
    /// No push to those who are offline (RT-29).
    pub is_silent: bool,
    /// Not kept in the server's history (RT-26).
    pub is_unsaved: bool,
    /// Seconds after which it disappears on every device; such a message is not kept (RT-38).
    pub destroy_after: Option<u32>,
    /// What the stanza does.
    pub action: Action,
}

impl OutgoingMessage {
    /// The stanza. New messages ask for a delivery marker.
    pub fn to_element(&self, realm: &Realm) -> Element {
        match &self.action {
            Action::Create => self.creation(realm),
            Action::Edit {
                message_id,
                is_last,
            } => {
                let replace = Element::builder("replace", ns::CORRECT)
                    .with("id", message_id)
                    .with("last", is_last.to_string());
                let mut message = self.frame(realm);
                message.append_child(text_element("body", &self.body));
                message.append_child(replace.build());
                message.append_child(self.with_custom(self.dialog_param()).build());
                message
            }
            Action::Remove { message_id } => {
                let remove = Element::builder("remove", ns::DELETE).with("id", message_id);
                let mut message = self.frame(realm);
                message.append_child(remove.build());
                message.append_child(self.dialog_param().build());
                message
            }
            Action::Mark { message_id, marker } => {
                let author = match self.target {
                    Target::User(author) => author,
                    // Markers go to users alone; the room answers this one with an error.
                    Target::Dialog(_) => 0,
                };
                let dialog = self.dialog_id.as_deref();
                super::receipt::marker(realm, *marker, &self.id, author, message_id, dialog)
            }
        }
    }

    fn creation(&self, realm: &Realm) -> Element {
        let mut params = ExtraParamsBuilder::default();
        if !self.is_unsaved && self.destroy_after.is_none() {
            params = params.text("save_to_history", "1");
        }
        if let Some(dialog) = &self.dialog_id {
            params = params.text("dialog_id", dialog);
        }
        params = params.text("date_sent", self.date_sent.to_string());
        if self.is_silent {
            params = params.text("silent", "1");
        }
        for attachment in &self.attachments {
            params = params.element(attachment.to_element());
        }
        let mut message = self.frame(realm);
        message.append_child(text_element("body", &self.body));
        message.append_child(self.with_custom(params).build());
        if let Some(seconds) = self.destroy_after {
            let destroy =
                Element::builder("destroy", ns::DESTROY_AFTER).with("after", seconds.to_string());
            message.append_child(destroy.build());
        }
        message.append_child(Element::bare("markable", ns::CHAT_MARKERS));
        message
    }

    fn frame(&self, realm: &Realm) -> Element {
        let (kind, to) = self.target.address(realm);
        Element::bare("message", ns::CLIENT)
            .with("type", kind)
            .with("id", &self.id)
            .with("to", to)
    }

    fn dialog_param(&self) -> ExtraParamsBuilder {
        match &self.dialog_id {
            Some(dialog) => ExtraParamsBuilder::default().text("dialog_id", dialog),
            None => ExtraParamsBuilder::default(),
        }
    }

    fn with_custom(&self, mut params: ExtraParamsBuilder) -> ExtraParamsBuilder {
        for (name, value) in &self.custom {
            params = params.element(element_of(name, value));
        }
        params
    }
}
