//! The machine's own addresses on its networks.

use std::net::IpAddr;

/// Addresses others can reach this machine at, as of now: none of loopback, none that hold on one
/// link only. Empty where the system does not tell.
pub fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut found: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(is_reachable)
        .collect();
    // Both of a kind stay in the system's order; IPv4 is what people type.
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found
}

fn is_reachable(address: &IpAddr) -> bool {
    let on_one_link = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !on_one_link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_nobody_else_can_use_are_left_out() {
        for (address, is_one) in [
            ("192.168.1.7", true),
            ("2001:db8::7", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.1.2", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_reachable(&address.parse().unwrap()), is_one, "{address}");
        }
        assert!(own_addresses().iter().all(is_reachable));
    }
}
