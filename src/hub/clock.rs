//! The hub's sense of time: one source for token lives, time stamps and lock-outs, so that a test
//! can let two hours pass at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where "now" comes from, in Unix seconds.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `seconds` until [`Clock::advance`].
    pub fn manual(seconds: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(seconds))))
    }

    /// Moves a manual clock and all its clones; the system's clock stays as it is.
    pub fn advance(&self, seconds: i64) {
        if let Some(now) = &self.0 {
            now.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    /// Unix seconds.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(now) => now.load(Ordering::Relaxed),
            None => OffsetDateTime::now_utc().unix_timestamp(),
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
}
