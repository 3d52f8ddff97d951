//! Changing, removing and reacting to messages; search; system messages (wire reference E.3;
//! CH-37…CH-45).

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::deletion::{Deletion, deletion};
use super::error::RestError;
use super::exchange::Request;
use super::messages::HistoryMessage;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::Marker;
use crate::protocol::rest::{Dialog, User};

/// What a search found.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Found {
    /// By name.
    #[serde(default)]
    pub dialogs: Vec<Dialog>,
    /// By text.
    #[serde(default)]
    pub messages: Vec<HistoryMessage>,
    /// By name.
    #[serde(default)]
    pub users: Vec<User>,
}

#[derive(Deserialize)]
struct Results {
    results: Found,
}

#[derive(Deserialize)]
struct SystemSent {
    #[serde(rename = "messageId")]
    message_id: String,
}

impl RestClient {
    /// `PUT /chat/Message[/{ids}]`: marks as delivered or read; without ids the whole dialog.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn mark_messages(
        &self,
        dialog: &str,
        ids: &[String],
        marker: Marker,
    ) -> Result<(), RestError> {
        let mark = match marker {
            Marker::Delivered => "delivered",
            Marker::Read => "read",
        };
        let body = json!({ "chat_dialog_id": dialog, mark: 1 });
        let ids = ids.join(",");
        let request = if ids.is_empty() {
            Request::new(Method::PUT, &["chat", "Message"])
        } else {
            Request::new(Method::PUT, &["chat", "Message", &ids])
        };
        self.call_raw(&request.body(body)).await.map(drop)
    }

    /// `PUT /chat/Message/{id}`: another text for a message of ours; the others are told.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn edit_message(&self, dialog: &str, id: &str, text: &str) -> Result<(), RestError> {
        let body = json!({ "chat_dialog_id": dialog, "message": text });
        let request = Request::new(Method::PUT, &["chat", "Message", id]).body(body);
        self.call_raw(&request).await.map(drop)
    }

    /// `DELETE /chat/Message/{ids}`: for us, or with `force` for everybody, who are told.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn delete_messages(
        &self,
        ids: &[String],
        force: bool,
    ) -> Result<Deletion, RestError> {
        let path = ids.join(",");
        let mut request = Request::new(Method::DELETE, &["chat", "Message", &path]);
        if force {
            request = request.query("force", 1);
        }
        Ok(deletion(&self.call_raw(&request).await?, ids))
    }

    /// `PUT /chat/Message/{id}/reactions`: adds, removes or swaps a reaction of ours.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn react(
        &self,
        id: &str,
        add: Option<&str>,
        remove: Option<&str>,
    ) -> Result<(), RestError> {
        let mut body = Map::new();
        for (name, reaction) in [("add", add), ("remove", remove)] {
            if let Some(reaction) = reaction {
                body.insert(name.to_owned(), json!(reaction));
            }
        }
        let request = Request::new(Method::PUT, &["chat", "Message", id, "reactions"]);
        self.call_raw(&request.body(Value::Object(body)))
            .await
            .map(drop)
    }

    /// `GET /chat/Message/{id}/reactions`: who reacted how.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn reactions(&self, id: &str) -> Result<BTreeMap<String, Vec<UserId>>, RestError> {
        let path = ["chat", "Message", id, "reactions"];
        self.call(Request::new(Method::GET, &path)).await
    }

    /// `POST /chat/Message/system`: a system message without a chat connection; its id.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn send_system(
        &self,
        recipient: UserId,
        params: &Map<String, Value>,
    ) -> Result<String, RestError> {
        let mut body = params.clone();
        body.insert("recipientId".to_owned(), json!(recipient));
        let request = Request::new(Method::POST, &["chat", "Message", "system"]);
        let sent: SystemSent = self.call(request.body(Value::Object(body))).await?;
        Ok(sent.message_id)
    }

    /// `GET /chat/search`: text of at least five characters in messages, names of dialogs and of
    /// people; in at most ten dialogs if any are named.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn search(&self, text: &str, dialogs: &[String]) -> Result<Found, RestError> {
        let mut request = Request::new(Method::GET, &["chat", "search"]).query("search_text", text);
        if !dialogs.is_empty() {
            request = request.query("chat_dialog_ids", dialogs.join(","));
        }
        Ok(self.call::<Results>(request).await?.results)
    }
}
