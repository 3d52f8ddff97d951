//! `say`: what is announced by the loudspeaker. Its serde form is the JSON of `cmd/say`.

use serde::Deserialize;

use super::chat_command::{Check, Checked};
use crate::call::announcing::Turn;

/// In characters; some 40 s.
const TEXT_MAX: usize = 500;
/// In characters.
const NAME_MAX: usize = 64;

/// Says something to those in front of the device, to those in its call, or to both. Exactly one of `sound`, `text` and `stop`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SayCommand {
    /// `tone`, or a file of `[say] sounds` by its name without its ending: 1 to 64 of
    /// `A-Z a-z 0-9 _ -`.
    pub sound: Option<String>,
    /// Read out, 1 to 500 characters; needs `espeak-ng` on the device.
    pub text: Option<String>,
    /// `true`: nothing is to be heard any more, and nothing waits.
    pub stop: Option<bool>,
    /// What becomes of what is announced already.
    pub turn: Turn,
    /// Who hears it.
    pub target: SayTarget,
}

/// Who hears an announcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SayTarget {
    /// Those in front of the device.
    #[default]
    Loudspeaker,
    /// Everybody else in the call.
    Call,
    /// Both of them.
    Both,
}

impl SayTarget {
    /// Whether those in front of the device do.
    pub fn is_here(self) -> bool {
        self != Self::Call
    }

    /// Whether those in the call do.
    pub fn is_in_call(self) -> bool {
        self != Self::Loudspeaker
    }
}

impl Check for SayCommand {
    fn check(&self) -> Checked {
        if self.stop == Some(false) {
            return Err("stop: must be true or left out".into());
        }
        let given = [
            self.sound.is_some(),
            self.text.is_some(),
            self.stop.is_some(),
        ];
        if given.iter().filter(|is_given| **is_given).count() != 1 {
            return Err("sound, text or stop: exactly one is needed".into());
        }
        if let Some(name) = &self.sound {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !(1..=NAME_MAX).contains(&name.len()) || !name.chars().all(is_plain) {
                return Err(format!(
                    "sound: must be 1 to {NAME_MAX} of `A-Z a-z 0-9 _ -`"
                ));
            }
        }
        if let Some(text) = &self.text
            && (text.trim().is_empty() || text.chars().count() > TEXT_MAX)
        {
            return Err(format!("text: must be 1 to {TEXT_MAX} characters"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(name: &str) -> SayCommand {
        SayCommand {
            sound: Some(name.to_owned()),
            ..SayCommand::default()
        }
    }

    #[test]
    fn each_rule_is_named() {
        let text = |text: String| SayCommand {
            text: Some(text),
            ..SayCommand::default()
        };
        for (say, field) in [
            (SayCommand::default(), "sound, text or stop"),
            (sound("../secret"), "sound: "),
            (sound(""), "sound: "),
            (text(" ".into()), "text: "),
            (text("x".repeat(501)), "text: "),
            (
                SayCommand {
                    stop: Some(false),
                    ..SayCommand::default()
                },
                "stop: ",
            ),
            (
                SayCommand {
                    stop: Some(true),
                    ..sound("door")
                },
                "sound, text or stop",
            ),
        ] {
            let error = say.check().expect_err("refused");
            assert!(error.starts_with(field), "{error}");
        }
        assert_eq!(sound("door-1").check(), Ok(()));
    }
}
