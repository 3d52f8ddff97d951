//! Whether the camera's thread encodes its pictures itself, or leaves them to another thread. Sans-IO.
//!
//! A picture is a megabyte and more that the camera's thread has just written. Encoded there it is
//! still in the core's cache, and no other core has to be woken. Where encoding takes long, the
//! camera must not wait for it: then another core does it meanwhile.

use std::time::{Duration, Instant};

/// Half of the time between two pictures may go into encoding them; the rest is the camera's.
const SHARE: u32 = 2;
/// After it was too slow, it is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Of the average, what a single picture makes up.
const WEIGHT: u32 = 8;

/// How long encoding took lately.
#[derive(Debug)]
pub(super) struct SameThread {
    limit: Duration,
    average: Duration,
    apart_until: Option<Instant>,
}

impl SameThread {
    /// At so many pictures a second.
    pub(super) fn new(framerate: u32) -> Self {
        Self {
            limit: Duration::from_secs(1) / framerate.max(1) / SHARE,
            average: Duration::ZERO,
            apart_until: None,
        }
    }

    /// Whether the next picture is encoded where it was taken.
    pub(super) fn suits(&mut self, now: Instant) -> bool {
        if self.apart_until.is_some_and(|until| now >= until) {
            self.apart_until = None;
            self.average = Duration::ZERO;
        }
        self.apart_until.is_none()
    }

    /// A picture that was encoded there took so long.
    pub(super) fn took(&mut self, now: Instant, took: Duration) {
        self.average = (self.average * (WEIGHT - 1) + took) / WEIGHT;
        if self.average > self.limit {
            self.apart_until = Some(now + AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_slow_picture_does_not_part_them() {
        let now = Instant::now();
        let mut threads = SameThread::new(25);
        for took in [5, 5, 60, 5, 5, 5] {
            assert!(threads.suits(now));
            threads.took(now, MS * took);
        }
        assert!(threads.suits(now));
    }

    #[test]
    fn an_encoder_that_is_slow_works_apart_and_is_tried_again() {
        let start = Instant::now();
        let mut threads = SameThread::new(25);
        let mut taken = 0;
        while threads.suits(start) {
            threads.took(start, 30 * MS);
            taken += 1;
        }
        assert!((5..20).contains(&taken), "{taken} pictures");
        assert!(!threads.suits(start + AGAIN - MS));
        assert!(threads.suits(start + AGAIN));
    }
}
