//! Which subcommand becomes which command of docs/reference/mqtt.md.

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

/// Subcommands that are one command to the device each.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Ring: call whom the configuration names, or these.
    Ring {
        /// Users, by login or number.
        users: Vec<String>,
    },
    /// Call somebody.
    Call {
        /// The user, by login or number.
        user: String,
        /// Without picture.
        #[arg(long)]
        audio: bool,
    },
    /// Take the ringing call.
    Answer,
    /// Decline the ringing call.
    Reject {
        /// Told to the caller.
        reason: Option<String>,
    },
    /// End the call, ringing or talking.
    #[command(visible_alias = "hang-up")]
    Hangup,
    /// Open the door.
    Unlock,
    /// Press the bell button.
    Press,
    /// A visitor's message: begin one, end it, call it off.
    VisitorMessage {
        /// `stop` sends what was recorded, `cancel` keeps nothing.
        #[arg(value_parser = ["start", "stop", "cancel"])]
        action: String,
    },
    /// Write a chat message.
    Send {
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
        /// No push to those who are offline.
        #[arg(long)]
        silent: bool,
        /// Let it disappear after so many seconds.
        #[arg(long, value_name = "SECONDS")]
        destroy_after: Option<u32>,
        /// The text; several words become one text.
        #[arg(required_unless_present_any = ["file", "snapshot"])]
        text: Vec<String>,
    },
    /// What became of a message of the device.
    SendStatus {
        /// The message's id.
        message: String,
    },
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
    /// Mark a dialog as read.
    Read {
        /// The dialog's id.
        dialog: String,
    },
    /// How many messages are unread.
    Unread,
    /// Messages, newest first.
    History {
        /// Of this dialog only.
        #[arg(long)]
        dialog: Option<String>,
        /// The page behind another: its `next`.
        #[arg(long)]
        before: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Look for words, or how they begin, in the messages.
    Search {
        /// In this dialog only.
        #[arg(long)]
        dialog: Option<String>,
        /// The words.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// The dialogs, latest first.
    Dialogs {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Look up a user.
    User {
        /// The exact login.
        login: String,
    },
    /// Keep somebody away: no messages and calls of that user any more.
    Block {
        /// The user, by login or number.
        user: String,
        /// Keep our messages from the user, too.
        #[arg(long)]
        mutual: bool,
    },
    /// Let somebody in again.
    Unblock {
        /// The user, by login or number.
        user: String,
    },
    /// Who is kept away.
    Blocked,
    /// Fetch an attachment into the device's `[attachments] save_to`.
    Download {
        /// The message's id.
        message: String,
        /// Which of its attachments, from 0.
        #[arg(default_value_t = 0)]
        attachment: usize,
    },
    /// Any command of the reference, with its fields as JSON.
    Cmd {
        /// The verb, such as `unlock`.
        verb: String,
        /// Its fields.
        #[arg(default_value = "{}")]
        fields: String,
    },
}

impl Verb {
    /// The command's verb and payload.
    ///
    /// # Errors
    /// When the fields of `cmd` are no JSON object.
    pub fn message(&self) -> anyhow::Result<(String, Value)> {
        let (verb, payload) = match self {
            Self::Ring { users } if users.is_empty() => ("ring", json!({})),
            Self::Ring { users } => {
                let users: Vec<Value> = users.iter().map(|user| person(user)).collect();
                ("ring", json!({ "targets": users }))
            }
            Self::Call { user, audio } => {
                let mut payload = Map::new();
                payload.insert("user".into(), person(user));
                if *audio {
                    payload.insert("call_type".into(), "audio".into());
                }
                ("call", Value::Object(payload))
            }
            Self::Answer => ("answer", json!({})),
            Self::Reject { reason: None } => ("reject", json!({})),
            Self::Reject {
                reason: Some(reason),
            } => ("reject", json!({ "reason": reason })),
            Self::Hangup => ("hangup", json!({})),
            Self::Unlock => ("unlock", json!({})),
            Self::Press => ("press", json!({})),
            Self::VisitorMessage { action } => ("visitor_message", json!({ "action": action })),
            Self::Send {
                to,
                dialog,
                file,
                snapshot,
                silent,
                destroy_after,
                text,
            } => {
                let mut payload = Map::new();
                if let Some(to) = to {
                    payload.insert("to".into(), person(to));
                }
                if let Some(dialog) = dialog {
                    payload.insert("dialog".into(), dialog.as_str().into());
                }
                payload.insert("text".into(), text.join(" ").into());
                put(&mut payload, "file", file.as_ref());
                put(&mut payload, "destroy_after", *destroy_after);
                put(&mut payload, "snapshot", snapshot.then_some(true));
                put(&mut payload, "silent", silent.then_some(true));
                ("send", Value::Object(payload))
            }
            Self::SendStatus { message } => ("send_status", json!({ "message": message })),
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
            Self::Read { dialog } => ("mark_read", json!({ "dialog": dialog })),
            Self::Unread => ("unread", json!({})),
            Self::History {
                dialog,
                before,
                limit,
            } => {
                let mut payload = Map::new();
                put(&mut payload, "dialog", dialog.as_ref());
                put(&mut payload, "before", before.as_ref());
                put(&mut payload, "limit", Some(*limit));
                ("history", Value::Object(payload))
            }
            Self::Search { dialog, words } => {
                let mut payload = Map::new();
                put(&mut payload, "dialog", dialog.as_ref());
                put(&mut payload, "text", Some(words.join(" ")));
                ("search", Value::Object(payload))
            }
            Self::Dialogs { limit } => ("dialogs", json!({ "limit": limit })),
            Self::User { login } => ("users", json!({ "login": login })),
            Self::Block { user, mutual } => {
                ("block", json!({ "user": person(user), "mutual": mutual }))
            }
            Self::Unblock { user } => ("unblock", json!({ "user": person(user) })),
            Self::Blocked => ("blocked", json!({})),
            Self::Download {
                message,
                attachment,
            } => (
                "download",
                json!({ "message": message, "attachment": attachment }),
            ),
            Self::Cmd { verb, fields } => {
                let payload: Value =
                    serde_json::from_str(fields).context("the fields are not JSON")?;
                if !payload.is_object() {
                    bail!("the fields are not a JSON object such as {{\"text\": \"hello\"}}");
                }
                return Ok((verb.clone(), payload));
            }
        };
        Ok((verb.to_owned(), payload))
    }
}

/// Adds a field that is given.
fn put<T: serde::Serialize>(payload: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        payload.insert(name.to_owned(), json!(value));
    }
}

/// A number is a user's id, anything else a login.
fn person(user: &str) -> Value {
    match user.parse::<u64>() {
        Ok(id) => id.into(),
        Err(_) => user.into(),
    }
}
