//! Which of a camera's pictures are encoded when not all of them are wanted.

use std::time::Duration;

/// Lets through at most so many a second, evenly. By the pictures' own times, so that a camera
/// that gives fewer than it promised, in the dark, is not thinned out once more.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Between two; none lets all through.
    interval: Option<Duration>,
    /// How much too early one may come: half of the distance of the camera's.
    slack: Duration,
    next: Option<Duration>,
}

impl Pace {
    /// `wanted` pictures every `seconds` of a camera that gives `given` a second.
    pub fn new(wanted: u32, seconds: u32, given: u32) -> Self {
        let given = given.max(1);
        let all = u64::from(wanted) >= u64::from(given) * u64::from(seconds);
        Self {
            interval: (!all).then(|| Duration::from_secs(seconds.into()) / wanted.max(1)),
            slack: Duration::from_secs(1) / (2 * given),
            next: None,
        }
    }

    /// Whether the picture of this time is one of them.
    pub fn takes(&mut self, at: Duration) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        // A time far ahead is of before the camera began its times anew.
        let due = self.next.filter(|next| *next <= at + 2 * interval);
        match due {
            Some(due) if at + self.slack < due => false,
            Some(due) => {
                // What a pause held back is not made up for.
                self.next = Some((due + interval).max(at + self.slack));
                true
            }
            None => {
                self.next = Some(at + interval);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(pace: &mut Pace, times: impl Iterator<Item = Duration>) -> Vec<Duration> {
        times.filter(|at| pace.takes(*at)).collect()
    }

    fn camera(rate: u32, pictures: u32) -> impl Iterator<Item = Duration> {
        (0..pictures).map(move |n| Duration::from_secs(n.into()) / rate)
    }

    #[test]
    fn all_pass_when_all_are_wanted() {
        let mut pace = Pace::new(30, 1, 30);
        assert_eq!(taken(&mut pace, camera(30, 90)).len(), 90);
    }

    #[test]
    fn a_camera_that_gives_fewer_than_promised_is_not_thinned_out() {
        let mut pace = Pace::new(15, 1, 30);
        assert_eq!(taken(&mut pace, camera(15, 45)).len(), 45);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(10, 1, 30);
        pace.takes(Duration::ZERO);
        let after = camera(30, 30).map(|at| at + Duration::from_secs(60));
        assert!(taken(&mut pace, after).len() <= 11);
    }

    #[test]
    fn times_that_begin_anew_do_not_stop_the_pictures() {
        let mut pace = Pace::new(10, 1, 30);
        pace.takes(Duration::from_secs(3_600));
        assert!(pace.takes(Duration::from_millis(33)));
    }

    proptest! {
        #[test]
        fn over_ten_seconds_as_many_pass_as_were_wanted(wanted in 1_u32..30, given in 1_u32..60) {
            let mut pace = Pace::new(wanted, 1, given);
            let passed = taken(&mut pace, camera(given, given * 10)).len() as i64;
            let expected = i64::from(wanted.min(given)) * 10;
            prop_assert!((passed - expected).abs() <= 1, "{passed} of {expected}");
        }
    }
}
