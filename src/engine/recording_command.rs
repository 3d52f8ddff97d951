//! What the device can be told about recordings. The serde form of each is the JSON of
//! `cmd/<verb>`; fields that are not known are refused.

use serde::Deserialize;

use super::chat_command::{Check, Checked};

/// The longest recording there is, seconds; the configuration may bound it further.
const SECONDS_MAX: u32 = 86_400;
/// The most recordings in one answer.
const LIMIT_MAX: u32 = 100;

/// What is done about a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordAction {
    /// Begin one.
    Start,
    /// End the one under way; it is kept.
    Stop,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordSide {
    /// This device's camera and microphone.
    #[default]
    Door,
    /// What the other side of the call sends.
    Remote,
    /// Both, in a file each.
    Both,
}

impl RecordSide {
    /// Whether it needs a call.
    pub fn has_remote(self) -> bool {
        self != Self::Door
    }

    /// Whether it needs a camera or a microphone.
    pub fn has_door(self) -> bool {
        self != Self::Remote
    }
}

/// Begin or end a recording.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `start` or `stop`.
    pub action: RecordAction,
    /// Ends by itself after so long, 1 to `[recording] max_s`; only with `start`.
    pub seconds: Option<u32>,
    /// What is recorded, `door` if not given; the other side of a call ends with the call. Only
    /// with `start`.
    pub side: Option<RecordSide>,
}

/// Which recordings are kept.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListRecordings {
    /// At most this many, newest first, 1 to 100.
    pub limit: u32,
}

impl Default for ListRecordings {
    fn default() -> Self {
        Self { limit: 20 }
    }
}

/// A command about recordings.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordingCommand {
    /// `record`
    Record(Record),
    /// `recordings`
    List(ListRecordings),
}

impl Check for RecordingCommand {
    fn check(&self) -> Checked {
        match self {
            Self::Record(Record {
                action: RecordAction::Stop,
                seconds,
                side,
            }) => match (seconds, side) {
                (Some(_), _) => Err("seconds: has no use with `stop`".into()),
                (_, Some(_)) => Err("side: has no use with `stop`".into()),
                _ => Ok(()),
            },
            Self::Record(Record { seconds, .. }) => match seconds {
                Some(seconds) if !(1..=SECONDS_MAX).contains(seconds) => Err(format!(
                    "seconds: must be 1 to {SECONDS_MAX}, not {seconds}"
                )),
                _ => Ok(()),
            },
            Self::List(ListRecordings { limit }) if !(1..=LIMIT_MAX).contains(limit) => {
                Err(format!("limit: must be 1 to {LIMIT_MAX}, not {limit}"))
            }
            Self::List(_) => Ok(()),
        }
    }
}
