//! Where the API is and who we are there.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;
use zeroize::Zeroizing;

/// The application on a server.
#[derive(Clone)]
pub struct RestSettings {
    /// The API's base, such as `https://hub.local:8443`; a path in it is kept.
    pub api: Url,
    /// The application's number.
    pub app_id: u64,
    /// The application's authorisation key, a credential.
    pub auth_key: Zeroizing<String>,
    /// The site's own CA in PEM, on top of the public roots.
    pub ca: Option<PathBuf>,
}

// Not derived: the key must not reach a log.
impl std::fmt::Debug for RestSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestSettings")
            .field("api", &self.api.as_str())
            .field("app_id", &self.app_id)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

/// The name a user logs in by: unique in the application either way (AU-01, AU-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The login name.
    Login(String),
    /// The e-mail address.
    Email(String),
}

impl Account {
    /// The API's name of it, and what it is.
    pub(super) fn field(&self) -> (&'static str, &str) {
        match self {
            Self::Login(login) => ("login", login),
            Self::Email(email) => ("email", email),
        }
    }
}

/// The user the device logs in as.
#[derive(Clone)]
pub struct Login {
    /// Who.
    pub account: Account,
    /// The password.
    pub password: Zeroizing<String>,
    /// Where the password may have become another one meanwhile; asked when this one is refused.
    pub renewal: Option<PasswordRenewal>,
}

/// Gives the password as it is now. Called on a thread where it may wait for a disk.
pub type PasswordRenewal = Arc<dyn Fn() -> Option<Zeroizing<String>> + Send + Sync>;

impl Login {
    /// A login name with its password.
    pub fn new(login: impl Into<String>, password: impl Into<String>) -> Self {
        Self::of(Account::Login(login.into()), password)
    }

    /// An account with its password.
    pub fn of(account: Account, password: impl Into<String>) -> Self {
        Self {
            account,
            password: Zeroizing::new(password.into()),
            renewal: None,
        }
    }

    /// The same, with a place to look for a new password.
    pub fn renewed_by(self, renewal: PasswordRenewal) -> Self {
        Self {
            renewal: Some(renewal),
            ..self
        }
    }

    /// With the password of now, if that is another one.
    pub(super) async fn renewed(&self) -> Option<Self> {
        let renewal = Arc::clone(self.renewal.as_ref()?);
        let password = tokio::task::spawn_blocking(move || renewal())
            .await
            .ok()??;
        (password != self.password).then(|| Self {
            password,
            ..self.clone()
        })
    }
}

// Not derived: the password must not reach a log.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
