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
    /// Write a chat message.
    Send {
        /// The user it goes to, by login or number.
        #[arg(long, short, required_unless_present = "dialog")]
        to: Option<String>,
        /// The dialog it goes to: 24 hex digits.
        #[arg(long, conflicts_with = "to")]
        dialog: Option<String>,
        /// The text; several words become one text.
        #[arg(required = true)]
        text: Vec<String>,
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
            Self::Send { to, dialog, text } => {
                let mut payload = Map::new();
                if let Some(to) = to {
                    payload.insert("to".into(), person(to));
                }
                if let Some(dialog) = dialog {
                    payload.insert("dialog".into(), dialog.as_str().into());
                }
                payload.insert("text".into(), text.join(" ").into());
                ("send", Value::Object(payload))
            }
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

/// A number is a user's id, anything else a login.
fn person(user: &str) -> Value {
    match user.parse::<u64>() {
        Ok(id) => id.into(),
        Err(_) => user.into(),
    }
}
