//! When an order may still be carried out, and when several devices carry it out.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::moment::is_plausible;
use crate::engine::command::{CommandError, ErrorCode};

/// How far a sender's clock may be ahead of the device's.
const AHEAD: Duration = Duration::from_secs(60);

/// What an order says about its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    /// When it was sent, Unix milliseconds.
    pub(super) ts: Option<u64>,
    /// After which it is not to be carried out, Unix milliseconds.
    pub(super) expires: Option<u64>,
    /// Seconds the broker would still have kept it; counted without a clock.
    pub(super) expiry_s: Option<u32>,
}

impl Timing {
    /// For how long it may still be carried out; none is for good. `max_age` is what a `ts` may
    /// lie behind.
    ///
    /// # Errors
    /// `expired` with both clocks, or `unavailable` where the device's clock is not set: who says
    /// a time wants it kept, and that cannot be done then.
    pub(super) fn lifetime(
        self,
        now_ms: u64,
        max_age: Duration,
    ) -> Result<Option<Duration>, CommandError> {
        if (self.ts.is_some() || self.expires.is_some()) && !is_plausible(now_ms) {
            return Err(CommandError::new(
                ErrorCode::Unavailable,
                format!(
                    "ts and expires: the device's clock is not set (it shows {now_ms}); leave them \
                     out, and use the message expiry of MQTT 5 instead"
                ),
            ));
        }
        let expired = |message: String| Err(CommandError::new(ErrorCode::Expired, message));
        let mut lifetime = self.expiry_s.map(|s| Duration::from_secs(s.into()));
        let mut at_most = |left: Duration| {
            lifetime = Some(lifetime.map_or(left, |lifetime| lifetime.min(left)));
        };
        if let Some(ts) = self.ts {
            let ahead = Duration::from_millis(ts.saturating_sub(now_ms));
            let behind = Duration::from_millis(now_ms.saturating_sub(ts));
            if ahead > AHEAD {
                return expired(format!(
                    "ts: {ts} is {} s ahead of the device's clock {now_ms}, more than {} s",
                    ahead.as_secs(),
                    AHEAD.as_secs()
                ));
            }
            let Some(left) = max_age.checked_sub(behind) else {
                return expired(format!(
                    "ts: {ts} is {} s behind the device's clock {now_ms}, more than [control] \
                     max_age_s = {}",
                    behind.as_secs(),
                    max_age.as_secs()
                ));
            };
            at_most(left);
        }
        if let Some(expires) = self.expires {
            match expires.checked_sub(now_ms) {
                Some(left) if left > 0 => at_most(Duration::from_millis(left)),
                _ => {
                    return expired(format!(
                        "expires: {expires} is past; the device's clock shows {now_ms}"
                    ));
                }
            }
        }
        Ok(lifetime)
    }
}

/// How long this device waits with an order to several, up to `most`: the same for the same order,
/// another for each device, so that a thousand do not answer at once.
pub(super) fn jitter(device: &str, id: &Value, most: Duration) -> Duration {
    let digest = Sha256::new()
        .chain_update(device)
        .chain_update([0])
        .chain_update(id.to_string())
        .finalize();
    let draw = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    most.mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const AGE: Duration = Duration::from_secs(300);

    fn lifetime(ts: Option<u64>, expires: Option<u64>, now: u64) -> Result<Option<u64>, String> {
        let timing = Timing {
            ts,
            expires,
            expiry_s: None,
        };
        match timing.lifetime(now, AGE) {
            Ok(lifetime) => Ok(lifetime.map(|lifetime| lifetime.as_millis() as u64)),
            Err(error) => Err(format!("{:?} {}", error.code, error.message)),
        }
    }

    #[test]
    fn an_order_lives_as_long_as_its_strictest_time_says() {
        assert_eq!(lifetime(None, None, NOW), Ok(None));
        assert_eq!(lifetime(Some(NOW - 100_000), None, NOW), Ok(Some(200_000)));
        assert_eq!(lifetime(Some(NOW + 60_000), None, NOW), Ok(Some(300_000)));
        assert_eq!(lifetime(Some(NOW), Some(NOW + 5), NOW), Ok(Some(5)));
        let expiry = Timing {
            expiry_s: Some(3),
            expires: Some(NOW + 5_000),
            ts: None,
        };
        assert_eq!(expiry.lifetime(NOW, AGE), Ok(Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_comes_too_late_or_from_the_future_is_expired_and_says_both_clocks() {
        for (ts, expires, field) in [
            (Some(NOW - 300_001), None, "ts"),
            (Some(NOW + 60_001), None, "ts"),
            (None, Some(NOW), "expires"),
            (Some(NOW), Some(0), "expires"),
        ] {
            let error = lifetime(ts, expires, NOW).unwrap_err();
            assert!(error.starts_with(&format!("Expired {field}: ")), "{error}");
            assert!(error.contains(&NOW.to_string()), "{error}");
        }
    }

    #[test]
    fn a_device_whose_clock_is_not_set_cannot_keep_times_and_says_so() {
        let error = lifetime(Some(NOW), None, 4_000).unwrap_err();
        assert!(error.starts_with("Unavailable ts and expires"), "{error}");
        let by_expiry = Timing {
            expiry_s: Some(3),
            ..Timing::default()
        };
        assert!(by_expiry.lifetime(4_000, AGE).is_ok());
    }

    #[test]
    fn devices_wait_differently_long_and_never_longer_than_told() {
        let most = Duration::from_millis(500);
        let id = Value::from("fire-1");
        let waits: Vec<Duration> = (0..1_000)
            .map(|n| jitter(&format!("door-{n}"), &id, most))
            .collect();
        assert!(waits.iter().all(|wait| *wait <= most));
        for quarter in 0..4 {
            let (from, to) = (quarter * 125, (quarter + 1) * 125);
            let share = waits
                .iter()
                .filter(|wait| (from..to).contains(&wait.as_millis()))
                .count();
            assert!((200..300).contains(&share), "{share} of 1,000");
        }
        assert_eq!(jitter("door", &id, most), jitter("door", &id, most));
        assert_eq!(jitter("door", &id, Duration::ZERO), Duration::ZERO);
    }
}
