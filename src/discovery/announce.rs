//! A hub says where it is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};

use super::{AUTHORITY, DiscoveryError, HOST, PATH, SERVICE, TOLD, VERSION};

/// Seconds between two looks at the machine's addresses; the library's own every five seconds are
/// more wake-ups than a hub otherwise has.
const LOOK_EVERY: u32 = 60;
/// How long a good-bye may take to be sent.
const GOOD_BYE: Duration = Duration::from_millis(500);

/// What is announced.
#[derive(Clone, Debug)]
pub struct About {
    /// What people see it called; the site's first eight digits make it unique.
    pub name: String,
    /// Where it listens for HTTPS.
    pub https: SocketAddr,
    /// A name it is certified for, if the site has given it one.
    pub host: Option<String>,
    /// SHA-256 of its authority.
    pub authority: [u8; 32],
}

/// An announcement, until it is stopped.
pub struct Announcement {
    daemon: ServiceDaemon,
    service: String,
}

impl Announcement {
    /// Begins, on a thread of its own. A machine without a network comes to be announced when it
    /// has one.
    ///
    /// # Errors
    /// When the system gives no socket for it.
    pub fn start(about: &About) -> Result<Self, DiscoveryError> {
        let told = hex::encode(&about.authority[..TOLD]);
        let site = &told[..8];
        let name = format!("{} {site}", about.name);
        // A name of its own: the machine's may be another responder's to answer for.
        let machine = format!("cubelet-{site}.local.");
        let mut text = vec![
            (VERSION, env!("CARGO_PKG_VERSION")),
            (PATH, "/"),
            (AUTHORITY, &told),
        ];
        text.extend(about.host.as_deref().map(|host| (HOST, host)));
        let address = about.https.ip();
        let port = about.https.port();
        let fixed = [address];
        let addresses: &[IpAddr] = if address.is_unspecified() {
            &[]
        } else {
            &fixed
        };
        let mut service = ServiceInfo::new(SERVICE, &name, &machine, addresses, port, &text[..])?;
        if address.is_unspecified() {
            service = service.enable_addr_auto();
        }
        if address.is_loopback() {
            // Nobody else could use it.
            service.set_interfaces(vec![IfKind::Addr(address)]);
        }
        let service_name = service.get_fullname().to_owned();
        let daemon = ServiceDaemon::new()?;
        daemon.set_ip_check_interval(LOOK_EVERY)?;
        daemon.register(service)?;
        Ok(Self {
            daemon,
            service: service_name,
        })
    }

    /// Says good-bye, so that nobody finds what is gone, and ends the thread. Blocks for half a
    /// second at most.
    pub fn stop(self) {
        if let Ok(done) = self.daemon.unregister(&self.service) {
            // Without it, the announcement runs out by itself.
            let _ = done.recv_timeout(GOOD_BYE);
        }
        if let Err(error) = self.daemon.shutdown() {
            tracing::debug!(%error, "multicast DNS did not end in order");
        }
    }
}
