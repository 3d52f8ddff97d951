//! The one site everything in the hub works on.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::auth::{Lockout, Passwords, Rates};
use super::clock::Clock;
use super::files::Files;
use super::store::Store;
use super::xmpp::lanes::Lanes;
use super::xmpp::router::Router;
use crate::config::hub::HubConfig;
use crate::protocol::address::Realm;

/// Configuration, state and connections of a running hub.
pub struct Site {
    /// The configuration, checked.
    pub config: HubConfig,
    /// The application and chat host.
    pub realm: Realm,
    /// Time.
    pub clock: Clock,
    /// What is remembered.
    pub store: Store,
    /// Files and uploads under way.
    pub files: Files,
    /// Password hashing.
    pub passwords: Passwords,
    /// Failed log-ins.
    pub lockout: Lockout,
    /// How often REST clients ask.
    pub rates: Rates,
    /// Who is connected.
    pub router: Router,
    /// Order of delivery for each user.
    pub lanes: Lanes,
    /// Places for chat connections, logged in or not.
    pub chat_slots: Arc<Semaphore>,
    /// Cancelled when the hub stops.
    pub stop: CancellationToken,
    /// The local CA's certificate, for phones that install it.
    pub ca_pem: String,
}

impl Site {
    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }
}
