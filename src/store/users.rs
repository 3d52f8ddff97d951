//! Users met so far, so that a ring button set to a login works without the REST API.

use rusqlite::{OptionalExtension, Row, params};

use super::database::Durability;
use super::{Store, StoreError};
use crate::protocol::address::UserId;

/// A user as last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// The number.
    pub id: UserId,
    /// The login name.
    pub login: String,
    /// The display name.
    pub name: Option<String>,
}

impl Store {
    /// Keeps a user. A login that now belongs to another number moves to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_user(
        &self,
        login: &str,
        id: UserId,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        let (login, name) = (login.to_owned(), name.map(str::to_owned));
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO users (id, login, name) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![id as i64, login, name])?;
            Ok(())
        })
        .await
    }

    /// The user of a login.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_by_login(&self, login: &str) -> Result<Option<KnownUser>, StoreError> {
        let login = login.to_owned();
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("SELECT id, login, name FROM users WHERE login = ?1")?
                .query_row([login], read)
                .optional()
        })
        .await
    }

    /// The user of a number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_by_id(&self, id: UserId) -> Result<Option<KnownUser>, StoreError> {
        self.run(Durability::Process, move |transaction| {
            transaction
                .prepare_cached("SELECT id, login, name FROM users WHERE id = ?1")?
                .query_row([id as i64], read)
                .optional()
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<KnownUser> {
    Ok(KnownUser {
        id: row.get::<_, i64>(0)? as UserId,
        login: row.get(1)?,
        name: row.get(2)?,
    })
}
