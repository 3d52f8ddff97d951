//! The one site everything in the hub works on.

use std::sync::Arc;

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::auth::scram::Salts;
use super::auth::{Lockout, Passwords, Rates};
use super::clock::Clock;
use super::data::Classes;
use super::files::Files;
use super::push::Push;
use super::store::Store;
use super::xmpp::addresses::Addresses;
use super::xmpp::blocks::Blocks;
use super::xmpp::in_flight::InFlight;
use super::xmpp::resumption::Resumptions;
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
    /// The classes of custom objects.
    pub classes: Classes,
    /// Files and uploads under way.
    pub files: Files,
    /// Reaching users who are away, unless it is switched off.
    pub push: Option<Push>,
    /// Password hashing.
    pub passwords: Passwords,
    /// Failed log-ins.
    pub lockout: Lockout,
    /// How often REST clients ask.
    pub rates: Rates,
    /// Salts of chat log-ins.
    pub salts: Salts,
    /// Whom users have blocked.
    pub blocks: Blocks,
    /// Who is connected.
    pub router: Router,
    /// Messages that connections have not acknowledged.
    pub in_flight: Mutex<InFlight<Arc<Element>>>,
    /// Sessions that can be resumed.
    pub resumptions: Resumptions,
    /// Places for chat connections, logged in or not.
    pub chat_slots: Arc<Semaphore>,
    /// Each address's share of them.
    pub addresses: Arc<Addresses>,
    /// Cancelled when the hub stops.
    pub stop: CancellationToken,
    /// SHA-256 of the local CA's certificate: which site this is.
    pub authority: [u8; 32],
    /// The local CA's certificate, for phones that install it.
    pub ca_pem: String,
}

impl Site {
    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }
}
