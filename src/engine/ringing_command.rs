//! What the device can be told about calls beyond making and ending them. The serde form of each
//! is the JSON of `cmd/<verb>`; fields that are not known are refused.

use serde::Deserialize;

use super::chat_command::{Check, Checked};
use super::command::UserRef;
pub use crate::store::CallFilter;

/// The longest do-not-disturb with an end, minutes: a month.
const MINUTES_MAX: u32 = 44_640;
/// The longest text with a stop, in characters.
const DETAIL_MAX: usize = 200;
/// The most records in one answer.
const LIMIT_MAX: u32 = 100;

/// Do-not-disturb.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dnd {
    /// On or off.
    pub on: bool,
    /// For so long, 1 to 44,640 minutes.
    pub minutes: Option<u32>,
    /// Until then, Unix milliseconds.
    pub until: Option<u64>,
    /// Somebody the bell rings, instead of this device.
    pub user: Option<UserRef>,
}

impl Dnd {
    /// When it ends by itself.
    pub fn end(&self, now_ms: u64) -> Option<u64> {
        let minutes = self
            .minutes
            .map(|minutes| now_ms + u64::from(minutes) * 60_000);
        self.until.or(minutes).filter(|_| self.on)
    }
}

/// Whether the bell rings somebody.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RingTarget {
    /// Whom.
    pub user: UserRef,
    /// Whether.
    pub enabled: bool,
}

/// Whether some calls are answered by themselves, as the configuration says.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoAnswer {
    /// Whether.
    pub on: bool,
}

/// Stop ringing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// Why, in words; 1 to 200 characters.
    pub detail: Option<String>,
}

/// How much of the door's log.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DoorLog {
    /// At most this many, 1 to 100.
    pub limit: u32,
}

impl Default for DoorLog {
    fn default() -> Self {
        Self { limit: 20 }
    }
}

/// A command about calls.
#[derive(Clone, Debug, PartialEq)]
pub enum RingingCommand {
    /// `stop_ringing`
    StopRinging(Stop),
    /// `dnd`
    Dnd(Dnd),
    /// `ring_target`
    RingTarget(RingTarget),
    /// `auto_answer`
    AutoAnswer(AutoAnswer),
    /// `calls`
    Calls(CallFilter),
    /// `door_log`
    DoorLog(DoorLog),
}

impl Check for RingingCommand {
    fn check(&self) -> Checked {
        match self {
            Self::StopRinging(Stop {
                detail: Some(detail),
            }) => match detail.chars().count() {
                0 => Err("detail: must not be empty".into()),
                length if length > DETAIL_MAX => Err(format!(
                    "detail: {length} characters are more than the most {DETAIL_MAX}"
                )),
                _ => Ok(()),
            },
            Self::Dnd(dnd) => {
                if dnd.minutes.is_some() && dnd.until.is_some() {
                    return Err("minutes and until: only one may be given".into());
                }
                if !dnd.on && (dnd.minutes.is_some() || dnd.until.is_some()) {
                    return Err("minutes and until: have no use without `on`".into());
                }
                match dnd.minutes {
                    Some(minutes) if !(1..=MINUTES_MAX).contains(&minutes) => Err(format!(
                        "minutes: must be 1 to {MINUTES_MAX}, not {minutes}"
                    )),
                    _ => Ok(()),
                }
            }
            Self::Calls(CallFilter { limit, .. }) | Self::DoorLog(DoorLog { limit })
                if !(1..=LIMIT_MAX).contains(limit) =>
            {
                Err(format!("limit: must be 1 to {LIMIT_MAX}, not {limit}"))
            }
            _ => Ok(()),
        }
    }
}
