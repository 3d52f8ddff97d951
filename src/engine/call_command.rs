//! Commands for a call of several people, and for the call people talk in.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::chat_command::Check;
use crate::call::session::MAX_PEOPLE;
use crate::media::rtp::digits::DIGITS_MAX;
use crate::protocol::address::UserRef;
use crate::protocol::call_signal::CallType;
use crate::protocol::telephone_event::Digit;

/// Custom parameters of one command.
const MAX_ENTRIES: usize = 16;
/// Characters of a parameter's name: letters, digits, `_` and `-`, as it becomes an XML element.
const MAX_NAME: usize = 64;
/// Characters of a parameter.
const MAX_VALUE: usize = 1_024;
/// Kbit/s; below it there are no pictures worth sending.
const LEAST_KBPS: u32 = 64;
const MOST_KBPS: u32 = 100_000;

/// A call of several people, or something done in a call. The serde form is the JSON of the
/// command.
#[derive(Clone, Debug, PartialEq)]
pub enum CallCommand {
    /// `conference`.
    Confer(Conference),
    /// `invite`: one more into the call this device started.
    Invite(UserRef),
    /// `mute`.
    Mute(Mute),
    /// `hold` and `resume`.
    Hold(bool),
    /// `bandwidth`: kbit/s of pictures to each participant; 0 lifts the limit.
    Limit(u32),
    /// `tell`: custom parameters for everybody in the call.
    Tell(BTreeMap<String, String>),
    /// `reconnect`: renews the path, as after a change of network.
    Reconnect,
    /// `digits`: presses keys of a telephone.
    Digits(Keys),
}

/// Keys of a telephone, pressed in the call.
#[derive(Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// 1 to 32 of `0` to `9`, `*`, `#`, `A` to `D`.
    pub digits: String,
    /// Only for this participant.
    pub user: Option<UserRef>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They may be a code.
        f.debug_struct("Keys")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// As keys.
    ///
    /// # Errors
    /// The rule they break, for people.
    pub fn read(&self) -> Result<Vec<Digit>, String> {
        let keys: Option<Vec<Digit>> = self.digits.chars().map(Digit::of_char).collect();
        keys.filter(|keys| (1..=DIGITS_MAX).contains(&keys.len()))
            .ok_or_else(|| format!("digits: must be 1 to {DIGITS_MAX} of 0 to 9, `*`, `#`, A to D"))
    }
}

/// One call with one to three others.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conference {
    /// The others.
    pub users: Vec<UserRef>,
    /// Default `[calls] call_type`.
    pub call_type: Option<CallType>,
    /// Custom parameters told with the invitation.
    #[serde(default)]
    pub info: BTreeMap<String, String>,
}

/// What is not sent, or not heard and seen.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Sound; unchanged if absent.
    pub audio: Option<bool>,
    /// Pictures; unchanged if absent.
    pub video: Option<bool>,
    /// Default `send`.
    #[serde(default)]
    pub direction: MediaDirection,
    /// With `receive`: only this participant.
    pub user: Option<UserRef>,
}

/// Which way media goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaDirection {
    /// From us to the others.
    #[default]
    Send,
    /// From the others to us.
    Receive,
}

impl Check for CallCommand {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Confer(conference) => {
                let most = MAX_PEOPLE - 1;
                match conference.users.len() {
                    0 => return Err("users: must not be empty".to_owned()),
                    count if count > most => {
                        return Err(format!("users: {count} are more than the most {most}"));
                    }
                    _ => {}
                }
                check_info(&conference.info)
            }
            Self::Mute(mute) => {
                if mute.audio.is_none() && mute.video.is_none() {
                    return Err("audio or video: at least one is needed".to_owned());
                }
                if mute.user.is_some() && mute.direction == MediaDirection::Send {
                    return Err("user: only with direction `receive`".to_owned());
                }
                Ok(())
            }
            Self::Limit(kbps) if *kbps != 0 && !(LEAST_KBPS..=MOST_KBPS).contains(kbps) => Err(
                format!("kbps: must be 0 (no limit) or {LEAST_KBPS} to {MOST_KBPS}"),
            ),
            Self::Tell(info) if info.is_empty() => Err("info: must not be empty".to_owned()),
            Self::Tell(info) => check_info(info),
            Self::Digits(keys) => keys.read().map(drop),
            _ => Ok(()),
        }
    }
}

fn check_info(info: &BTreeMap<String, String>) -> Result<(), String> {
    if info.len() > MAX_ENTRIES {
        return Err(format!(
            "info: {} entries are more than the most {MAX_ENTRIES}",
            info.len()
        ));
    }
    for (name, value) in info {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if name.len() > MAX_NAME || !begins || !name.chars().all(is_plain) {
            return Err(format!(
                "info: a name must be 1 to {MAX_NAME} of A–Z, a–z, 0–9, `_`, `-` and begin with a \
                 letter or `_`"
            ));
        }
        if value.chars().count() > MAX_VALUE {
            return Err(format!(
                "info: {name} has more than the most {MAX_VALUE} characters"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named() {
        let conference = |users: usize, info: &[(&str, &str)]| {
            CallCommand::Confer(Conference {
                users: (0..users as u64).map(UserRef::Id).collect(),
                call_type: None,
                info: info
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            })
        };
        let mute = |audio, direction, user| {
            CallCommand::Mute(Mute {
                audio,
                video: None,
                direction,
                user,
            })
        };
        let keys = |digits: &str| {
            CallCommand::Digits(Keys {
                digits: digits.to_owned(),
                user: None,
            })
        };
        for (command, field) in [
            (conference(0, &[]), "users"),
            (conference(4, &[]), "users"),
            (conference(1, &[("a b", "c")]), "info"),
            (conference(1, &[("1a", "c")]), "info"),
            (mute(None, MediaDirection::Send, None), "audio or video"),
            (
                mute(Some(true), MediaDirection::Send, Some(UserRef::Id(1))),
                "user",
            ),
            (CallCommand::Limit(1), "kbps"),
            (CallCommand::Tell(BTreeMap::new()), "info"),
            (keys(""), "digits"),
            (keys("12E"), "digits"),
            (keys("1 2"), "digits"),
            (keys(&"1".repeat(33)), "digits"),
        ] {
            let error = command.check().expect_err("refused");
            assert!(error.starts_with(field), "{error}");
        }
        assert_eq!(conference(3, &[("door_1", "front")]).check(), Ok(()));
        assert_eq!(CallCommand::Limit(0).check(), Ok(()));
        assert_eq!(keys("0123456789*#ABCDabcd").check(), Ok(()));
    }
}
