//! The names of recordings: when each began, in UTC, to the millisecond, and which of its files it
//! is. Sans-IO.
//!
//! Only what has such a name is a recording of ours: in a folder shared with others nothing else
//! is read, finished or removed.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::Serialize;

const ENDING: &str = ".mp4";
const REMOTE: &str = "_remote";
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";
/// Characters of `20261128T170744.123Z`.
const TIME_LENGTH: usize = 20;

/// Whose picture and sound a file holds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecordedSide {
    /// This device's camera and microphone.
    Door,
    /// The other side of the call.
    Remote,
}

/// `20261128T170744.123Z.mp4`, `20261128T170744.123Z_002.mp4` …,
/// `20261128T170744.123Z_remote.mp4` … Names sort as the recordings began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingName {
    /// When the recording began, Unix milliseconds.
    pub began: u64,
    /// Whose side it is.
    pub side: RecordedSide,
    /// Which of its files it is, 1 to 999,999.
    pub part: u32,
}

/// It is no recording of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl RecordingName {
    /// The first file of a side.
    pub fn first(began: u64, side: RecordedSide) -> Self {
        Self {
            began,
            side,
            part: 1,
        }
    }

    /// What recordings that began together have in common.
    pub fn id(&self) -> String {
        let began = i64::try_from(self.began)
            .ok()
            .and_then(|began| Timestamp::from_millisecond(began).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        began.strftime(TIME).to_string()
    }
}

impl fmt::Display for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())?;
        if self.side == RecordedSide::Remote {
            f.write_str(REMOTE)?;
        }
        if self.part > 1 {
            write!(f, "_{:03}", self.part)?;
        }
        f.write_str(ENDING)
    }
}

impl FromStr for RecordingName {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let stem = text.strip_suffix(ENDING).ok_or(Foreign)?;
        let (time, rest) = stem.split_at_checked(TIME_LENGTH).ok_or(Foreign)?;
        let (side, rest) = match rest.strip_prefix(REMOTE) {
            Some(rest) => (RecordedSide::Remote, rest),
            None => (RecordedSide::Door, rest),
        };
        let part = match rest.strip_prefix('_') {
            Some(part) => part.parse().map_err(|_| Foreign)?,
            None if rest.is_empty() => 1,
            None => return Err(Foreign),
        };
        let began = strtime::parse("%Y%m%dT%H%M%S%.fZ", time)
            .and_then(|parsed| parsed.to_datetime())
            .and_then(|time| TimeZone::UTC.to_timestamp(time))
            .map_err(|_| Foreign)?;
        let began = began.as_millisecond();
        let name = Self {
            began: u64::try_from(began).map_err(|_| Foreign)?,
            side,
            part,
        };
        // One name, one spelling: what is read is what would be written.
        (name.to_string() == text).then_some(name).ok_or(Foreign)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::media::recording::Segments;
    use proptest::prelude::*;

    #[test]
    fn a_name_tells_when_the_recording_began() {
        let name = RecordingName {
            began: 1_795_885_664_123,
            side: RecordedSide::Door,
            part: 1,
        };
        assert_eq!(name.to_string(), "20261128T170744.123Z.mp4");
        assert_eq!("20261128T170744.123Z.mp4".parse(), Ok(name));
        let second = RecordingName { part: 2, ..name };
        assert_eq!(second.to_string(), "20261128T170744.123Z_002.mp4");
        assert_eq!(second.to_string().parse(), Ok(second));
        assert_eq!(second.id(), name.id());
        let other = RecordingName {
            side: RecordedSide::Remote,
            ..second
        };
        assert_eq!(other.to_string(), "20261128T170744.123Z_remote_002.mp4");
        assert_eq!(other.to_string().parse(), Ok(other));
    }

    #[test]
    fn the_recorder_names_further_files_as_they_are_read() {
        let first = RecordingName {
            began: 1_000,
            side: RecordedSide::Remote,
            part: 1,
        };
        for part in [1, 2, 10, 1_000] {
            let file = Segments::file(Path::new(&first.to_string()), part);
            let name = RecordingName { part, ..first };
            assert_eq!(file, Path::new(&name.to_string()));
        }
    }

    #[test]
    fn other_files_are_none_of_ours() {
        for name in [
            "",
            "holiday.mp4",
            "20261128T170744.123Z.mp4.part",
            "20261128T170744Z.mp4",
            "20261128T170744.12Z.mp4",
            "20261328T170744.123Z.mp4",
            "20261128T170744.123Z.mkv",
            "20261128T170744.123Z_x.mp4",
            "20261128T170744.123Z_2.mp4",
            "20261128T170744.123Z_001.mp4",
            "../20261128T170744.123Z.mp4",
        ] {
            assert_eq!(name.parse::<RecordingName>(), Err(Foreign), "{name}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_are_written_and_sort_by_time(
            one in (0_u64..4_000_000_000_000, any::<bool>(), 1_u32..999),
            other in (0_u64..4_000_000_000_000, any::<bool>(), 1_u32..999),
        ) {
            let [one, other] = [one, other].map(|(began, is_remote, part)| RecordingName {
                began,
                side: if is_remote { RecordedSide::Remote } else { RecordedSide::Door },
                part,
            });
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
        }

        #[test]
        fn no_text_makes_it_fail(text in ".{0,40}") {
            let _ = text.parse::<RecordingName>();
        }
    }
}
