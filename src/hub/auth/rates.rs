//! How often somebody may ask: a bucket of requests per session and per address, refilled every
//! second. Bounded, in memory.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

/// Buckets kept; beyond that the full ones go, which changes nothing for their owners.
const CAPACITY: usize = 20_000;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Hash of the token, as sent: it may be no session's.
    pub token: Option<[u8; 32]>,
    /// The peer's address.
    pub address: Option<IpAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Token([u8; 32]),
    Address(Option<IpAddr>),
}

#[derive(Clone, Copy)]
struct Bucket {
    left: u64,
    since: i64,
}

/// The buckets.
pub struct Rates {
    per_second: u64,
    burst: u64,
    buckets: Mutex<HashMap<Subject, Bucket>>,
}

impl Rates {
    /// `burst` requests at once, refilled by `per_second`; with 0 per second nothing is counted.
    pub fn new(per_second: u64, burst: u64) -> Self {
        Self {
            per_second,
            burst,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one request at `now` (Unix seconds).
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn take(&self, caller: &Caller, now: i64) -> Result<(), i64> {
        if self.per_second == 0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock();
        let stranger = Subject::Address(caller.address);
        let Some(token) = caller.token.map(Subject::Token) else {
            return self.take_from(&mut buckets, stranger, now);
        };
        // A token not seen lately may be a guess: who has guessed too often makes none.
        if !buckets.contains_key(&token) && self.left(&buckets, stranger, now) == 0 {
            return Err(1);
        }
        self.take_from(&mut buckets, token, now)
    }

    /// The token, or what else the caller sent, was worth nothing: it counts for the address, so
    /// that guessing with ever new tokens has a price.
    pub fn refused(&self, caller: &Caller, now: i64) {
        if self.per_second == 0 {
            return;
        }
        let mut buckets = self.buckets.lock();
        if let Some(token) = caller.token {
            buckets.remove(&Subject::Token(token));
            // An empty bucket is what the next guess meets.
            let _ = self.take_from(&mut buckets, Subject::Address(caller.address), now);
        }
    }

    fn left(&self, buckets: &HashMap<Subject, Bucket>, subject: Subject, now: i64) -> u64 {
        buckets.get(&subject).map_or(self.burst, |bucket| {
            // A clock that was set back refills nothing.
            let seconds = (now - bucket.since).max(0).unsigned_abs();
            let refill = seconds.saturating_mul(self.per_second);
            bucket.left.saturating_add(refill).min(self.burst)
        })
    }

    fn take_from(
        &self,
        buckets: &mut HashMap<Subject, Bucket>,
        subject: Subject,
        now: i64,
    ) -> Result<(), i64> {
        if buckets.len() >= CAPACITY && !buckets.contains_key(&subject) {
            let full: Vec<Subject> = buckets
                .keys()
                .filter(|other| self.left(buckets, **other, now) == self.burst)
                .copied()
                .collect();
            for other in full {
                buckets.remove(&other);
            }
            // All in use: a flood of tokens must not take the memory.
            if buckets.len() >= CAPACITY {
                buckets.clear();
            }
        }
        let left = self.left(buckets, subject, now);
        let next = Bucket {
            left: left.saturating_sub(1),
            since: now,
        };
        buckets.insert(subject, next);
        if left == 0 { Err(1) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(token: Option<u8>) -> Caller {
        Caller {
            token: token.map(|byte| [byte; 32]),
            address: Some(IpAddr::from([10, 0, 0, 9])),
        }
    }

    #[test]
    fn a_session_waits_when_its_bucket_is_empty_and_is_welcome_a_second_later() {
        let rates = Rates::new(2, 3);
        let ann = caller(Some(1));
        for _ in 0..3 {
            assert_eq!(rates.take(&ann, 0), Ok(()));
        }
        assert_eq!(rates.take(&ann, 0), Err(1));
        assert_eq!(rates.take(&caller(Some(2)), 0), Ok(()));
        assert_eq!(rates.take(&ann, 1), Ok(()));
        assert_eq!(rates.take(&ann, 1), Ok(()));
        assert_eq!(rates.take(&ann, 1), Err(1));
    }

    #[test]
    fn guessing_tokens_empties_the_address_and_leaves_its_sessions_alone() {
        let rates = Rates::new(1, 3);
        let ann = caller(Some(1));
        rates.take(&ann, 0).unwrap();
        for guess in 10..13 {
            rates.take(&caller(Some(guess)), 0).unwrap();
            rates.refused(&caller(Some(guess)), 0);
        }
        assert_eq!(rates.take(&caller(Some(13)), 0), Err(1));
        assert_eq!(rates.take(&caller(None), 0), Err(1));
        assert_eq!(rates.take(&ann, 0), Ok(()));
    }

    #[test]
    fn a_flood_of_tokens_does_not_outgrow_the_capacity() {
        let rates = Rates::new(1, 3);
        for n in 0..CAPACITY + 10 {
            let mut token = [0; 32];
            token[..8].copy_from_slice(&n.to_le_bytes());
            let caller = Caller {
                token: Some(token),
                address: None,
            };
            rates.take(&caller, 0).unwrap();
        }
        assert!(rates.buckets.lock().len() <= CAPACITY);
    }

    #[test]
    fn zero_per_second_counts_nothing() {
        let rates = Rates::new(0, 0);
        assert_eq!(rates.take(&caller(None), 0), Ok(()));
    }
}
