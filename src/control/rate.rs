//! A token bucket holding one second's worth.

use std::time::Instant;

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
    fn a_quiet_second_fills_the_bucket_and_not_more() {
        let mut bucket = TokenBucket::new(3);
        let start = Instant::now();
        let burst = |bucket: &mut TokenBucket, now| (0..10).filter(|_| bucket.take(now)).count();
        assert_eq!(burst(&mut bucket, start), 3);
        assert_eq!(burst(&mut bucket, start + Duration::from_secs(60)), 3);
    }
}
