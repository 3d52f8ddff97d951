//! What people write to the device, and what it says back. Sans-IO.

use crate::engine::state::{CallStatus, DeviceState};

/// The longest do-not-disturb by message, minutes: a week.
const MINUTES_MAX: u32 = 7 * 24 * 60;

/// The longest recording by message, seconds: a day.
const SECONDS_MAX: u32 = 86_400;

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A picture.
    Snapshot,
    /// How the device is.
    Status,
    /// Do-not-disturb, with an end or without.
    Dnd {
        /// On or off.
        on: bool,
        /// For so long.
        minutes: Option<u32>,
    },
    /// Do-not-disturb, said wrongly.
    DndHow,
    /// A recording, of so many seconds at most.
    Record(Option<u32>),
    /// The end of it.
    StopRecording,
    /// A recording, said wrongly.
    RecordHow,
    /// What can be written.
    Help,
}

impl Wish {
    /// The wish of a text; none if it is none of ours.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        Some(match words.as_slice() {
            ["snapshot" | "picture"] => Self::Snapshot,
            ["status"] => Self::Status,
            ["help" | "?"] => Self::Help,
            ["dnd", "off"] => Self::Dnd {
                on: false,
                minutes: None,
            },
            ["dnd", "on"] => Self::Dnd {
                on: true,
                minutes: None,
            },
            ["dnd", "on", time] => match minutes(time) {
                Some(minutes) => Self::Dnd {
                    on: true,
                    minutes: Some(minutes),
                },
                None => Self::DndHow,
            },
            ["dnd", ..] => Self::DndHow,
            ["record"] => Self::Record(None),
            ["record", "stop"] => Self::StopRecording,
            ["record", time] => match seconds(time) {
                Some(seconds) => Self::Record(Some(seconds)),
                None => Self::RecordHow,
            },
            ["record", ..] => Self::RecordHow,
            _ => return None,
        })
    }

    /// Its name, as in the configuration and in events.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Status => "status",
            Self::Dnd { .. } | Self::DndHow => "dnd",
            Self::Record(_) | Self::StopRecording | Self::RecordHow => "record",
            Self::Help => "help",
        }
    }
}

/// `2h`, `30m`, `1h30m`, `90` (minutes): 1 minute to a week.
fn minutes(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let number: u32 = std::mem::take(&mut digits).parse().ok()?;
        let minutes = match c {
            'd' => number.checked_mul(24 * 60)?,
            'h' => number.checked_mul(60)?,
            'm' => number,
            _ => return None,
        };
        total = total.checked_add(minutes)?;
    }
    if !digits.is_empty() {
        total = total.checked_add(digits.parse().ok()?)?;
    }
    (1..=MINUTES_MAX).contains(&total).then_some(total)
}

/// `30s`, `2m`, `30` (seconds): 1 second to a day.
fn seconds(text: &str) -> Option<u32> {
    let (number, unit) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 60),
        (None, None) => (text, 1),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<u32>().ok()?.checked_mul(unit)?;
    (1..=SECONDS_MAX).contains(&seconds).then_some(seconds)
}

/// How the device is, in words.
pub(super) fn describe(state: &DeviceState, has_door: bool, now_ms: u64) -> String {
    let call = match state.call.status {
        CallStatus::Idle => "There is no call.",
        CallStatus::Dialing => "It is calling.",
        CallStatus::Ringing => "Somebody is calling it.",
        CallStatus::Connecting | CallStatus::Connected => "It is in a call.",
    };
    let mut text = call.to_owned();
    if has_door {
        text.push_str(if state.door.unlocked {
            " The door is open."
        } else {
            " The door is closed."
        });
    }
    text.push_str(&match (state.policy.dnd, state.policy.dnd_until) {
        (false, _) => " Do not disturb is off.".to_owned(),
        (true, None) => " Do not disturb is on.".to_owned(),
        (true, Some(until)) => format!(
            " Do not disturb is on for another {}.",
            span(until.saturating_sub(now_ms).div_ceil(60_000))
        ),
    });
    let down: Vec<&str> = state
        .health
        .iter()
        .filter(|(_, part)| !part.alive)
        .map(|(name, _)| name.as_str())
        .collect();
    if !down.is_empty() {
        text.push_str(&format!(" Not working: {}.", down.join(", ")));
    }
    text
}

/// Minutes for people.
pub(super) fn span(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dnd(minutes: u32) -> Option<Wish> {
        Some(Wish::Dnd {
            on: true,
            minutes: Some(minutes),
        })
    }

    #[test]
    fn wishes_are_read_whatever_the_capitals_and_spaces() {
        assert_eq!(Wish::of(" Snapshot "), Some(Wish::Snapshot));
        assert_eq!(Wish::of("DND  on 2h"), dnd(120));
        assert_eq!(Wish::of("dnd on 1h30m"), dnd(90));
        assert_eq!(Wish::of("dnd on 45"), dnd(45));
        assert_eq!(Wish::of("dnd on 7d"), dnd(MINUTES_MAX));
        for wrong in ["dnd", "dnd on 8d", "dnd on 0", "dnd on h", "dnd maybe"] {
            assert_eq!(Wish::of(wrong), Some(Wish::DndHow), "{wrong}");
        }
        assert_eq!(Wish::of("Record"), Some(Wish::Record(None)));
        assert_eq!(Wish::of("record 30s"), Some(Wish::Record(Some(30))));
        assert_eq!(Wish::of("record 2m"), Some(Wish::Record(Some(120))));
        assert_eq!(Wish::of("record stop"), Some(Wish::StopRecording));
        for wrong in [
            "record 0",
            "record +5",
            "record s",
            "record 2 m",
            "record 2d",
        ] {
            assert_eq!(Wish::of(wrong), Some(Wish::RecordHow), "{wrong}");
        }
        for none in ["", "how are you?", "the status is bad", "open"] {
            assert_eq!(Wish::of(none), None, "{none}");
        }
    }

    #[test]
    fn the_state_is_told_in_words() {
        let mut state = DeviceState::default();
        assert_eq!(
            describe(&state, true, 0),
            "There is no call. The door is closed. Do not disturb is off."
        );
        state.call.status = CallStatus::Connected;
        state.policy.dnd = true;
        state.policy.dnd_until = Some(90 * 60_000);
        state.health.insert("camera".into(), Default::default());
        assert_eq!(
            describe(&state, false, 0),
            "It is in a call. Do not disturb is on for another 1 h 30 min. Not working: camera."
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_wait_too_long(text in "(dnd on )?[0-9hmd ]{0,40}|.{0,60}") {
            if let Some(Wish::Dnd { minutes: Some(minutes), .. }) = Wish::of(&text) {
                prop_assert!((1..=MINUTES_MAX).contains(&minutes));
            }
        }
    }
}
