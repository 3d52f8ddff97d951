//! What the device has received, and what became of what it wrote.

use clap::Subcommand;
use serde_json::json;

use super::Order;
use super::payload::Payload;

/// What the device has received, and what became of what it wrote.
#[derive(Debug, Subcommand)]
pub enum ReadingVerb {
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
        /// Leave out so many of the latest.
        #[arg(long, default_value_t = 0)]
        skip: u32,
    },
    /// How many messages are unread, by dialog.
    Unread,
    /// Mark a dialog as read.
    Read {
        /// The dialog's id.
        dialog: String,
    },
    /// What became of a message of the device.
    SendStatus {
        /// The message's id.
        message: String,
    },
    /// Fetch an attachment into the device's `[attachments] save_to`.
    Download {
        /// The message's id.
        message: String,
        /// Which of its attachments, from 0.
        #[arg(default_value_t = 0)]
        attachment: usize,
    },
}

impl ReadingVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::History {
                dialog,
                before,
                limit,
            } => {
                let payload = Payload::new()
                    .put("dialog", dialog.as_ref())
                    .put("before", before.as_ref())
                    .put("limit", Some(limit));
                ("history", payload.done())
            }
            Self::Search { dialog, words } => {
                let payload = Payload::new()
                    .put("dialog", dialog.as_ref())
                    .put("text", Some(words.join(" ")));
                ("search", payload.done())
            }
            Self::Dialogs { limit, skip } => ("dialogs", json!({ "limit": limit, "skip": skip })),
            Self::Unread => ("unread", json!({})),
            Self::Read { dialog } => ("mark_read", json!({ "dialog": dialog })),
            Self::SendStatus { message } => ("send_status", json!({ "message": message })),
            Self::Download {
                message,
                attachment,
            } => (
                "download",
                json!({ "message": message, "attachment": attachment }),
            ),
        }
    }
}
