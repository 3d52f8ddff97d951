//! A device looks for hubs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};

use super::{AUTHORITY, DiscoveryError, HOST, SERVICE, VERSION};

/// A hub that announces itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FoundHub {
    /// What it is called.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
    /// The first hex digits of its authority's SHA-256, as it says.
    pub authority: String,
    /// `https` addresses to try, the most lasting first.
    pub addresses: Vec<String>,
}

/// Listens for as long as `patience`, or until one with `wanted`'s first digits is found. Blocks.
///
/// # Errors
/// When the system gives no socket for it. A network without multicast gives an empty list.
pub fn find(patience: Duration, wanted: Option<&str>) -> Result<Vec<FoundHub>, DiscoveryError> {
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE)?;
    let end = Instant::now() + patience;
    let mut found = BTreeMap::new();
    while let Ok(event) = events.recv_deadline(end) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let hub = read(&service);
                let is_wanted = wanted.is_some_and(|digits| hub.authority.starts_with(digits));
                found.insert(service.fullname.clone(), hub);
                if is_wanted {
                    break;
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                found.remove(&name);
            }
            _ => {}
        }
    }
    if let Err(error) = daemon.shutdown() {
        tracing::debug!(%error, "multicast DNS did not end in order");
    }
    Ok(found.into_values().collect())
}

fn read(service: &ResolvedService) -> FoundHub {
    let text = |key: &str| {
        let value = service.get_property_val_str(key).unwrap_or_default();
        // It goes to a terminal.
        value
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect::<String>()
    };
    let name = service
        .fullname
        .strip_suffix(SERVICE)
        .unwrap_or(&service.fullname);
    let name = name
        .trim_end_matches('.')
        .chars()
        .filter(|c| !c.is_control());
    let addresses = service.addresses.iter().map(|address| address.to_ip_addr());
    FoundHub {
        name: name.collect(),
        version: text(VERSION),
        authority: text(AUTHORITY),
        addresses: addresses_of(&text(HOST), addresses.collect(), service.port),
    }
}

/// The site's name for it first, which stays when a router hands out other numbers.
fn addresses_of(host: &str, mut numbers: Vec<IpAddr>, port: u16) -> Vec<String> {
    numbers.sort_by_key(|address| (address.is_ipv6(), address.is_loopback(), *address));
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let named = is_name.then(|| format!("https://{host}:{port}"));
    let numbered = numbers.into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(format!("https://{address}:{port}")),
        // It needs the interface's name, which no URL has.
        IpAddr::V6(address) if address.is_unicast_link_local() => None,
        IpAddr::V6(address) => Some(format!("https://[{address}]:{port}")),
    });
    named.into_iter().chain(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_name_comes_before_numbers_and_nothing_strange_becomes_an_address() {
        let numbers: Vec<IpAddr> = ["2001:db8::1", "fe80::1", "192.168.1.7"]
            .map(|text| text.parse().unwrap())
            .into();
        let expected = [
            "https://hub.lan:8443",
            "https://192.168.1.7:8443",
            "https://[2001:db8::1]:8443",
        ];
        assert_eq!(addresses_of("hub.lan", numbers.clone(), 8443), expected);
        for strange in ["", "evil/@hub", "a b"] {
            assert_eq!(addresses_of(strange, numbers.clone(), 8443), expected[1..]);
        }
    }
}
