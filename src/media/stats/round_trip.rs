//! How long to the far side and back, from sender reports and the answers to them.

use std::time::{Duration, Instant};

/// Reports remembered: of two streams once a second, and an answer comes within seconds.
const REMEMBERED: usize = 16;
/// An answer that took longer is of no use, or made up.
const LONGEST: Duration = Duration::from_secs(10);

/// Measures the round trip (RFC 3550 §6.4.1).
#[derive(Clone, Debug, Default)]
pub struct RoundTrip {
    sent: [Option<(u32, Instant)>; REMEMBERED],
    next: usize,
    last: Option<Duration>,
    sum: Duration,
    count: u32,
}

impl RoundTrip {
    /// A sender report of ours goes out.
    pub fn report_sent(&mut self, now: Instant, ntp_time: u64) {
        self.sent[self.next] = Some((middle(ntp_time), now));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The far side answers it: which one, and after how long in 65,536ths of a second.
    pub fn report_answered(&mut self, now: Instant, which: u32, after: u32) {
        let asked = self.sent.iter().flatten().find(|(id, _)| *id == which);
        // Zero: it has heard none yet.
        let Some((_, sent)) = asked.filter(|_| which != 0) else {
            return;
        };
        let held = Duration::from_secs(1) * (after >> 16)
            + Duration::from_nanos(u64::from(after & 0xffff) * 1_000_000_000 / 65_536);
        let taken = now.saturating_duration_since(*sent);
        // Clocks of two machines disagree by less than what is measured here.
        self.measured(taken.saturating_sub(held));
    }

    /// Measured by other means, such as connectivity checks.
    pub fn measured(&mut self, round_trip: Duration) {
        if round_trip <= LONGEST {
            self.last = Some(round_trip);
            self.sum += round_trip;
            self.count = self.count.saturating_add(1);
        }
    }

    /// The newest.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Of the whole connection.
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

/// The middle 32 bits of an NTP time, which is what an answer repeats.
fn middle(ntp_time: u64) -> u32 {
    (ntp_time >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_time_the_far_side_held_the_report_is_not_the_networks() {
        let start = Instant::now();
        let mut round_trip = RoundTrip::default();
        round_trip.report_sent(start, 0x0001_0000_0002_0000);
        round_trip.report_answered(start + 600 * MS, middle(0x0001_0000_0002_0000), 32_768);
        assert_eq!(round_trip.last(), Some(100 * MS));
        round_trip.measured(300 * MS);
        assert_eq!(round_trip.mean(), Some(200 * MS));
    }

    #[test]
    fn answers_to_nothing_are_ignored() {
        let start = Instant::now();
        let mut round_trip = RoundTrip::default();
        round_trip.report_answered(start, 0, 0);
        round_trip.report_sent(start, 0);
        round_trip.report_answered(start, 0, 0);
        round_trip.report_answered(start, 77, u32::MAX);
        round_trip.report_sent(start, 5 << 16);
        round_trip.report_answered(start + 60_000 * MS, 5, 0);
        assert_eq!((round_trip.last(), round_trip.mean()), (None, None));
    }
}
