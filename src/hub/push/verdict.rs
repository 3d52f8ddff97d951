//! What a push service's answer means for a notification and for its subscription. No IO.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Seconds to the first repetition; each later one waits twice as long.
const FIRST_WAIT: i64 = 5;
/// Seconds between repetitions at most.
const MAX_WAIT: i64 = 3_600;
/// Seconds a service may ask for: one that says "next year" would keep a phone silent.
const MAX_ASKED: i64 = 6 * 3_600;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service has it.
    Accepted,
    /// The service knows the subscription no more: it is deleted.
    Gone,
    /// The service will never take this notification; the subscription stays.
    Refused,
    /// To be tried again, at the earliest after so many seconds if the service said so.
    Later(Option<i64>),
}

/// Judges the status of an answer (RFC 8030 §5, §7.3; RFC 8292 §4.2).
pub fn of_answer(status: u16, retry_after: Option<&str>, now: i64) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        404 | 410 => Verdict::Gone,
        408 | 425 | 429 | 500..=599 => {
            Verdict::Later(retry_after.and_then(|text| seconds_until(text, now)))
        }
        // A redirect is refused, too: it would lead where nobody has looked.
        _ => Verdict::Refused,
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
fn seconds_until(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    let seconds = text.parse().ok().or_else(|| {
        let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        Some(date.unix_timestamp() - now)
    })?;
    Some(seconds.clamp(0, MAX_ASKED))
}

/// Seconds to wait after `failures` attempts in a row (1 or more). `dice` spreads those whose
/// service failed for all at once; it is between 0 and 1.
pub fn wait(failures: u32, asked: Option<i64>, dice: f64) -> i64 {
    let doubled = FIRST_WAIT << failures.saturating_sub(1).min(16);
    let longest = doubled.min(MAX_WAIT);
    // Between half and all of it.
    let spread = longest - (longest as f64 / 2.0 * dice.clamp(0.0, 1.0)) as i64;
    spread.max(asked.unwrap_or(0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let judge = |status| of_answer(status, None, 0);
        assert_eq!(judge(201), Verdict::Accepted);
        assert_eq!(judge(202), Verdict::Accepted);
        assert_eq!((judge(404), judge(410)), (Verdict::Gone, Verdict::Gone));
        for status in [400, 401, 403, 413, 302] {
            assert_eq!(judge(status), Verdict::Refused, "{status}");
        }
        for status in [429, 500, 503] {
            assert_eq!(judge(status), Verdict::Later(None), "{status}");
        }
    }

    #[test]
    fn a_service_says_when_to_come_back_in_seconds_or_by_date_and_within_reason() {
        let asked = |text: &str| of_answer(429, Some(text), 784_111_700);
        assert_eq!(asked("30"), Verdict::Later(Some(30)));
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:37 GMT"),
            Verdict::Later(Some(77))
        );
        assert_eq!(asked("99999999"), Verdict::Later(Some(MAX_ASKED)));
        assert_eq!(asked("-5"), Verdict::Later(Some(0)));
        assert_eq!(asked("soon"), Verdict::Later(None));
    }

    proptest::proptest! {
        #[test]
        fn waits_grow_are_bounded_and_never_shorter_than_asked(
            failures in 1..u32::MAX, asked in proptest::option::of(0..MAX_ASKED), dice in 0.0..=1.0,
        ) {
            let waits = wait(failures, asked, dice);
            proptest::prop_assert!(waits >= asked.unwrap_or(1).max(1));
            proptest::prop_assert!(waits <= asked.unwrap_or(0).max(MAX_WAIT));
            let before = wait(failures.saturating_sub(1).max(1), asked, 1.0);
            proptest::prop_assert!(wait(failures, asked, 1.0) >= before);
        }
    }
}
