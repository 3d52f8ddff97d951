//! Messages written, changed and taken back, typing notices and system messages.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Order;
use super::payload::{Payload, pair};

/// A chat message to be written.
#[derive(Debug, Args)]
pub struct NewMessage {
    /// The user it goes to, by login or number.
    #[arg(long, short, required_unless_present = "dialog")]
    to: Option<String>,
    /// The dialog it goes to: 24 hex digits.
    #[arg(long, conflicts_with = "to")]
    dialog: Option<String>,
    /// Attach this file of the device's `[attachments] send_from`.
    #[arg(long, conflicts_with = "snapshot", value_name = "NAME")]
    file: Option<String>,
    /// Attach a picture of the camera.
    #[arg(long)]
    snapshot: bool,
    /// Attach a contact; may be repeated.
    #[arg(long, value_name = "NAME=PHONE", value_parser = pair)]
    contact: Vec<(String, String)>,
    /// A parameter for the receiving application; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// No push to those who are offline.
    #[arg(long)]
    silent: bool,
    /// Let it disappear after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    destroy_after: Option<u32>,
    /// The text; several words become one text.
    #[arg(required_unless_present_any = ["file", "snapshot", "contact"])]
    text: Vec<String>,
}

/// Messages written, changed and taken back, typing notices and system messages.
#[derive(Debug, Subcommand)]
pub enum MessageVerb {
    /// Write a chat message.
    Send(NewMessage),
    /// Give a message of the device another text.
    Edit {
        /// The message's id.
        message: String,
        /// The new text.
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Take a message back.
    Remove {
        /// The message's id.
        message: String,
        /// For everybody, not only for this user.
        #[arg(long)]
        for_all: bool,
    },
    /// React to a message.
    React {
        /// The message's id.
        message: String,
        /// The reaction, usually an emoji.
        reaction: String,
        /// Take it back.
        #[arg(long)]
        remove: bool,
    },
    /// Tell that the device's user types, or has stopped to.
    Typing {
        /// The user it is told, by login or number.
        #[arg(long, short, required_unless_present = "dialog")]
        to: Option<String>,
        /// The dialog it is told in: 24 hex digits.
        #[arg(long, conflicts_with = "to")]
        dialog: Option<String>,
        /// Not typing any more.
        #[arg(long)]
        stop: bool,
    },
    /// Send a system message: one for an application, not for people, lost if nobody is online.
    System {
        /// The user it goes to, by login or number.
        #[arg(long, short)]
        to: String,
        /// A parameter; may be repeated.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        param: Vec<(String, String)>,
        /// Its text.
        body: Option<String>,
    },
}

impl NewMessage {
    fn order(&self) -> Order {
        let contacts = self.contact.iter();
        let contacts: Vec<Value> = contacts
            .map(|(name, phone)| json!({ "name": name, "phone": phone }))
            .collect();
        let payload = Payload::new()
            .person("to", self.to.as_ref())
            .put("dialog", self.dialog.as_ref())
            .put("text", Some(self.text.join(" ")))
            .put("file", self.file.as_ref())
            .flag("snapshot", self.snapshot)
            .list("contacts", &contacts)
            .pairs("custom", &self.param)
            .flag("silent", self.silent)
            .put("destroy_after", self.destroy_after);
        ("send", payload.done())
    }
}

impl MessageVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Send(message) => message.order(),
            Self::Edit { message, text } => (
                "edit",
                json!({ "message": message, "text": text.join(" ") }),
            ),
            Self::Remove { message, for_all } => {
                ("remove", json!({ "message": message, "for_all": for_all }))
            }
            Self::React {
                message,
                reaction,
                remove,
            } => {
                let change = if *remove { "remove" } else { "add" };
                ("react", json!({ "message": message, change: reaction }))
            }
            Self::Typing { to, dialog, stop } => {
                let payload = Payload::new()
                    .person("to", to.as_ref())
                    .put("dialog", dialog.as_ref())
                    .put("composing", Some(!stop));
                ("typing", payload.done())
            }
            Self::System { to, param, body } => {
                let payload = Payload::new()
                    .person("to", Some(to))
                    .put("body", body.as_ref())
                    .pairs("params", param);
                ("send_system", payload.done())
            }
        }
    }
}
