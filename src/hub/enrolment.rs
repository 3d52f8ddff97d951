//! An account for a device, and the code it is had by: beside a running hub or without one, on the
//! hub's own files. SQLite lets several processes work on one database.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use url::Url;

use super::certificate::{self, CertificateError};
use super::clock::Clock;
use super::store::{Store, StoreError, enrolments, is_damage, users};
use crate::base::interfaces;
use crate::config::hub::HubConfig;
use crate::protocol::address::UserId;
use crate::protocol::enrolment::{Code, CodeSecret, Invitation, Pin, StretchError};

/// Characters of a device's login: a login of the hub and a device's name at once.
const LOGIN: std::ops::RangeInclusive<usize> = 3..=32;
/// Seconds a code is good for, if nothing else is said.
pub const LIFE: i64 = 24 * 3600;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The device's login: 3 to 32 of `a-z 0-9 _ -`.
    pub login: String,
    /// What people see it called.
    pub full_name: Option<String>,
    /// Give an account that is in use a new code.
    pub again: bool,
    /// Seconds the code is good for.
    pub life: i64,
    /// The address devices reach the hub at, if the configuration does not tell.
    pub hub: Option<Url>,
}

/// A code that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The account's number.
    pub user: UserId,
    /// Seconds since 1970 after which the code is worth nothing.
    pub expires_at: i64,
    /// The code, with the hub's address and authority.
    pub invitation: Invitation,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The login cannot be one.
    #[error("{0:?} cannot be a device's login: it has 3 to 32 of a-z, 0-9, _ and -")]
    Login(String),
    /// Somebody has the account.
    #[error(
        "{0:?} has an account that is in use; --again gives it a new code, and whoever takes that \
         changes its password"
    )]
    InUse(String),
    /// No hub has run on this configuration.
    #[error("there is no {0}: start the hub once, then enrol (systemctl enable --now cubelet-hub)")]
    NeverStarted(PathBuf),
    /// The hub's files are another user's.
    #[error(
        "{path} cannot be used by this user: {reason}; run this as the hub's user (sudo -u \
         cubelet-hub cubelet hub enroll …)"
    )]
    NotAllowed {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The configuration gives no address a device could use.
    #[error(
        "the hub's address cannot be told from its configuration; give it with --hub https://…"
    )]
    NoAddress,
    /// The authority's certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// The database is damaged.
    #[error("{0} is damaged: restart the hub, which keeps it aside and begins anew")]
    Damaged(PathBuf),
    /// No memory.
    #[error(transparent)]
    Stretch(#[from] StretchError),
}

/// Makes the account if there is none, and opens a code for it.
///
/// # Errors
/// [`EnrolError`]; then nothing was changed.
pub async fn enroll(config: &HubConfig, wish: Wish) -> Result<Opened, EnrolError> {
    if !is_login(&wish.login) {
        return Err(EnrolError::Login(wish.login));
    }
    let path = config.data_dir.join("hub.sqlite");
    let authority = config.data_dir.join("tls");
    for needed in [&path, &authority.join("ca.pem")] {
        match needed.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(EnrolError::NeverStarted(needed.clone())),
            Err(error) => {
                return Err(EnrolError::NotAllowed {
                    path: needed.clone(),
                    reason: error.to_string(),
                });
            }
        }
    }
    let authority = certificate::read_authority(&authority)?;
    let hub = match wish.hub.clone() {
        Some(hub) => hub,
        None => address_of(config).ok_or(EnrolError::NoAddress)?,
    };
    let secret = CodeSecret::of(rand::random());
    let kept = secret.stretched(&authority.digest)?;
    let pin = Pin::of(&authority.certificate)?;
    let now = Clock::system().now();
    let expires_at = now.saturating_add(wish.life);
    let of_store = |error: StoreError| match &error {
        StoreError::Sqlite(cause) if is_of_rights(cause) => EnrolError::NotAllowed {
            path: path.clone(),
            reason: cause.to_string(),
        },
        StoreError::Sqlite(cause) if is_damage(cause) => EnrolError::Damaged(path.clone()),
        _ => EnrolError::Store(error),
    };
    let store = Store::open(&path).map_err(of_store)?;
    let job = move |db: &rusqlite::Connection| {
        let known = users::credentials(db, "login", &wish.login)?;
        let user = match known {
            Some((_, Some(_))) if !wish.again => return Ok(Err(EnrolError::InUse(wish.login))),
            Some((user, _)) => user,
            None => {
                let profile = vec![
                    ("login", Some(wish.login.clone())),
                    ("full_name", wish.full_name),
                ];
                match users::create(db, &profile, None, false, now)? {
                    Ok(user) => user.id,
                    Err(_) => return Ok(Err(EnrolError::InUse(wish.login))),
                }
            }
        };
        enrolments::open(db, user, &kept, now, expires_at)?;
        Ok(Ok(user))
    };
    let outcome = store.run(job).await;
    store.close();
    let user = outcome.map_err(of_store)??;
    Ok(Opened {
        user,
        expires_at,
        invitation: Invitation {
            hub,
            code: Code { secret, pin },
            authority: Some(authority.digest),
        },
    })
}

