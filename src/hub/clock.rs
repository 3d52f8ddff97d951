//! The hub's sense of time: one source for token lives, time stamps and lock-outs, so that a test
//! can let two hours pass at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest sleep without a look at the clock.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Where "now" comes from, in Unix seconds.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<watch::Sender<i64>>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `seconds` until [`Clock::advance`].
    pub fn manual(seconds: i64) -> Self {
        Self(Some(Arc::new(watch::Sender::new(seconds))))
    }

    /// Moves a manual clock and all its clones; the system's clock stays as it is.
    pub fn advance(&self, seconds: i64) {
        if let Some(now) = &self.0 {
            now.send_modify(|now| *now += seconds);
        }
    }

    /// Unix seconds.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(now) => *now.borrow(),
            None => OffsetDateTime::now_utc().unix_timestamp(),
        }
    }

    /// Waits until it is `seconds`. The system's clock may be set meanwhile, so it is looked at
    /// again after some time.
    pub async fn sleep_until(&self, seconds: i64) {
        if let Some(now) = &self.0 {
            // The sender is our own, so it does not end while we wait.
            let _ = now.subscribe().wait_for(|now| *now >= seconds).await;
            return;
        }
        loop {
            let left = seconds.saturating_sub(self.now());
            let Ok(left @ 1..) = u64::try_from(left) else {
                return;
            };
            tokio::time::sleep(Duration::from_secs(left).min(LOOK_AGAIN)).await;
        }
    }
}

/// `2026-11-22T13:06:56Z`: every time stamp of the REST API that is not called "unix" (E.1).
pub fn iso8601(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Reads Unix seconds or an ISO 8601 date and time.
pub fn parse_time(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .map(OffsetDateTime::unix_timestamp)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamp_is_written_and_read_back() {
        assert_eq!(iso8601(1_795_352_816), "2026-11-22T13:06:56Z");
        assert_eq!(parse_time("2026-11-22T13:06:56Z"), Some(1_795_352_816));
        assert_eq!(parse_time("1795352816"), Some(1_795_352_816));
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn a_manual_clock_moves_with_its_clones() {
        let clock = Clock::manual(100);
        clock.clone().advance(7200);
        assert_eq!(clock.now(), 7300);
    }

    #[tokio::test]
    async fn who_sleeps_by_a_manual_clock_wakes_when_it_is_moved_far_enough() {
        let clock = Clock::manual(100);
        let mut sleeping = Box::pin(clock.sleep_until(200));
        assert!(futures::poll!(&mut sleeping).is_pending());
        clock.advance(99);
        assert!(futures::poll!(&mut sleeping).is_pending());
        clock.advance(1);
        assert!(futures::poll!(&mut sleeping).is_ready());
    }
}
