//! How many of the chat connections one address may have, so that one guest of the network cannot
//! take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Who has how many.
pub struct Addresses {
    most: usize,
    is_loopback_exempt: bool,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address, no longer counted when dropped.
pub struct Share {
    addresses: Arc<Addresses>,
    address: Option<IpAddr>,
}

impl Addresses {
    /// Each address may have `most`; the machine's own any number if `is_loopback_exempt`.
    pub fn new(most: usize, is_loopback_exempt: bool) -> Self {
        Self {
            most,
            is_loopback_exempt,
            taken: Mutex::default(),
        }
    }

    /// Counts a connection, or `None` if its address has its share. One without an address, as of
    /// a local socket, is not counted.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Share> {
        let address = address
            .map(subject)
            .filter(|address| !(self.is_loopback_exempt && address.is_loopback()));
        if let Some(address) = address {
            let mut taken = self.taken.lock();
            let count = taken.entry(address).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Share {
            addresses: Arc::clone(self),
            address,
        })
    }
}

/// Who has one IPv6 address has its whole /64.
fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        other => other,
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.addresses.taken.lock();
        if let Some(count) = taken.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_what_is_dropped_is_free_again() {
        let addresses = Arc::new(Addresses::new(2, true));
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().ok());
        let first = addresses.take(one);
        let second = addresses.take(one);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.take(one).is_none());
        assert!(addresses.take(other).is_some());
        assert!(addresses.take(None).is_some());
        let local = "127.0.0.1".parse().ok();
        let _many: Vec<_> = (0..5).map(|_| addresses.take(local).unwrap()).collect();
        drop(second);
        assert!(addresses.take(one).is_some());
        drop(first);
        assert!(addresses.taken.lock().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let addresses = Arc::new(Addresses::new(1, true));
        let parse = |text: &str| text.parse().ok();
        let _first = addresses.take(parse("2001:db8::1"));
        assert!(addresses.take(parse("2001:db8::2")).is_none());
        assert!(addresses.take(parse("2001:db8:0:1::1")).is_some());
    }
}
