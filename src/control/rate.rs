//! How often may be ordered: token buckets holding one second's worth, one for each requester and
//! one for all together.

use std::collections::HashMap;
use std::time::Instant;

use super::requester::Requester;

/// Requesters told apart; the next begin with what the overall rate leaves.
const REQUESTERS_MAX: usize = 256;
/// All together may order so many times as often as one.
const ALL: u32 = 4;

/// The rates of everybody.
#[derive(Debug)]
pub(super) struct Rates {
    rate: u32,
    all: TokenBucket,
    each: HashMap<Requester, TokenBucket>,
}

impl Rates {
    pub(super) fn new(rate_per_s: u32) -> Self {
        Self {
            rate: rate_per_s,
            all: TokenBucket::new(rate_per_s.saturating_mul(ALL)),
            each: HashMap::new(),
        }
    }

    /// Takes one token if the requester and all together have one.
    pub(super) fn take(&mut self, now: Instant, requester: &Requester) -> bool {
        if !self.each.contains_key(requester) {
            if self.each.len() >= REQUESTERS_MAX {
                self.each.retain(|_, bucket| !bucket.is_full(now));
            }
            if self.each.len() >= REQUESTERS_MAX {
                return false;
            }
            let bucket = TokenBucket::new(self.rate);
            self.each.insert(requester.clone(), bucket);
        }
        let own = self
            .each
            .get_mut(requester)
            .is_some_and(|bucket| bucket.take(now));
        own && self.all.take(now)
    }
}

/// `rate` commands per second, and as many at once after a quiet second.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Option<Instant>,
}

impl TokenBucket {
    pub(super) fn new(rate_per_s: u32) -> Self {
        let rate = f64::from(rate_per_s.max(1));
        Self {
            rate,
            tokens: rate,
            filled: None,
        }
    }

    /// Whether nothing was taken lately.
    fn is_full(&self, now: Instant) -> bool {
        self.filled
            .is_none_or(|filled| now.saturating_duration_since(filled).as_secs() >= 1)
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = self.filled.map_or(0.0, |filled| {
            now.saturating_duration_since(filled).as_secs_f64()
        });
        self.filled = Some(now);
        self.tokens = (self.tokens + since * self.rate).min(self.rate);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn no_pattern_of_arrivals_gets_more_than_the_burst_plus_the_rate(
            rate in 1_u32..50,
            gaps in prop::collection::vec(0_u64..200, 1..200),
        ) {
            let mut now = Instant::now();
            let start = now;
            let mut bucket = TokenBucket::new(rate);
            let mut taken = 0_u32;
            for gap in gaps {
                now += Duration::from_millis(gap);
                taken += u32::from(bucket.take(now));
            }
            let most = f64::from(rate) * (1.0 + (now - start).as_secs_f64());
            prop_assert!(f64::from(taken) <= most + 1e-6);
        }
    }

    #[test]
    fn one_that_floods_leaves_the_others_their_share() {
        let of = |name: String| Requester {
            way: super::super::requester::Way::Property,
            name,
        };
        let mut rates = Rates::new(5);
        let now = Instant::now();
        let greedy = of("greedy".into());
        assert_eq!((0..50).filter(|_| rates.take(now, &greedy)).count(), 5);
        let modest = of("modest".into());
        assert!(rates.take(now, &modest));
        // Names cost nothing, so all together are bounded, too.
        let many = (0..1_000).filter(|n| rates.take(now, &of(n.to_string())));
        assert!(many.count() <= 20);
    }

    #[test]
    fn a_quiet_second_fills_the_bucket_and_not_more() {
        let mut bucket = TokenBucket::new(3);
        let start = Instant::now();
        let burst = |bucket: &mut TokenBucket, now| (0..10).filter(|_| bucket.take(now)).count();
        assert_eq!(burst(&mut bucket, start), 3);
        assert_eq!(burst(&mut bucket, start + Duration::from_secs(60)), 3);
    }
}
