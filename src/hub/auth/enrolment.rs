//! A device's code exchanged for its account.

use std::net::IpAddr;

use super::{LoginError, scram, secret};
use crate::hub::site::Site;
use crate::hub::store::{enrolments, sessions, users};
use crate::protocol::address::UserId;
use crate::protocol::enrolment::CodeSecret;

/// Letters and digits of a password that is made up: 190 bits.
const PASSWORD: usize = 32;

/// A device that has just been let in.
pub struct Enrolled {
    /// Its number.
    pub user: UserId,
    /// Its login.
    pub login: String,
    /// Its password from now on, told this once.
    pub password: String,
}

/// Takes a code and gives its account a new password. Whoever had the account before is out: the
/// code may be for the board that replaces a stolen one.
///
/// # Errors
/// [`LoginError::Wrong`] for a code that is unknown, taken or run out, and after too many of those
/// from one address [`LoginError::Locked`]. A code says nothing of whose it is, so failures are
/// counted by address alone: nobody can lock out another device.
pub async fn redeem(
    site: &Site,
    code: CodeSecret,
    address: Option<IpAddr>,
) -> Result<Enrolled, LoginError> {
    let now = site.now();
    let counted = match address {
        Some(address) => format!("enrolment from {address}"),
        None => "enrolment".to_owned(),
    };
    if let Some(wait) = site.lockout.wait(&counted, address, now) {
        return Err(LoginError::Locked(wait));
    }
    let kept = site.passwords.stretch(code, site.authority).await?;
    let found = site.store.run(move |db| enrolments::find(db, &kept, now));
    let Some(user) = found.await? else {
        site.lockout.failed(&counted, address, now);
        return Err(LoginError::Wrong);
    };
    let password = secret::random_text(PASSWORD);
    let hash = site.passwords.hash(password.clone()).await?;
    let taken = site.store.run(move |db| {
        // Another may have come first with the same code.
        if enrolments::take(db, &kept, now)? != Some(user) {
            return Ok(None);
        }
        sessions::delete_others(db, user, None)?;
        let updated = users::update(db, user, &Vec::new(), Some(&hash), now)?;
        Ok(updated.ok().flatten())
    });
    let Some(account) = taken.await? else {
        return Err(LoginError::Wrong);
    };
    site.lockout.succeeded(&counted);
    site.router.end_user(user, "reset");
    scram::learn_password(site, user, &password).await;
    let login = account.json()["login"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    tracing::info!(login, user, ?address, "a device took its enrolment code");
    Ok(Enrolled {
        user,
        login,
        password,
    })
}
