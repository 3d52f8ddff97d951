//! Schedules against the clock changes of Vienna: 29 March 2026 02:00 → 03:00, 25 October 2026
//! 03:00 → 02:00.

use proptest::prelude::*;

use super::*;

fn vienna() -> TimeZone {
    TimeZone::get("Europe/Vienna").unwrap()
}

fn schedule(windows: &[&str], except: &[&str]) -> Schedule {
    Schedule {
        name: "test".into(),
        zone: vienna(),
        windows: windows.iter().map(|text| text.parse().unwrap()).collect(),
        except: except.iter().map(|date| date.parse().unwrap()).collect(),
    }
}

/// A wall-clock time of Vienna with its offset, as Unix milliseconds.
fn at(text: &str) -> u64 {
    let at: Timestamp = text.parse().unwrap();
    at.as_millisecond() as u64
}

#[test]
fn a_window_across_midnight_belongs_to_the_day_it_begins_on() {
    let nights = schedule(&["mon-fri 22:00-06:00"], &[]);
    // Friday, 6 November 2026.
    assert!(!nights.holds(at("2026-11-06T21:59:59+01:00")));
    assert!(nights.holds(at("2026-11-06T22:00:00+01:00")));
    assert!(nights.holds(at("2026-11-07T05:59:59+01:00")));
    assert!(!nights.holds(at("2026-11-07T06:00:00+01:00")));
    // Saturday's night is none of these; Sunday's early morning would be Saturday's.
    assert!(!nights.holds(at("2026-11-07T23:00:00+01:00")));
    assert!(!nights.holds(at("2026-11-09T05:00:00+01:00")));
}

#[test]
fn days_without_hours_are_whole_and_hours_without_days_are_daily() {
    let weekend = schedule(&["sat,sun"], &[]);
    assert!(weekend.holds(at("2026-11-07T00:00:00+01:00")));
    assert!(weekend.holds(at("2026-11-08T23:59:59+01:00")));
    assert!(!weekend.holds(at("2026-11-09T00:00:00+01:00")));
    let noon = schedule(&["12:00-13:00"], &[]);
    assert!(noon.holds(at("2026-11-05T12:30:00+01:00")));
    let evening = schedule(&["fri 18:00-24:00"], &[]);
    assert!(evening.holds(at("2026-11-06T23:59:59+01:00")));
    assert!(!evening.holds(at("2026-11-07T00:00:00+01:00")));
    let long_weekend = schedule(&["fri-mon"], &[]);
    assert!(long_weekend.holds(at("2026-11-09T12:00:00+01:00")));
    assert!(!long_weekend.holds(at("2026-11-10T12:00:00+01:00")));
}

#[test]
fn a_window_of_an_excepted_date_does_not_begin_though_the_one_before_ends_on_it() {
    let nights = schedule(&["22:00-06:00"], &["2026-12-25"]);
    assert!(nights.holds(at("2026-12-25T05:00:00+01:00")));
    assert!(!nights.holds(at("2026-12-25T23:00:00+01:00")));
    assert!(!nights.holds(at("2026-12-26T05:00:00+01:00")));
    assert!(nights.holds(at("2026-12-26T22:00:00+01:00")));
}

#[test]
fn the_night_of_a_clock_change_is_an_hour_shorter_or_longer() {
    let nights = schedule(&["22:00-06:00"], &[]);
    let hours = |evening: &str| {
        let begin = at(evening);
        (nights.next_change(begin).unwrap() - begin) / 3_600_000
    };
    assert_eq!(hours("2026-03-27T22:00:00+01:00"), 8);
    assert_eq!(hours("2026-03-28T22:00:00+01:00"), 7);
    assert_eq!(hours("2026-10-24T22:00:00+02:00"), 9);
}

#[test]
fn a_time_that_is_skipped_moves_on_and_one_that_comes_twice_is_the_first() {
    let skipped = schedule(&["02:15-02:45"], &[]);
    assert!(!skipped.holds(at("2026-03-29T01:59:59+01:00")));
    assert!(skipped.holds(at("2026-03-29T03:15:00+02:00")));
    assert!(!skipped.holds(at("2026-03-29T03:45:00+02:00")));
    let twice = schedule(&["02:15-02:45"], &[]);
    assert!(twice.holds(at("2026-10-25T02:30:00+02:00")));
    assert!(!twice.holds(at("2026-10-25T02:30:00+01:00")));
}

#[test]
fn windows_that_touch_or_overlap_change_only_at_their_outer_ends() {
    let both = schedule(
        &["mon 08:00-12:00", "mon 12:00-15:00", "mon 11:00-13:00"],
        &[],
    );
    let begin = both.next_change(at("2026-11-08T12:00:00+01:00")).unwrap();
    assert_eq!(begin, at("2026-11-09T08:00:00+01:00"));
    assert_eq!(
        both.next_change(begin),
        Some(at("2026-11-09T15:00:00+01:00"))
    );
    let always = schedule(&["mon-sun"], &[]);
    assert_eq!(always.next_change(begin), None);
}

#[test]
fn what_is_no_window_is_refused_with_the_rule() {
    for (text, rule) in [
        ("", "must be `DAYS`"),
        ("mo", "`mo` is no day"),
        ("mon-", "`` is no day"),
        ("mon 8:00-9:00", "hours must be"),
        ("mon 08:00-24:01", "hours must be"),
        ("mon 08:60-09:00", "hours must be"),
        ("mon 24:00-06:00", "cannot begin at 24:00"),
        ("08:00-08:00", "the same"),
        ("mon 08:00", "hours must be"),
        ("mon 08:00-09:00 x", "must be `DAYS`"),
    ] {
        let error = text.parse::<Window>().unwrap_err();
        assert!(error.contains(rule), "{text:?}: {error}");
    }
}

proptest! {
    #[test]
    fn the_next_change_is_the_first_moment_that_differs(
        // Two years around both clock changes, to the minute.
        minute in 29_500_000_u64..30_600_000,
        from in 0_u32..96, length in 1_u32..95, first in 0_usize..7, last in 0_usize..7,
    ) {
        let to = (from + length) % 96;
        let clock = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        let text = format!("{}-{} {}-{}", DAYS[first], DAYS[last], clock(from), clock(to));
        let weekly = schedule(&[&text], &["2026-11-06"]);
        let now = minute * 60_000;
        let change = weekly.next_change(now).unwrap();
        prop_assert!(change > now);
        prop_assert_ne!(weekly.holds(change), weekly.holds(now));
        prop_assert_eq!(weekly.holds(change - 1), weekly.holds(now));
        prop_assert_eq!(weekly.holds(now + (change - now) / 2), weekly.holds(now));
    }

    #[test]
    fn any_text_is_a_window_or_a_rule(text in "[a-z0-9:, -]{0,30}") {
        let _ = text.parse::<Window>();
    }
}
