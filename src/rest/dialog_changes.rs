//! Changing dialogs (wire reference E.3; CH-16…CH-29).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::deletion::{Deletion, deletion};
use super::dialogs::DialogAbout;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;
use crate::protocol::rest::{Dialog, User};

/// Members, admins and pinned messages, to be added or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DialogLists {
    /// Members.
    #[serde(rename = "occupants_ids", skip_serializing_if = "Vec::is_empty")]
    pub occupants: Vec<UserId>,
    /// Admins.
    #[serde(rename = "admins_ids", skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<UserId>,
    /// Pinned messages.
    #[serde(rename = "pinned_messages_ids", skip_serializing_if = "Vec::is_empty")]
    pub pinned_messages: Vec<String>,
}

/// What to change about a dialog; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogUpdate {
    /// Title.
    pub name: Option<String>,
    /// What it says of itself.
    pub about: DialogAbout,
    /// Uid of a picture, or its address.
    pub photo: Option<String>,
    /// Added.
    pub push: DialogLists,
    /// Removed.
    pub pull: DialogLists,
}

#[derive(Deserialize)]
struct Occupants {
    items: Vec<User>,
}

#[derive(Deserialize)]
struct Notifications {
    notifications: Enabled,
}

#[derive(Deserialize)]
struct Enabled {
    #[serde(deserialize_with = "truth")]
    enabled: bool,
}

/// `1` or `true`.
fn truth<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value == true || value == 1 || value == "1")
}

impl RestClient {
    /// `PUT /chat/Dialog/{id}`: the dialog as it is then.
    ///
    /// # Errors
    /// [`RestError::Validation`] with 403 when our role does not allow it.
    pub async fn update_dialog(
        &self,
        dialog: &str,
        update: &DialogUpdate,
    ) -> Result<Dialog, RestError> {
        let mut body = Map::new();
        for (name, value) in [("name", &update.name), ("photo", &update.photo)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        update.about.put(&mut body);
        for (name, lists) in [("push_all", &update.push), ("pull_all", &update.pull)] {
            if *lists != DialogLists::default() {
                body.insert(name.to_owned(), json!(lists));
            }
        }
        let request = Request::new(Method::PUT, &["chat", "Dialog", dialog]);
        self.call(request.body(Value::Object(body))).await
    }

    /// `DELETE /chat/Dialog/{id},…`: for us, or for everybody with `force`.
    ///
    /// # Errors
    /// [`RestError`]; of several dialogs, [`Deletion`] says which were not deleted.
    pub async fn delete_dialogs(
        &self,
        dialogs: &[String],
        force: bool,
    ) -> Result<Deletion, RestError> {
        let path = dialogs.join(",");
        let mut request = Request::new(Method::DELETE, &["chat", "Dialog", &path]);
        if force {
            request = request.query("force", 1);
        }
        Ok(deletion(&self.call_raw(&request).await?, dialogs))
    }

    /// `DELETE /chat/Dialog/clearHistory/{id}`: its messages are gone for us, or for everybody
    /// with `force`.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn clear_history(&self, dialog: &str, force: bool) -> Result<(), RestError> {
        let path = ["chat", "Dialog", "clearHistory", dialog];
        let mut request = Request::new(Method::DELETE, &path);
        if force {
            request = request.query("force", 1);
        }
        self.call_raw(&request).await.map(drop)
    }

    /// `POST /chat/Dialog/{id}/subscribe`.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn subscribe(&self, dialog: &str) -> Result<Dialog, RestError> {
        let path = ["chat", "Dialog", dialog, "subscribe"];
        self.call(Request::new(Method::POST, &path)).await
    }

    /// `DELETE /chat/Dialog/{id}/subscribe`.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn unsubscribe(&self, dialog: &str) -> Result<(), RestError> {
        let path = ["chat", "Dialog", dialog, "subscribe"];
        let request = Request::new(Method::DELETE, &path);
        self.call_raw(&request).await.map(drop)
    }

    /// `GET /chat/Dialog/{id}/occupants`: a page of the people in a dialog.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn occupants(
        &self,
        dialog: &str,
        limit: u32,
        skip: u32,
    ) -> Result<Vec<User>, RestError> {
        let request = Request::new(Method::GET, &["chat", "Dialog", dialog, "occupants"])
            .query("limit", limit)
            .query("skip", skip);
        Ok(self.call::<Occupants>(request).await?.items)
    }

    /// `GET` or, with a value, `PUT /chat/Dialog/{id}/notifications`: whether messages there are
    /// pushed to us.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn notifications(&self, dialog: &str, set: Option<bool>) -> Result<bool, RestError> {
        let path = ["chat", "Dialog", dialog, "notifications"];
        let request = match set {
            None => Request::new(Method::GET, &path),
            Some(enabled) => {
                let body = json!({ "enabled": u8::from(enabled) });
                Request::new(Method::PUT, &path).body(body)
            }
        };
        let answer: Notifications = self.call(request).await?;
        Ok(answer.notifications.enabled)
    }
}
