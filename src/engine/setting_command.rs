//! Desired settings: what is published to `<part>/set`. The serde form of each is its JSON, field
//! for field what `<part>/state` shows; fields left out stay as they are.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::chat_command::{Check, Checked};
use super::command::UserRef;
use crate::call::duplex::Duplex;
use crate::call::screen_layout::ScreenLayout;
use crate::call::screen_look::{ScreenArea, ScreenFit};
use crate::call::screen_self_view::ScreenSelfView;
use crate::device::controls::WantedControls;

/// The parts that can be set.
pub const PARTS: &[&str] = &["policy", "call", "audio", "camera", "display", "door"];

/// Logins and numbers in one list.
const USERS_MAX: usize = 100;
/// A camera has a few dozen.
pub const CONTROLS_MAX: usize = 64;
/// Kbit/s; below it there are no pictures worth sending.
const KBPS: std::ops::RangeInclusive<u32> = 64..=100_000;

/// What is to hold from now on.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `policy/set`
    Policy(PolicySetting),
    /// `call/set`
    Call(CallSetting),
    /// `audio/set`
    Audio(AudioSetting),
    /// `camera/set`
    Camera(CameraSetting),
    /// `display/set`
    Display(DisplaySetting),
    /// `door/set`
    Door(DoorSetting),
}

/// Who may disturb whom, as the commands do, all of it at once; kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySetting {
    /// Calls do not ring here.
    pub dnd: Option<bool>,
    /// Until then, Unix milliseconds; only with `dnd`: `true`.
    pub dnd_until: Option<u64>,
    /// Some calls are answered by themselves, as the configuration says.
    pub auto_answer: Option<bool>,
    /// Whom the bell leaves out: all of them, at most 100.
    pub ring_off: Option<Vec<UserRef>>,
}

/// The call people talk in; without one `wrong_state`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallSetting {
    /// What of ours is not sent.
    pub muted: Option<Muted>,
    /// Nothing is sent, heard or seen.
    pub held: Option<bool>,
    /// Kbit/s of pictures to each participant, 64 to 100,000; 0 lifts the limit.
    pub limit_kbps: Option<u32>,
}

/// What is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Muted {
    /// Sound.
    pub audio: Option<bool>,
    /// Pictures.
    pub video: Option<bool>,
}

/// Microphone and loudspeaker; kept over a restart. Volume and silence are set by the card's mixer
/// where it has one, else in the mix; without a loudspeaker `unavailable`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AudioSetting {
    /// The microphone that is used: `source` or one of `other_sources` of the configuration, else
    /// `not_found`. At once and also in a call, which goes on.
    pub source: Option<String>,
    /// The loudspeaker that is used: `sink` or one of `other_sinks`, likewise.
    pub sink: Option<String>,
    /// The microphone delivers nothing: calls, previews, RTSP and recordings are silent, but for what
    /// is said to a call (`say`).
    pub muted: Option<bool>,
    /// The loudspeaker's volume in percent, 0 to 100.
    pub volume: Option<u32>,
    /// The ring tone's volume in percent, 0 to 100, where it is not to be `volume`.
    pub ring_volume: Option<u32>,
    /// The loudspeaker is silent.
    pub speaker_muted: Option<bool>,
    /// Who may speak when.
    pub duplex: Option<Duplex>,
}

/// The camera, at once and also in a call, which goes on; kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSetting {
    /// The camera that runs: `source` or one of `others` of the configuration, else `not_found`.
    pub source: Option<String>,
    /// Nothing of the camera is seen, in a call or without one: calls, previews, RTSP and recordings
    /// are black, and there is no snapshot.
    pub muted: Option<bool>,
    /// Kbit/s of its pictures at most, for everybody, 64 to 100,000; 0 lifts the limit.
    pub max_kbps: Option<u32>,
    /// Its pictures per second at most, 1 to 60; 0 lifts the limit.
    pub max_fps: Option<u32>,
    /// The height of its pictures at most, 90 to 4096 pixels, for everybody; the width follows, and 0
    /// lifts the limit. What is being recorded keeps its size to its end.
    pub max_height: Option<u32>,
    /// Of a camera of `v4l2:`, at most 64: what its driver lets be set (`cubelet devices` lists
    /// names and ranges), all of it or nothing. Choices by name or number; `null` sets the driver's
    /// default and is not kept. `true` presses a button, after all else is set, and is not kept.
    /// `invalid_payload` names the control and what it takes.
    pub controls: Option<WantedControls>,
}

