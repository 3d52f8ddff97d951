//! Who somebody is: passwords, tokens, lock-out.
//!
//! Invariant: a secret is compared in constant time or by its hash, and never logged.
//! Must not enter: HTTP statuses, stanzas.

pub mod enrolment;
mod lockout;
mod password;
mod rates;
pub mod scram;
pub mod secret;
pub mod signature;

use std::net::IpAddr;

pub use lockout::Lockout;
pub use password::{PasswordError, Passwords};
pub use rates::{Caller, Rates};

use super::site::Site;
use super::store::{StoreError, sessions, users};
use crate::protocol::address::UserId;
use crate::protocol::scram::ScramError;

/// Why a log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user.
    #[error("no such user")]
    Unknown,
    /// The password or token is not this user's.
    #[error("wrong password")]
    Wrong,
    /// Too many failures; the next try is looked at after this many seconds.
    #[error("locked for {0} s")]
    Locked(i64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A SCRAM message makes no sense.
    #[error(transparent)]
    Scram(ScramError),
}

/// How REST clients name a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// By login.
    Login(String),
    /// By e-mail address.
    Email(String),
}

impl Name {
    /// The column and its text.
    pub fn column(&self) -> (&'static str, &str) {
        match self {
            Self::Login(text) => ("login", text),
            Self::Email(text) => ("email", text),
        }
    }
}

/// Checks a login or e-mail address with its password.
///
/// # Errors
/// [`LoginError`]. [`LoginError::Unknown`] counts as a failure as well: clients are told that a
/// login is free (404), so guessing names must have a price.
pub async fn by_password(
    site: &Site,
    name: &Name,
    password: String,
    address: Option<IpAddr>,
) -> Result<UserId, LoginError> {
    let (column, text) = name.column();
    let text = text.to_owned();
    let account = text.clone();
    let now = site.clock.now();
    if let Some(wait) = site.lockout.wait(&account, address, now) {
        return Err(LoginError::Locked(wait));
    }
    let found = site
        .store
        .run(move |connection| users::credentials(connection, column, &text))
        .await?;
    let Some((user, hash)) = found else {
        site.lockout.failed(&account, address, now);
        return Err(LoginError::Unknown);
    };
    // Guests have no password; nobody logs in as one.
    let is_right = match hash {
        Some(hash) => site.passwords.verify(password.clone(), hash).await?,
        None => false,
    };
    if !is_right {
        site.lockout.failed(&account, address, now);
        return Err(LoginError::Wrong);
    }
    site.lockout.succeeded(&account);
    scram::learn_password(site, user, &password).await;
    Ok(user)
}

/// Checks a chat log-in: the password of a number is a session token of that user (the fast
/// path) or the log-in password (A.4).
///
/// # Errors
/// [`LoginError`].
pub async fn for_chat(
    site: &Site,
    user: UserId,
    secret: String,
    address: Option<IpAddr>,
) -> Result<(), LoginError> {
    let account = scram::account(Some(user), "");
    let now = site.clock.now();
    if let Some(wait) = site.lockout.wait(&account, address, now) {
        return Err(LoginError::Locked(wait));
    }
    if secret::looks_like_token(&secret) {
        let hash = secret::token_hash(&secret);
        let session = site
            .store
            .run(move |connection| sessions::touch(connection, hash, now))
            .await?;
        if session.is_some_and(|session| session.user == Some(user)) {
            site.lockout.succeeded(&account);
            return Ok(());
        }
    }
    let id = user.to_string();
    let hash = site
        .store
        .run(move |connection| users::credentials(connection, "id", &id))
        .await?
        .and_then(|(_, hash)| hash);
    let is_right = match hash {
        Some(hash) => site.passwords.verify(secret.clone(), hash).await?,
        // A number nobody has takes as long as a wrong password.
        None => site.passwords.verify_nobody(secret.clone()).await?,
    };
    if !is_right {
        site.lockout.failed(&account, address, now);
        return Err(LoginError::Wrong);
    }
    site.lockout.succeeded(&account);
    scram::learn_password(site, user, &secret).await;
    Ok(())
}
