//! Failed log-ins: after too many, an account name or an address waits. Bounded, in memory.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::secret::token_hash;

/// An address may fail this many times as often as one account: a site behind one router shares
/// its address.
const ADDRESS_FACTOR: u32 = 5;
/// Entries kept; beyond that the oldest go first. 20,000 take about 1 MiB.
const CAPACITY: usize = 20_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    // A hash, so that a log-in name of any length takes 32 bytes.
    Account([u8; 32]),
    Address(IpAddr),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: i64,
}

/// Counts failures per account name and per address within a window.
pub struct Lockout {
    limit: u32,
    window: i64,
    failures: Mutex<HashMap<Subject, Failures>>,
}

impl Lockout {
    /// `limit` failures within `window` seconds of each other lock an account's name.
    pub fn new(limit: u32, window: i64) -> Self {
        Self {
            limit,
            window,
            failures: Mutex::new(HashMap::new()),
        }
    }

    /// Seconds until the next try is looked at, or `None` if it is welcome now.
    pub fn wait(&self, account: &str, address: Option<IpAddr>, now: i64) -> Option<i64> {
        let failures = self.failures.lock();
        let left = |subject: &Subject, limit: u32| {
            let entry = failures.get(subject)?;
            let left = entry.last + self.window - now;
            (entry.count >= limit && left > 0).then_some(left)
        };
        let account = left(&account_of(account), self.limit);
        let address = address
            .and_then(|address| left(&Subject::Address(address), self.limit * ADDRESS_FACTOR));
        account.max(address)
    }

    /// Notes a failure.
    pub fn failed(&self, account: &str, address: Option<IpAddr>, now: i64) {
        let mut failures = self.failures.lock();
        for subject in [Some(account_of(account)), address.map(Subject::Address)]
            .into_iter()
            .flatten()
        {
            if failures.len() >= CAPACITY && !failures.contains_key(&subject) {
                self.make_room(&mut failures, now);
            }
            let entry = failures.entry(subject).or_insert(Failures {
                count: 0,
                last: now,
            });
            if entry.last + self.window <= now {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        }
    }

    /// A success clears the account's name, not the address: one good account must not buy
    /// guesses at others.
    pub fn succeeded(&self, account: &str) {
        self.failures.lock().remove(&account_of(account));
    }

    fn make_room(&self, failures: &mut HashMap<Subject, Failures>, now: i64) {
        failures.retain(|_, entry| entry.last + self.window > now);
        if failures.len() >= CAPACITY {
            let mut times: Vec<i64> = failures.values().map(|entry| entry.last).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            let mut surplus = CAPACITY / 2;
            // Entries of one second tie with the median; the surplus bounds how many of them go.
            failures.retain(|_, entry| {
                let goes = surplus > 0 && entry.last <= median;
                surplus -= usize::from(goes);
                !goes
            });
        }
    }
}

fn account_of(name: &str) -> Subject {
    Subject::Account(token_hash(&name.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_waits_after_its_limit_and_is_welcome_after_the_window() {
        let lockout = Lockout::new(3, 60);
        for _ in 0..3 {
            assert_eq!(lockout.wait("Ann", None, 0), None);
            lockout.failed("ann", None, 0);
        }
        assert_eq!(lockout.wait("ann", None, 10), Some(50));
        assert_eq!(lockout.wait("bob", None, 10), None);
        assert_eq!(lockout.wait("ann", None, 60), None);
    }

    #[test]
    fn one_address_guessing_at_many_accounts_waits_too_despite_a_success() {
        let lockout = Lockout::new(2, 60);
        let address = Some(IpAddr::from([10, 0, 0, 9]));
        for guess in 0..10 {
            lockout.failed(&format!("user{guess}"), address, 0);
        }
        lockout.succeeded("own");
        assert_eq!(lockout.wait("own", address, 0), Some(60));
        assert_eq!(
            lockout.wait("own", Some(IpAddr::from([10, 0, 0, 8])), 0),
            None
        );
    }

    #[test]
    fn the_table_never_outgrows_its_capacity() {
        let lockout = Lockout::new(2, 60);
        for guess in 0..CAPACITY + 10 {
            lockout.failed(&guess.to_string(), None, 5);
        }
        assert!(lockout.failures.lock().len() <= CAPACITY);
    }
}
