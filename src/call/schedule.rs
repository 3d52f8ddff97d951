//! Weekly times such as "nights" or "office hours": in a time zone, right across changes of
//! summer time, across midnight, with dates on which they do not hold.
//!
//! A window is an interval between two instants: `22:00-06:00` begins at ten on the evening of its
//! day and ends at six the next morning, however many hours lie between. A time of day that a
//! change of the clock skips is moved on by as much; one that comes twice means its first coming.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// Days looked ahead for the next change: more than any list of exceptions covers in a row.
const HORIZON_DAYS: i32 = 400;

/// Some days of the week, from one time of day to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Monday first.
    days: [bool; 7],
    /// None is the whole day.
    hours: Option<(Time, End)>,
}

/// When a window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    SameDay(Time),
    NextDay(Time),
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl std::str::FromStr for Window {
    type Err = String;

    /// Reads `[DAYS] [HH:MM-HH:MM]`, at least one of them. DAYS are `mon`…`sun`, ranges of them
    /// and lists: `mon-fri`, `sat,sun`. `24:00` is allowed as an end. An end before its begin is
    /// on the next day; the window belongs to the day it begins on.
    ///
    /// # Errors
    /// The rule, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [one] if one.contains(':') => Ok(Self {
                days: [true; 7],
                hours: Some(hours(one)?),
            }),
            [one] => Ok(Self {
                days: days(one)?,
                hours: None,
            }),
            [on, at] => Ok(Self {
                days: days(on)?,
                hours: Some(hours(at)?),
            }),
            _ => Err("must be `DAYS`, `HH:MM-HH:MM` or both, such as `mon-fri 22:00-06:00`".into()),
        }
    }
}

fn days(text: &str) -> Result<[bool; 7], String> {
    let number = |name: &str| {
        DAYS.iter()
            .position(|day| day.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let name: String = name.chars().take(16).collect();
                format!("`{name}` is no day; days are {}", DAYS.join(", "))
            })
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        // `fri-mon` goes round the end of the week.
        let count = (last + 7 - first) % 7;
        for day in first..=first + count {
            days[day % 7] = true;
        }
    }
    Ok(days)
}

fn hours(text: &str) -> Result<(Time, End), String> {
    let rule = || "hours must be `HH:MM-HH:MM`, from 00:00 to 24:00".to_owned();
    let (from, to) = text.split_once('-').ok_or_else(rule)?;
    let minutes = |text: &str| -> Option<i32> {
        let (hour, minute) = text.split_once(':')?;
        let is_pair =
            |digits: &str| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_pair(hour) || !is_pair(minute) {
            return None;
        }
        let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
        let total = hour * 60 + minute;
        (minute < 60 && total <= 24 * 60).then_some(total)
    };
    let (from, to) = (
        minutes(from).ok_or_else(rule)?,
        minutes(to).ok_or_else(rule)?,
    );
    if from == 24 * 60 {
        return Err("a window cannot begin at 24:00; write 00:00 of the next day".into());
    }
    if from == to {
        return Err("begin and end are the same; leave the hours out for a whole day".into());
    }
    let time = |minutes: i32| {
        Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).map_err(|_| rule())
    };
    let end = if to == 24 * 60 {
        End::NextDay(Time::midnight())
    } else if to > from {
        End::SameDay(time(to)?)
    } else {
        End::NextDay(time(to)?)
    };
    Ok((time(from)?, end))
}

impl Window {
    /// The window that begins on `date`, if one does.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days[monday_first(date.weekday())] {
            return None;
        }
        let (from, end) = self
            .hours
            .unwrap_or((Time::midnight(), End::NextDay(Time::midnight())));
        let (last, to) = match end {
            End::SameDay(to) => (date, to),
            End::NextDay(to) => (date.tomorrow().ok()?, to),
        };
        let instant = |date: Date, time: Time| {
            // "Compatible": what does not exist moves on, what exists twice is the first.
            zone.to_ambiguous_timestamp(date.to_datetime(time))
                .compatible()
                .ok()
        };
        let (from, to) = (instant(date, from)?, instant(last, to)?);
        (from < to).then_some((from, to))
    }
}

fn monday_first(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

/// A named weekly time.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What conditions call it.
    pub name: String,
    /// Where its clock hangs.
    pub zone: TimeZone,
    /// It holds in any of them.
    pub windows: Vec<Window>,
    /// Windows that would begin on these dates do not.
    pub except: Vec<Date>,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("zone", &self.zone.iana_name())
            .field("windows", &self.windows)
            .field("except", &self.except)
            .finish()
    }
}

impl Schedule {
    /// Whether it holds at a time, Unix milliseconds.
    pub fn holds(&self, unix_ms: u64) -> bool {
        let Some(now) = timestamp(unix_ms) else {
            return false;
        };
        let Ok(yesterday) = self.zone.to_datetime(now).date().yesterday() else {
            return false;
        };
        self.intervals(yesterday, 2)
            .any(|(from, to)| from <= now && now < to)
    }

    /// When it next begins or ends to hold after a time, both in Unix milliseconds; none if it
    /// does not within a year.
    pub fn next_change(&self, unix_ms: u64) -> Option<u64> {
        let now = timestamp(unix_ms)?;
        let holds = self.holds(unix_ms);
        let yesterday = self.zone.to_datetime(now).date().yesterday().ok()?;
        // A week at a time, because the next change is nearly always near.
        for week in 0..=HORIZON_DAYS / 7 {
            let first = yesterday
                .checked_add(jiff::Span::new().days(week * 7))
                .ok()?;
            let mut edges: Vec<Timestamp> = self
                .intervals(first, 8)
                .flat_map(|(from, to)| [from, to])
                .filter(|edge| *edge > now)
                .collect();
            edges.sort_unstable();
            let changed = edges
                .into_iter()
                .filter_map(|edge| u64::try_from(edge.as_millisecond()).ok())
                .find(|edge| self.holds(*edge) != holds);
            if changed.is_some() {
                return changed;
            }
        }
        None
    }

    /// The windows that begin on `days` days from `first` on.
    fn intervals(
        &self,
        first: Date,
        days: usize,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        first
            .series(jiff::Span::new().days(1))
            .take(days)
            .filter(|date| !self.except.contains(date))
            .flat_map(move |date| {
                self.windows
                    .iter()
                    .filter_map(move |window| window.on(date, &self.zone))
            })
    }
}

fn timestamp(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
