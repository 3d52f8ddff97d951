//! Users (wire reference E.2).

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::{Proof, Request, read};
use super::settings::Login;
use crate::protocol::address::UserId;
use crate::protocol::rest::User;

/// Users asked for in one request.
const PAGE: usize = 100;

#[derive(Deserialize)]
struct Wrapped {
    user: User,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<User>,
}

/// A user to be signed up.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Login name or e-mail address, and password.
    pub login: Login,
    /// Display name.
    pub full_name: Option<String>,
}

/// What to change about one's own profile; what is absent stays as it is, what is empty is taken
/// away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileUpdate {
    /// Display name.
    pub full_name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Web site.
    pub website: Option<String>,
    /// Uid or address of a picture.
    pub avatar: Option<String>,
    /// Whatever the application keeps there.
    pub custom_data: Option<String>,
    /// Tags.
    pub tags: Option<Vec<String>>,
}

impl RestClient {
    /// `GET /users/by_login`: the user of a login, if there is one.
    ///
    /// # Errors
    /// [`RestError`], but an unknown login is `None`.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, RestError> {
        let request = Request::new(Method::GET, &["users", "by_login"]).query("login", login);
        found(
            self.call::<Wrapped>(request)
                .await
                .map(|answer| answer.user),
        )
    }

    /// The user of a number, if there is one (`GET /users/v2`).
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn user_by_id(&self, id: UserId) -> Result<Option<User>, RestError> {
        Ok(self.users_by_ids(&[id]).await?.pop())
    }

    /// `GET /users/v2?id[in][]=…`: those of the users that exist, in the server's order.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn users_by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, RestError> {
        let mut users = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(PAGE) {
            let mut request =
                Request::new(Method::GET, &["users", "v2"]).query("limit", chunk.len());
            for id in chunk {
                request = request.query("id[in][]", id);
            }
            users.extend(self.call::<Page>(request).await?.items);
        }
        Ok(users)
    }

    /// `GET /users/v2` by one condition: `("full_name[start_with]", "Anna")` (US-04).
    ///
    /// # Errors
    /// [`RestError::Validation`] for a condition the server does not take.
    pub async fn users_where(
        &self,
        condition: (&str, &str),
        limit: u32,
        offset: u32,
    ) -> Result<Vec<User>, RestError> {
        let request = Request::new(Method::GET, &["users", "v2"])
            .query(condition.0, condition.1)
            .query("limit", limit)
            .query("offset", offset);
        Ok(self.call::<Page>(request).await?.items)
    }

    /// `PUT /users/{id}` with our own number (US-18): the profile as it is then.
    ///
    /// # Errors
    /// [`RestError::Validation`] naming what the server does not take.
    pub async fn update_profile(&self, update: &ProfileUpdate) -> Result<User, RestError> {
        let mut user = Map::new();
        for (name, text) in [
            ("full_name", &update.full_name),
            ("phone", &update.phone),
            ("website", &update.website),
            ("avatar", &update.avatar),
            ("custom_data", &update.custom_data),
        ] {
            if let Some(text) = text {
                let value = (!text.is_empty()).then_some(text);
                user.insert(name.to_owned(), json!(value));
            }
        }
        if let Some(tags) = &update.tags {
            user.insert("tag_list".to_owned(), json!(tags));
        }
        let id = self.session().await?.user_id.to_string();
        let request = Request::new(Method::PUT, &["users", &id]).body(json!({ "user": user }));
        Ok(self.call::<Wrapped>(request).await?.user)
    }

    /// `PUT /users/{id}` with a new password (US-19). The server ends every other session of the
    /// user, and all its connections.
    ///
    /// # Errors
    /// [`RestError::Validation`] when the old one is wrong or the new one too short.
    pub async fn change_password(&self, old: &str, new: &str) -> Result<(), RestError> {
        let id = self.session().await?.user_id.to_string();
        let user = json!({ "user": { "password": new, "old_password": old } });
        let request = Request::new(Method::PUT, &["users", &id]).body(user);
        self.call::<Wrapped>(request).await.map(drop)
    }

    /// `POST /users` with the application's key: a new user, independent of our own session.
    ///
    /// # Errors
    /// [`RestError::Validation`] when the login is taken or the password too short.
    pub async fn sign_up(&self, new: &NewUser) -> Result<User, RestError> {
        let (field, name) = new.login.account.field();
        let mut user = json!({
            (field): name,
            "password": new.login.password.as_str(),
        });
        if let Some(name) = &new.full_name {
            user["full_name"] = json!(name);
        }
        let request = Request::new(Method::POST, &["users"]).body(json!({ "user": user }));
        let body = self.exchange().send(&request, Proof::AuthKey).await?;
        Ok(read::<Wrapped>(&request, &body)?.user)
    }
}

fn found<T>(outcome: Result<T, RestError>) -> Result<Option<T>, RestError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(RestError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
