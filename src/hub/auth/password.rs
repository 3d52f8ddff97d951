//! Passwords: argon2id (RFC 9106), always on a thread that may block.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::protocol::enrolment::{CodeSecret, StretchError};

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The library refused; a stored hash may be damaged.
    #[error("argon2: {0}")]
    Argon2(argon2::password_hash::Error),
    /// The library refused to stretch a code.
    #[error(transparent)]
    Code(StretchError),
    /// The hub is going down.
    #[error("the password thread is gone")]
    Stopped,
}

/// Hashes and checks passwords, at most two at a time: each takes 19 MiB and some 30 ms of a
/// core, and a storm of log-ins must not starve calls that are already up.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(2)),
        }
    }
}

impl Passwords {
    /// The PHC string to store.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password);
        self.on_thread(move || {
            let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())
                .map_err(PasswordError::Argon2)?;
            argon2()
                .hash_password(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(PasswordError::Argon2)
        })
        .await
    }

    /// Whether the password is the one behind a stored PHC string.
    ///
    /// # Errors
    /// [`PasswordError`] for a damaged hash; a wrong password is `Ok(false)`.
    pub async fn verify(&self, password: String, stored: String) -> Result<bool, PasswordError> {
        let password = Zeroizing::new(password);
        self.on_thread(move || {
            let hash = PasswordHash::new(&stored).map_err(PasswordError::Argon2)?;
            match argon2().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(PasswordError::Argon2(error)),
            }
        })
        .await
    }

    /// Takes the time of a check and finds the password wrong, for users who do not exist or have
    /// no password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify_nobody(&self, password: String) -> Result<bool, PasswordError> {
        self.hash(password).await.map(|_| false)
    }

    /// What is kept of a code's secret half. It takes as long for one that nobody has.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn stretch(
        &self,
        secret: CodeSecret,
        site: [u8; 32],
    ) -> Result<[u8; 32], PasswordError> {
        self.on_thread(move || secret.stretched(&site).map_err(PasswordError::Code))
            .await
    }

    /// Runs work that takes a core for a while, with the others of its kind.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| PasswordError::Stopped)?;
        let job = move || {
            let result = work();
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(job)
            .await
            .map_err(|_| PasswordError::Stopped)?
    }
}

/// The library's defaults are OWASP's recommendation: 19 MiB, 2 passes, 1 lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_passes_and_the_hash_is_salted() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert_ne!(
            stored,
            passwords.hash("correct horse".into()).await.unwrap()
        );
        assert!(
            passwords
                .verify("correct horse".into(), stored.clone())
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("Correct horse".into(), stored)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_not_a_pass() {
        let result = Passwords::default()
            .verify("x".into(), "damaged".into())
            .await;
        assert!(matches!(result, Err(PasswordError::Argon2(_))));
    }
}