fn is_login(text: &str) -> bool {
    LOGIN.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

fn is_of_rights(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

/// Where devices reach the hub: as the configuration says, by a name it is certified for, or by an
/// address of this machine.
fn address_of(config: &HubConfig) -> Option<Url> {
    if let Some(address) = &config.files.public_url {
        return Url::parse(address).ok();
    }
    let listen = config.listen.https;
    if listen.port() == 0 {
        return None;
    }
    let is_local = |name: &str| crate::base::loopback::is_loopback(name);
    let named = config.names.iter().find(|name| !is_local(name));
    let host = match named {
        _ if !listen.ip().is_unspecified() => listen.ip().to_string(),
        Some(name) => name.clone(),
        None => interfaces::own_addresses().first()?.to_string(),
    };
    let host = match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host,
    };
    Url::parse(&format!("https://{host}:{}", listen.port())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hub::Secret;

    fn config(change: impl FnOnce(&mut HubConfig)) -> HubConfig {
        let key = || Secret::new("key");
        let mut config = HubConfig::dev_in("/nowhere".into(), key(), key());
        config.listen.https = "0.0.0.0:8443".parse().unwrap();
        change(&mut config);
        config
    }

    fn address(change: impl FnOnce(&mut HubConfig)) -> Option<String> {
        address_of(&config(change)).map(|url| url.as_str().trim_end_matches('/').to_owned())
    }

    #[test]
    fn devices_are_sent_to_what_the_configuration_names() {
        let names =
            |config: &mut HubConfig| config.names = vec!["localhost".into(), "hub.lan".into()];
        assert_eq!(address(names).as_deref(), Some("https://hub.lan:8443"));
        assert_eq!(
            address(|config| config.listen.https = "[2001:db8::1]:443".parse().unwrap()).as_deref(),
            Some("https://[2001:db8::1]")
        );
        assert_eq!(
            address(|config| config.files.public_url = Some("https://hub.example".into()))
                .as_deref(),
            Some("https://hub.example")
        );
        let free_port = |config: &mut HubConfig| config.listen.https.set_port(0);
        assert_eq!(address(free_port), None);
    }

    #[tokio::test]
    async fn a_login_that_is_no_device_name_and_a_hub_that_never_ran_are_refused() {
        let wish = |login: &str| Wish {
            login: login.into(),
            full_name: None,
            again: false,
            life: LIFE,
            hub: None,
        };
        for login in ["ab", "Front", "front door", &"a".repeat(33)] {
            let refused = enroll(&config(|_| {}), wish(login)).await;
            assert!(matches!(refused, Err(EnrolError::Login(_))), "{login}");
        }
        let refused = enroll(&config(|_| {}), wish("front-door")).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("start the hub once"), "{said}");
    }
}