/// The screen, at once and also in a call; kept over a restart. Without one `unavailable`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DisplaySetting {
    /// How the pictures of several people share it.
    pub layout: Option<ScreenLayout>,
    /// What becomes of a picture of another shape than the screen's.
    pub fit: Option<ScreenFit>,
    /// Left and right are exchanged.
    pub mirror: Option<bool>,
    /// The part of the screen that is used.
    pub area: Option<ScreenArea>,
    /// The corner in which people here see themselves while the others of a call do.
    pub self_view: Option<ScreenSelfView>,
}

/// The door.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DoorSetting {
    /// `true` opens it; it locks by itself.
    pub unlocked: Option<bool>,
}

impl Setting {
    /// The part.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Policy(_) => "policy",
            Self::Call(_) => "call",
            Self::Audio(_) => "audio",
            Self::Camera(_) => "camera",
            Self::Display(_) => "display",
            Self::Door(_) => "door",
        }
    }

    /// The commands whose permission settings of a part need, each as far as its field is given.
    pub fn permissions(part: &str) -> &'static [&'static str] {
        match part {
            "policy" => &["dnd", "auto_answer", "ring_target"],
            "call" => &["mute", "hold", "resume", "bandwidth"],
            "audio" | "camera" | "display" => &["mute"],
            "door" => &["unlock"],
            _ => &[],
        }
    }

    /// The commands that do the same: a setting needs their permission.
    pub fn needs(&self) -> Vec<&'static str> {
        let mut needs = Vec::new();
        let mut need = |verb, is_given: bool| {
            if is_given {
                needs.push(verb);
            }
        };
        match self {
            Self::Policy(policy) => {
                need("dnd", policy.dnd.is_some());
                need("auto_answer", policy.auto_answer.is_some());
                need("ring_target", policy.ring_off.is_some());
            }
            Self::Call(call) => {
                need("mute", call.muted.is_some());
                need("hold", call.held == Some(true));
                need("resume", call.held == Some(false));
                need("bandwidth", call.limit_kbps.is_some());
            }
            // Whoever may mute a call may mute what it hears and sees.
            // Likewise, which camera it sees, and how the others are seen here.
            Self::Audio(_) | Self::Camera(_) | Self::Display(_) => need("mute", true),
            Self::Door(_) => need("unlock", true),
        }
        needs
    }
}

impl Check for Setting {
    fn check(&self) -> Checked {
        let is_empty = match self {
            Self::Policy(policy) => *policy == PolicySetting::default(),
            Self::Call(call) => *call == CallSetting::default(),
            Self::Audio(audio) => *audio == AudioSetting::default(),
            Self::Camera(camera) => *camera == CameraSetting::default(),
            Self::Display(display) => *display == DisplaySetting::default(),
            Self::Door(door) => *door == DoorSetting::default(),
        };
        if is_empty {
            return Err("the payload: at least one field is needed".into());
        }
        match self {
            Self::Policy(policy) => {
                if policy.dnd_until.is_some() && policy.dnd != Some(true) {
                    return Err("dnd_until: has no use without `dnd`: true".into());
                }
                match &policy.ring_off {
                    Some(users) if users.len() > USERS_MAX => Err(format!(
                        "ring_off: {} are more than the most {USERS_MAX}",
                        users.len()
                    )),
                    _ => Ok(()),
                }
            }
            Self::Call(call) => {
                if call.muted == Some(Muted::default()) {
                    return Err("muted: audio or video: at least one is needed".into());
                }
                limit("limit_kbps", call.limit_kbps, KBPS)
            }
            Self::Audio(audio) => {
                within("volume", audio.volume, 0..=100)?;
                within("ring_volume", audio.ring_volume, 0..=100)
            }
            Self::Camera(camera) => {
                limit("max_kbps", camera.max_kbps, KBPS)?;
                limit("max_fps", camera.max_fps, 1..=60)?;
                limit("max_height", camera.max_height, 90..=4_096)?;
                match camera.controls.as_ref().map(BTreeMap::len) {
                    Some(0) => Err("controls: at least one is needed".into()),
                    Some(count) if count > CONTROLS_MAX => Err(format!(
                        "controls: {count} are more than the most {CONTROLS_MAX}"
                    )),
                    _ => Ok(()),
                }
            }
            // Its words are all there is to check, and serde knows them.
            Self::Display(_) => Ok(()),
            Self::Door(door) => match door.unlocked {
                Some(false) => {
                    Err("unlocked: must be true; the door locks by itself after its pulse".into())
                }
                _ => Ok(()),
            },
        }
    }
}

