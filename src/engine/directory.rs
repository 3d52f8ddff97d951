//! Who is meant: users named by login in the configuration or a command, turned into numbers.

use super::command::{CommandError, ErrorCode};
use super::wiring::Wiring;
use crate::protocol::address::{UserId, UserRef};

/// The user's number. Logins are asked for once and remembered, so that the bell rings without
/// the hub's REST side.
///
/// # Errors
/// `not_found` for an unknown login, `unavailable` when the hub cannot be asked.
pub async fn resolve(wiring: &Wiring, user: &UserRef) -> Result<UserId, CommandError> {
    let login = match user {
        UserRef::Id(id) => return Ok(*id),
        UserRef::Login(login) => login,
    };
    match wiring.store.user_by_login(login).await {
        Ok(Some(known)) => return Ok(known.id),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the user directory cannot be read"),
    }
    let found = wiring
        .rest
        .user_by_login(login)
        .await
        .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?
        .ok_or_else(|| {
            CommandError::new(
                ErrorCode::NotFound,
                format!("the hub knows no user {login:?}"),
            )
        })?;
    let name = found.full_name.as_deref();
    if let Err(error) = wiring.store.remember_user(login, found.id, name).await {
        tracing::warn!(%error, "the user directory cannot be written");
    }
    Ok(found.id)
}

/// Every user's number, in order.
///
/// # Errors
/// The first that cannot be resolved.
pub async fn resolve_all(wiring: &Wiring, users: &[UserRef]) -> Result<Vec<UserId>, CommandError> {
    let mut ids = Vec::with_capacity(users.len());
    for user in users {
        let id = resolve(wiring, user).await?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
