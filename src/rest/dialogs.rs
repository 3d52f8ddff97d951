//! Dialogs (wire reference E.3).

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

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
        /// What it is about.
        description: Option<String>,
    },
    /// To everybody; only its admins write.
    Broadcast {
        /// Title.
        name: String,
        /// What it is about.
        description: Option<String>,
    },
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
    pub async fn create_dialog(&self, new: &NewDialog) -> Result<Dialog, RestError> {
        // Occupants as one comma-separated string: the form every server version takes (E.3).
        let body = match new {
            NewDialog::Private(user) => json!({ "type": 3, "occupants_ids": user.to_string() }),
            NewDialog::Group { name, occupants } => {
                let occupants: Vec<String> = occupants.iter().map(ToString::to_string).collect();
                json!({ "type": 2, "name": name, "occupants_ids": occupants.join(", ") })
            }
            NewDialog::Public { name, description } => {
                json!({ "type": 4, "name": name, "description": description })
            }
            NewDialog::Broadcast { name, description } => {
                json!({ "type": 1, "name": name, "description": description })
            }
        };
        self.call(Request::new(Method::POST, &["chat", "Dialog"]).body(body))
            .await
    }
}