/// As [`within`], and 0 for none.
fn limit(field: &str, value: Option<u32>, range: std::ops::RangeInclusive<u32>) -> Checked {
    match value {
        Some(value) if value != 0 && !range.contains(&value) => Err(format!(
            "{field}: must be 0 (no limit) or {} to {}, not {value}",
            range.start(),
            range.end()
        )),
        _ => Ok(()),
    }
}

fn within(field: &str, value: Option<u32>, range: std::ops::RangeInclusive<u32>) -> Checked {
    match value {
        Some(value) if !range.contains(&value) => Err(format!(
            "{field}: must be {} to {}, not {value}",
            range.start(),
            range.end()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named() {
        let policy = |policy: PolicySetting| Setting::Policy(policy);
        for (setting, field) in [
            (policy(PolicySetting::default()), "the payload"),
            (
                policy(PolicySetting {
                    dnd_until: Some(1),
                    ..PolicySetting::default()
                }),
                "dnd_until",
            ),
            (
                policy(PolicySetting {
                    ring_off: Some(vec![UserRef::Id(1); 101]),
                    ..PolicySetting::default()
                }),
                "ring_off",
            ),
            (
                Setting::Call(CallSetting {
                    muted: Some(Muted::default()),
                    ..CallSetting::default()
                }),
                "muted",
            ),
            (
                Setting::Call(CallSetting {
                    limit_kbps: Some(63),
                    ..CallSetting::default()
                }),
                "limit_kbps",
            ),
            (
                Setting::Audio(AudioSetting {
                    volume: Some(101),
                    ..AudioSetting::default()
                }),
                "volume",
            ),
            (
                Setting::Audio(AudioSetting {
                    ring_volume: Some(101),
                    ..AudioSetting::default()
                }),
                "ring_volume",
            ),
            (
                Setting::Camera(CameraSetting {
                    max_fps: Some(61),
                    ..CameraSetting::default()
                }),
                "max_fps",
            ),
            (
                Setting::Camera(CameraSetting {
                    max_height: Some(89),
                    ..CameraSetting::default()
                }),
                "max_height",
            ),
            (
                Setting::Camera(CameraSetting {
                    controls: Some(BTreeMap::new()),
                    ..CameraSetting::default()
                }),
                "controls",
            ),
            (
                Setting::Door(DoorSetting {
                    unlocked: Some(false),
                }),
                "unlocked",
            ),
        ] {
            let error = setting.check().expect_err("refused");
            assert!(error.starts_with(field), "{error}");
        }
    }

    #[test]
    fn a_setting_needs_the_commands_that_do_the_same() {
        let setting = Setting::Policy(PolicySetting {
            dnd: Some(true),
            ring_off: Some(vec![]),
            ..PolicySetting::default()
        });
        assert_eq!(setting.needs(), ["dnd", "ring_target"]);
        let call = |held| {
            let muted = Some(Muted::default());
            let limit_kbps = Some(0);
            let call = CallSetting {
                muted,
                held: Some(held),
                limit_kbps,
            };
            Setting::Call(call)
        };
        assert_eq!(call(true).needs(), ["mute", "hold", "bandwidth"]);
        assert_eq!(call(false).needs(), ["mute", "resume", "bandwidth"]);
        let door = Setting::Door(DoorSetting {
            unlocked: Some(true),
        });
        assert_eq!(door.needs(), ["unlock"]);
        let audio = Setting::Audio(AudioSetting::default());
        let camera = Setting::Camera(CameraSetting::default());
        let display = Setting::Display(DisplaySetting::default());
        for setting in [
            setting,
            call(true),
            call(false),
            door,
            audio,
            camera,
            display,
        ] {
            let told = Setting::permissions(setting.part());
            for verb in setting.needs() {
                assert!(told.contains(&verb), "{} needs {verb}", setting.part());
            }
        }
    }
}
