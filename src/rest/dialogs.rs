//! Dialogs (wire reference E.3).

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;
use crate::protocol::rest::Dialog;

/// Dialogs asked for in one request.
const PAGE: usize = 100;
/// Dialogs read in all; a device in more of them is misconfigured.
const MAX_DIALOGS: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    items: Vec<Dialog>,
}

/// A dialog to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewDialog {
    /// With one other user; an existing one is returned instead.
    Private(UserId),
    /// With a name and any number of others.
    Group {
        /// Title.
        name: String,
        /// The other members.
        occupants: Vec<UserId>,
    },
    /// For everybody who subscribes.
    Public {
        /// Title.
        name: String,
    },
    /// To everybody; only its admins write.
    Broadcast {
        /// Title.
        name: String,
    },
}

/// What a dialog says of itself besides title and picture; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogAbout {
    /// What it is about.
    pub description: Option<String>,
    /// Its custom fields (CH-13), all of them at once; `Some(None)` takes them away. The server
    /// keeps those the application allows, as texts.
    pub extensions: Option<Option<Map<String, Value>>>,
    /// Whether others may read its last messages without joining (CH-14).
    pub allow_preview: Option<bool>,
}

impl DialogAbout {
    /// Adds what is given to a request's body.
    pub(super) fn put(&self, body: &mut Map<String, Value>) {
        if let Some(description) = &self.description {
            body.insert("description".to_owned(), json!(description));
        }
        if let Some(extensions) = &self.extensions {
            body.insert("extensions".to_owned(), json!(extensions));
        }
        if let Some(allowed) = self.allow_preview {
            let permissions = json!({ "allow_preview": allowed });
            body.insert("permissions".to_owned(), permissions);
        }
    }
}

/// Which dialogs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogQuery {
    /// Conditions as the API has them: `("type[in]", "2,3")`, `("updated_at[gte]", "…")` (CH-05).
    pub conditions: Vec<(String, String)>,
    /// At most this many; 0 for the server's own page of 100.
    pub limit: u32,
    /// Leave out so many.
    pub skip: u32,
    /// Sort by this field, the greatest first.
    pub sort_desc: Option<&'static str>,
    /// Sort by this field, the smallest first.
    pub sort_asc: Option<&'static str>,
}

impl RestClient {
    /// `GET /chat/Dialog`: every dialog we are in, the latest message first.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn dialogs(&self) -> Result<Vec<Dialog>, RestError> {
        let mut dialogs: Vec<Dialog> = Vec::new();
        loop {
            let request = Request::new(Method::GET, &["chat", "Dialog"])
                .query("limit", PAGE)
                .query("skip", dialogs.len())
                .query("sort_desc", "last_message_date_sent");
            let page: Page = self.call(request).await?;
            let is_last = page.items.len() < PAGE;
            dialogs.extend(page.items);
            if is_last || dialogs.len() >= MAX_DIALOGS {
                return Ok(dialogs);
            }
        }
    }

    /// `GET /chat/Dialog` with conditions: one page (CH-04…CH-07).
    ///
    /// # Errors
    /// [`RestError::Validation`] for a condition the server does not know.
    pub async fn dialogs_where(&self, query: &DialogQuery) -> Result<Vec<Dialog>, RestError> {
        let mut request = Request::new(Method::GET, &["chat", "Dialog"]).query("skip", query.skip);
        if query.limit > 0 {
            request = request.query("limit", query.limit);
        }
        if let Some(field) = query.sort_desc {
            request = request.query("sort_desc", field);
        }
        if let Some(field) = query.sort_asc {
            request = request.query("sort_asc", field);
        }
        for (name, value) in &query.conditions {
            request = request.query(name, value);
        }
        Ok(self.call::<Page>(request).await?.items)
    }

    /// `POST /chat/Dialog`.
    ///
    /// # Errors
    /// [`RestError::Validation`] when an occupant does not exist.
    pub async fn create_dialog(
        &self,
        new: &NewDialog,
        about: &DialogAbout,
    ) -> Result<Dialog, RestError> {
        let (kind, name, occupants) = match new {
            NewDialog::Broadcast { name } => (1, Some(name), None),
            NewDialog::Group { name, occupants } => (2, Some(name), Some(occupants.as_slice())),
            NewDialog::Private(user) => (3, None, Some(std::slice::from_ref(user))),
            NewDialog::Public { name } => (4, Some(name), None),
        };
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(kind));
        if let Some(name) = name {
            body.insert("name".to_owned(), json!(name));
        }
        if let Some(occupants) = occupants {
            // As one comma-separated string: the form every server version takes (E.3).
            let occupants: Vec<String> = occupants.iter().map(ToString::to_string).collect();
            body.insert("occupants_ids".to_owned(), json!(occupants.join(", ")));
        }
        about.put(&mut body);
        let request = Request::new(Method::POST, &["chat", "Dialog"]);
        self.call(request.body(Value::Object(body))).await
    }
}
