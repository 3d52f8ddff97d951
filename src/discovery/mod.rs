//! Hubs on the local network: announced by one side, found by the other (DNS-SD, RFC 6763, over
//! multicast DNS, RFC 6762).
//!
//! Invariant: what is found is a hint and no more. Anybody on the network can announce anything; a
//! hub is known by its certificate authority.
//! Must not enter: accounts, codes, anything that trusts what it finds.

mod announce;
mod browse;

pub use announce::{About, Announcement};
pub use browse::{FoundHub, find};

/// Hubs' service type; as long as RFC 6335 allows a name to be.
const SERVICE: &str = "_cubelet._tcp.local.";
/// What a hub's TXT record says, by key: its version, where the API begins, the first 16 hex digits
/// of its authority's SHA-256, a name it is certified for.
const VERSION: &str = "version";
const PATH: &str = "path";
const AUTHORITY: &str = "ca";
const HOST: &str = "host";
/// Bytes of the digest that are told: enough to tell hubs apart by eye, and no proof.
const TOLD: usize = 8;

/// Multicast DNS does not work here.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);
