//! How much per second, over a short window that moves.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_millis(100);
/// Of a window that has only begun, so that a first burst is not taken for a rate.
const LEAST: Duration = Duration::from_millis(500);

/// Adds up amounts in a window of so many tenths of a second: two seconds unless told otherwise.
#[derive(Clone, Debug)]
pub struct Meter<const SLOTS: usize = 20> {
    origin: Option<Instant>,
    /// The slot written last, counted from the origin.
    newest: u64,
    slots: [u32; SLOTS],
}

impl<const SLOTS: usize> Default for Meter<SLOTS> {
    fn default() -> Self {
        Self {
            origin: None,
            newest: 0,
            slots: [0; SLOTS],
        }
    }
}

impl<const SLOTS: usize> Meter<SLOTS> {
    /// One with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an amount; what comes late is added to the newest slot.
    pub fn add(&mut self, now: Instant, amount: u32) {
        let origin = *self.origin.get_or_insert(now);
        let slot = number(origin, now).max(self.newest);
        let steps = slot - self.newest;
        for step in 1..=steps.min(SLOTS as u64) {
            self.slots[Self::index(self.newest + step)] = 0;
        }
        self.newest = slot;
        let sum = &mut self.slots[Self::index(slot)];
        *sum = sum.saturating_add(amount);
    }

    /// Amount per second, up to now.
    pub fn per_second(&self, now: Instant) -> f64 {
        self.per_second_of(now, LEAST)
    }

    /// Amount per second, up to now, of a window that may have begun only this long ago: half a
    /// second and more is too long for a flow whose first moments matter.
    pub fn per_second_of(&self, now: Instant, least: Duration) -> f64 {
        let Some(origin) = self.origin else {
            return 0.0;
        };
        let present = number(origin, now).max(self.newest);
        let oldest = (present + 1).saturating_sub(SLOTS as u64);
        let sum: u64 = (oldest..=self.newest)
            .map(|slot| u64::from(self.slots[Self::index(slot)]))
            .sum();
        // The present slot has only begun.
        let begins = origin + SLOT * u32::try_from(oldest).unwrap_or(u32::MAX);
        let length = now.saturating_duration_since(begins).max(least);
        sum as f64 / length.as_secs_f64()
    }

    fn index(slot: u64) -> usize {
        (slot % SLOTS as u64) as usize
    }
}

fn number(origin: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(origin);
    (elapsed.as_nanos() / SLOT.as_nanos()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_steady_flow_reads_as_its_rate() {
        let start = Instant::now();
        let mut meter = Meter::<20>::new();
        for n in 0..300 {
            meter.add(start + 10 * MS * n, 1_000);
        }
        let rate = meter.per_second(start + 3_000 * MS);
        assert!((95_000.0..=105_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_flow_that_stops_fades_within_the_window() {
        let start = Instant::now();
        let mut meter = Meter::<20>::new();
        for n in 0..300 {
            meter.add(start + 10 * MS * n, 1_000);
        }
        let half = meter.per_second(start + 4_000 * MS);
        assert!((40_000.0..=60_000.0).contains(&half), "{half}");
        assert_eq!(meter.per_second(start + 6_000 * MS), 0.0);
        meter.add(start + 600_000 * MS, 500);
        assert!(meter.per_second(start + 600_000 * MS) <= 1_000.0);
    }

    #[test]
    fn the_first_burst_is_not_taken_for_a_rate() {
        let start = Instant::now();
        let mut meter = Meter::<20>::new();
        meter.add(start, 1_000);
        assert!(meter.per_second(start) <= 2_000.0);
        assert_eq!(Meter::<20>::new().per_second(start), 0.0);
    }
}
