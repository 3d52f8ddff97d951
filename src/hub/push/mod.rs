//! Reaching users who are away: Web Push (RFC 8030, 8291, 8292) from the hub itself, without
//! anybody's cloud but the push service a browser or a phone has chosen.
//!
//! ```text
//! endpoint  payload  template  verdict     decisions, without IO
//! encryption  vapid                        what a service and a receiver must be able to check
//! sender                                   the task that works the queue of `store::notifications`
//! ```
//!
//! Invariant: what is queued is on disk, and leaves the queue only when a service has it, when it is
//! worth nothing any more, or when its subscription is gone. Nothing is sent to an address of the
//! site's own network unless the configuration names it, and no push service reads a text.
//! Must not enter: who may notify whom and when a message is worth a notification (`rest::events`,
//! `xmpp::alerts`), SQL.

mod encryption;
pub mod endpoint;
pub mod payload;
pub mod sender;
mod template;
mod vapid;
mod verdict;

pub use encryption::{Receiver, encrypt};
use std::time::Duration;

use tokio::sync::Notify;
pub use vapid::VapidError;

use self::endpoint::{Endpoint, PublicOnly};
use self::vapid::Vapid;
use crate::base::tls::{self, TlsError};
use crate::config::hub::HubConfig;

/// How long a push service may take to be reached, and to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Why push notifications cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The key.
    #[error("push: {0}")]
    Vapid(#[from] VapidError),
    /// The certificates of `push.ca_file`.
    #[error("push: {0}")]
    Tls(#[from] TlsError),
    /// The HTTP client.
    #[error("push: {0}")]
    Http(#[from] reqwest::Error),
}

/// What the hub needs to send.
pub struct Push {
    vapid: Vapid,
    // Two, for what is checked on the way to a public service must not be relaxed by a name that
    // the configuration allows.
    public: reqwest::Client,
    local: reqwest::Client,
    queued: Notify,
}

impl Push {
    /// Opens or makes the key in the data folder. `None` where the site wants no notifications.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn open(config: &HubConfig) -> Result<Option<Self>, PushError> {
        if !config.push.enabled {
            return Ok(None);
        }
        let key = config.data_dir.join("vapid.key");
        let client = |ca| -> Result<reqwest::ClientBuilder, TlsError> {
            let tls = tls::client_config(ca)?;
            Ok(reqwest::Client::builder()
                .tls_backend_preconfigured((*tls).clone())
                .connect_timeout(CONNECT_LIMIT)
                .timeout(ANSWER_LIMIT)
                // A proxy would look names up itself, and a redirect leads where nobody has looked.
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none()))
        };
        Ok(Some(Self {
            vapid: Vapid::open(&key, config.push_subject())?,
            public: client(None)?.dns_resolver(PublicOnly).build()?,
            local: client(config.push.ca_file.as_deref())?.build()?,
            queued: Notify::new(),
        }))
    }

    /// The key that browsers subscribe with (`applicationServerKey`).
    pub fn public_key(&self) -> &str {
        self.vapid.public_key()
    }

    /// Something has been queued, or is in the transaction that is under way.
    pub fn wake(&self) {
        self.queued.notify_one();
    }

    fn client(&self, endpoint: &Endpoint) -> &reqwest::Client {
        if endpoint.is_local {
            &self.local
        } else {
            &self.public
        }
    }
}
