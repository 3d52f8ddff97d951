//! Message history (wire reference E.3).

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::Attachment;
use crate::protocol::rest::Reactions;

/// A stored message, as far as the device uses it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HistoryMessage {
    /// 24 hex digits, the stanza's id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The dialog.
    pub chat_dialog_id: String,
    /// The text; null for attachments alone.
    #[serde(default)]
    pub message: Option<String>,
    /// Who wrote it.
    pub sender_id: UserId,
    /// Unix seconds.
    #[serde(default)]
    pub date_sent: u64,
    /// Who has read it.
    #[serde(default)]
    pub read_ids: Vec<UserId>,
    /// Whose devices have it.
    #[serde(default)]
    pub delivered_ids: Vec<UserId>,
    /// The other one of a private dialog.
    #[serde(default)]
    pub recipient_id: Option<UserId>,
    /// What goes with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Counts per reaction, and ours.
    #[serde(default)]
    pub reactions: Option<Reactions>,
    /// When the server stored it, ISO 8601.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it last changed, ISO 8601.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// Custom parameters, and fields this version has no name for.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A page of a dialog's messages by conditions (CH-31).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageQuery {
    /// The dialog.
    pub dialog: String,
    /// Conditions as the API has them: `("updated_at[gte]", "…")`.
    pub conditions: Vec<(String, String)>,
    /// At most this many.
    pub limit: u32,
    /// Leave out so many.
    pub skip: u32,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<HistoryMessage>,
}

/// A part of a dialog's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The dialog.
    pub dialog: String,
    /// At most this many; the server gives no more than 100.
    pub limit: u32,
    /// Leave out so many of the newest.
    pub skip: u32,
    /// Whether the server shall note them as read by us.
    pub mark_as_read: bool,
}

/// A message to be stored through REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The dialog.
    pub dialog: String,
    /// The text.
    pub text: String,
    /// Whether the server shall also deliver it to those online.
    pub send_to_chat: bool,
}

/// Unread messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Unread {
    /// In all dialogs.
    pub total: u64,
    /// Per dialog, for those asked about.
    #[serde(flatten)]
    pub by_dialog: BTreeMap<String, u64>,
}

impl RestClient {
    /// `GET /chat/Message`: newest first.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryMessage>, RestError> {
        let request = Request::new(Method::GET, &["chat", "Message"])
            .query("chat_dialog_id", &query.dialog)
            .query("limit", query.limit)
            .query("skip", query.skip)
            .query("sort_desc", "date_sent")
            .query("mark_as_read", u8::from(query.mark_as_read));
        Ok(self.call::<Page>(request).await?.items)
    }

    /// `GET /chat/Message` by conditions; the server does not note them as read.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn messages(&self, query: &MessageQuery) -> Result<Vec<HistoryMessage>, RestError> {
        let sort = if query.newest_first {
            "sort_desc"
        } else {
            "sort_asc"
        };
        let mut request = Request::new(Method::GET, &["chat", "Message"])
            .query("chat_dialog_id", &query.dialog)
            .query("limit", query.limit)
            .query("skip", query.skip)
            .query(sort, "date_sent")
            .query("mark_as_read", 0);
        for (name, value) in &query.conditions {
            request = request.query(name, value);
        }
        Ok(self.call::<Page>(request).await?.items)
    }

    /// `GET /chat/Message/unread`, in all and for the dialogs named.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn unread(&self, dialogs: &[String]) -> Result<Unread, RestError> {
        let mut request = Request::new(Method::GET, &["chat", "Message", "unread"]);
        if !dialogs.is_empty() {
            request = request.query("chat_dialog_ids", dialogs.join(", "));
        }
        self.call(request).await
    }

    /// `POST /chat/Message`.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn create_message(&self, new: &NewMessage) -> Result<HistoryMessage, RestError> {
        let body = json!({
            "chat_dialog_id": new.dialog,
            "message": new.text,
            "send_to_chat": u8::from(new.send_to_chat),
        });
        self.call(Request::new(Method::POST, &["chat", "Message"]).body(body))
            .await
    }
}
