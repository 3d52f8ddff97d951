//! The configuration's hub, turned into the settings of what talks to it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::chat::{endpoint, tuning};
use crate::base::tls::{self, TlsError};
use crate::chat::ChatSettings;
use crate::config::{self, DeviceConfig};
use crate::protocol::address::Realm;
use crate::rest::{Account, Login, RestClient, RestError, RestSettings};

/// The application and its chat host.
pub(super) fn realm(config: &DeviceConfig) -> Realm {
    Realm {
        app_id: config.hub.app_id,
        chat_host: config.hub.chat_host.clone(),
    }
}

/// A REST client of the device's user; nothing is sent yet.
///
/// # Errors
/// As [`RestClient::new`].
pub fn rest_client(config: &DeviceConfig) -> Result<RestClient, RestError> {
    let hub = &config.hub;
    let account = match &hub.account {
        config::Account::Login(login) => Account::Login(login.clone()),
        config::Account::Email(email) => Account::Email(email.clone()),
    };
    let mut login = Login::of(account, hub.password.expose());
    if let Some(file) = hub.password_file.clone() {
        login = login.renewed_by(Arc::new(move || {
            let read = config::read_secret(&file);
            let read = read.inspect_err(|error| tracing::warn!(error, "no new password"));
            Some(Zeroizing::new(read.ok()?.expose().to_owned()))
        }));
    }
    RestClient::new(
        RestSettings {
            api: hub.api.clone(),
            app_id: hub.app_id,
            auth_key: hub.auth_key.expose().to_owned().into(),
            ca: hub.ca.clone(),
        },
        login,
    )
}

/// Where the chat server is and how patient to be with it.
///
/// # Errors
/// [`TlsError`]: the CA file.
pub(super) fn chat_settings(config: &DeviceConfig) -> Result<ChatSettings, TlsError> {
    Ok(ChatSettings {
        endpoint: endpoint(&config.hub.chat),
        realm: realm(config),
        tls: tls::client_config(config.hub.ca.as_deref())?,
        tuning: tuning(&config.chat),
    })
}
