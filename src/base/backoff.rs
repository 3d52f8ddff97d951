//! Retry delays: exponential with full jitter, so that a fleet coming back after a power cut
//! does not knock in step.

use std::time::Duration;

use rand::Rng;

/// The ceiling while nobody answers at all: no address, no route, the connection refused. Such a
/// try costs a packet or two and burdens no server, and when a site comes back after a power cut
/// people stand at its doors within seconds.
pub const NOBODY_THERE: Duration = Duration::from_secs(4);

/// The delay before try `n` is drawn evenly from `0..=min(cap, base × 2ⁿ)`.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
}

/// The bounds given to [`Backoff::new`] make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a backoff needs 0 < base ≤ cap, not base {base:?} and cap {cap:?}")]
pub struct BackoffError {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Refuses a zero base (it would spin) and a cap below the base.
    pub fn new(base: Duration, cap: Duration) -> Result<Self, BackoffError> {
        if base.is_zero() || cap < base {
            return Err(BackoffError { base, cap });
        }
        Ok(Self {
            base,
            cap,
            tries: 0,
        })
    }

    /// 300 ms doubling to 30 s: the engine's delay for actors and for the chat connection.
    pub fn standard() -> Self {
        Self {
            base: Duration::from_millis(300),
            cap: Duration::from_secs(30),
            tries: 0,
        }
    }

    /// Start again from the base, after a success that lasted.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// The delay before the next try. Never below a tenth of the base, so that a run of low
    /// draws cannot become a busy loop.
    pub fn next_delay(&mut self) -> Duration {
        self.next_delay_from(&mut rand::rng())
    }

    /// Like [`Backoff::next_delay`] with a lower cap for this once.
    pub fn next_delay_within(&mut self, cap: Duration) -> Duration {
        self.draw(cap.min(self.cap), &mut rand::rng())
    }

    /// Like [`Backoff::next_delay`] with the caller's randomness, for tests.
    pub fn next_delay_from(&mut self, random: &mut impl Rng) -> Duration {
        self.draw(self.cap, random)
    }

    fn draw(&mut self, cap: Duration, random: &mut impl Rng) -> Duration {
        let ceiling = self
            .base
            .checked_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX))
            .map_or(cap, |delay| delay.min(cap));
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(random.random::<f64>()).max(self.base / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn delays_stay_within_the_doubling_ceiling_and_the_cap() {
        let mut random = StdRng::seed_from_u64(7);
        let mut backoff = Backoff::standard();
        for n in 0..64 {
            let ceiling =
                Duration::from_millis(300 * (1 << n.min(10))).min(Duration::from_secs(30));
            let delay = backoff.next_delay_from(&mut random);
            assert!(delay <= ceiling, "try {n}: {delay:?} > {ceiling:?}");
            assert!(
                delay >= Duration::from_millis(30),
                "try {n}: {delay:?} would spin"
            );
        }
    }

    #[test]
    fn a_lower_cap_holds_however_long_nobody_was_there() {
        let mut backoff = Backoff::standard();
        let drawn: Vec<Duration> = (0..400)
            .map(|_| backoff.next_delay_within(NOBODY_THERE))
            .collect();
        assert!(drawn.iter().all(|delay| *delay <= NOBODY_THERE));
        // Still spread out, or a fleet would knock in step.
        let longest = drawn.iter().filter(|delay| **delay == NOBODY_THERE);
        assert!(longest.count() < 10);
    }

    #[test]
    fn a_reset_starts_again_from_the_base() {
        let mut backoff = Backoff::standard();
        for _ in 0..20 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(300));
    }

    #[test]
    fn bounds_that_would_spin_or_contradict_are_refused() {
        assert!(Backoff::new(Duration::ZERO, Duration::from_secs(1)).is_err());
        assert!(Backoff::new(Duration::from_secs(2), Duration::from_secs(1)).is_err());
    }
}
