//! When moving pictures stood still.
//!
//! The definition of the W3C's `freezeCount` (webrtc-stats), which libwebrtc implements: a picture
//! that comes later than three mean distances, and later than the mean and 150 ms, ends a freeze.

use std::time::{Duration, Instant};

/// Distances the mean is taken of.
const MEAN_OF: u32 = 30;
const AT_LEAST: Duration = Duration::from_millis(150);
/// Standing still for longer is a pause: the far side was muted, held, or lost.
const PAUSE: Duration = Duration::from_secs(5);

/// Watches one stream of decoded pictures.
#[derive(Clone, Debug, Default)]
pub struct Freezes {
    last: Option<Instant>,
    mean: Duration,
    distances: u32,
    count: u64,
    total: Duration,
}

impl Freezes {
    /// A picture was decoded.
    pub fn picture(&mut self, now: Instant) {
        let Some(last) = self.last.replace(now) else {
            return;
        };
        let distance = now.saturating_duration_since(last);
        if distance > PAUSE {
            self.distances = 0;
            return;
        }
        if self.distances > 0 && distance > (3 * self.mean).max(self.mean + AT_LEAST) {
            self.count += 1;
            self.total += distance;
            // A freeze says nothing about the pace of the pictures.
            return;
        }
        self.distances = (self.distances + 1).min(MEAN_OF);
        self.mean = (self.mean * (self.distances - 1) + distance) / self.distances;
    }

    /// Pictures are not looked at for a while, on purpose.
    pub fn interrupted(&mut self) {
        self.last = None;
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// For how long in all.
    pub fn total(&self) -> Duration {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn steady(freezes: &mut Freezes, from: Instant, pictures: u32) -> Instant {
        for n in 0..pictures {
            freezes.picture(from + 33 * MS * n);
        }
        from + 33 * MS * (pictures - 1)
    }

    #[test]
    fn a_flowing_picture_never_freezes() {
        let mut freezes = Freezes::default();
        let mut last = steady(&mut freezes, Instant::now(), 100);
        for _ in 0..10 {
            // Jitter below the threshold: the mean and 150 ms.
            last += 180 * MS;
            freezes.picture(last);
        }
        assert_eq!((freezes.count(), freezes.total()), (0, Duration::ZERO));
    }

    #[test]
    fn a_gap_beyond_the_threshold_is_one_freeze_of_its_length() {
        let mut freezes = Freezes::default();
        let last = steady(&mut freezes, Instant::now(), 100);
        steady(&mut freezes, last + 400 * MS, 100);
        assert_eq!((freezes.count(), freezes.total()), (1, 400 * MS));
    }

    #[test]
    fn slow_pictures_are_measured_against_their_own_pace() {
        let mut freezes = Freezes::default();
        let start = Instant::now();
        for n in 0..20 {
            freezes.picture(start + 500 * MS * n);
        }
        assert_eq!(freezes.count(), 0);
        freezes.picture(start + 500 * MS * 19 + 1_600 * MS);
        assert_eq!(freezes.count(), 1);
    }

    #[test]
    fn pauses_and_interruptions_are_not_freezes() {
        let mut freezes = Freezes::default();
        let last = steady(&mut freezes, Instant::now(), 100);
        let last = steady(&mut freezes, last + 6_000 * MS, 100);
        freezes.interrupted();
        steady(&mut freezes, last + 2_000 * MS, 100);
        assert_eq!(freezes.count(), 0);
    }
}
