//! SCRAM at the hub: when keys are derived, and which secrets a proof is checked against.
//!
//! All secrets of a user share one salt, because it is announced before the client says which it
//! means. The salt is computed from the name and a secret of the hub: it is stable, needs no
//! look-up, and a name nobody has gets one like any other.

use std::net::IpAddr;

use sasl::common::scram::{ScramProvider, Sha256};
use zeroize::Zeroizing;

use super::{LoginError, Passwords};
use crate::hub::site::Site;
use crate::hub::store::scram::{self, Candidate};
use crate::hub::store::sessions;
use crate::protocol::address::UserId;
use crate::protocol::scram::{Challenge, Keys, ScramError};

/// Iterations of PBKDF2, some milliseconds. Keys of another number are ignored and derived anew.
pub const ITERATIONS: u32 = 10_000;
const SALT: usize = 16;

/// Where salts come from.
pub struct Salts(Vec<u8>);

impl Salts {
    /// With the hub's secret.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    /// The salt of a name, whether anybody has it or not.
    pub fn of(&self, name: &str) -> Vec<u8> {
        // The secret has 32 bytes; HMAC takes keys of any length.
        let mut salt = Sha256::hmac(name.as_bytes(), &self.0).unwrap_or_default();
        salt.truncate(SALT);
        salt
    }
}

/// Derives and keeps the keys of a password that is known to be right, unless they are there.
/// A failure is logged: the log-in that brought the password must not fail because of it.
pub async fn learn_password(site: &Site, user: UserId, password: &str) {
    if site.config.chat.scram
        && let Err(error) = try_learn_password(site, user, password).await
    {
        tracing::warn!(user, %error, "the keys of a password are not kept");
    }
}

async fn try_learn_password(site: &Site, user: UserId, password: &str) -> Result<(), LoginError> {
    let found = site.store.run(move |db| {
        let hash = scram::password_hash(db, user)?;
        let is_missing = scram::lacks_password(db, user, ITERATIONS)?;
        Ok(hash.filter(|_| is_missing))
    });
    let Some(hash) = found.await? else {
        return Ok(());
    };
    let keys = derive(site, user, password).await?;
    site.store
        .run(move |db| scram::keep_password(db, user, &hash, ITERATIONS, &keys))
        .await?;
    Ok(())
}

/// Derives and keeps the keys of a session's token, as [`learn_password`] does.
pub async fn learn_token(site: &Site, user: UserId, token: &str) {
    if site.config.chat.scram
        && let Err(error) = try_learn_token(site, user, token).await
    {
        tracing::warn!(user, %error, "the keys of a token are not kept");
    }
}

async fn try_learn_token(site: &Site, user: UserId, token: &str) -> Result<(), LoginError> {
    let keys = derive(site, user, token).await?;
    let hash = super::secret::token_hash(token);
    site.store
        .run(move |db| scram::keep_token(db, hash, user, ITERATIONS, &keys))
        .await?;
    Ok(())
}

async fn derive(site: &Site, user: UserId, secret: &str) -> Result<Keys, LoginError> {
    let salt = site.salts.of(&site.realm.user_name(user));
    let secret = Zeroizing::new(secret.to_owned());
    let passwords: &Passwords = &site.passwords;
    let work = move || Ok(Keys::derive(&secret, &salt, ITERATIONS));
    Ok(passwords.on_thread(work).await?)
}

/// Checks a client's proof. Returns the text that proves us to the client.
///
/// # Errors
/// [`LoginError::Locked`] without looking, [`LoginError::Wrong`] for a proof that fits nothing,
/// [`LoginError::Scram`] for a message that makes no sense.
pub async fn prove(
    site: &Site,
    user: Option<UserId>,
    name: &str,
    challenge: &Challenge,
    proof: &[u8],
    address: Option<IpAddr>,
) -> Result<String, LoginError> {
    let account = account(user, name);
    let now = site.clock.now();
    if let Some(wait) = site.lockout.wait(&account, address, now) {
        return Err(LoginError::Locked(wait));
    }
    let candidates = match user {
        Some(user) => {
            let found = site
                .store
                .run(move |db| scram::candidates(db, user, ITERATIONS, now));
            found.await?
        }
        None => Vec::new(),
    };
    let keys: Vec<Keys> = candidates.iter().map(|candidate| candidate.keys).collect();
    match challenge.verify(proof, &keys) {
        Ok((place, answer)) => {
            if let Some(Candidate {
                token_hash: Some(hash),
                ..
            }) = candidates.get(place)
            {
                let hash = *hash;
                site.store
                    .run(move |db| sessions::touch(db, hash, now))
                    .await?;
            }
            site.lockout.succeeded(&account);
            Ok(answer)
        }
        Err(ScramError::WrongProof) => {
            site.lockout.failed(&account, address, now);
            Err(LoginError::Wrong)
        }
        Err(error) => Err(LoginError::Scram(error)),
    }
}

/// What failures are counted under: the same as for PLAIN, so that changing the mechanism buys no
/// further guesses.
pub fn account(user: Option<UserId>, name: &str) -> String {
    match user {
        Some(user) => format!("chat {user}"),
        None => format!("chat {name}"),
    }
}
