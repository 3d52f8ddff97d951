//! Camera, sound and screen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::camera_control::CameraControl;
use crate::call::duplex::Duplex;
use crate::call::screen_layout::ScreenLayout;
use crate::call::screen_look::{ScreenArea, ScreenFit};
use crate::call::screen_self_view::ScreenSelfView;

/// The microphone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SourceState {
    /// `stopped`, `running`, `failed`.
    pub status: SourceStatus,
    /// The configured source.
    pub source: String,
    /// It is to deliver nothing, because somebody set it so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// The encoder in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CameraState {
    /// `stopped`, `running`, `failed`.
    pub status: SourceStatus,
    /// The configured source.
    pub source: String,
    /// It is to deliver nothing, because somebody set it so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Kbit/s of its pictures at most, while that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_kbps: Option<u32>,
    /// Its pictures per second at most, while that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<u32>,
    /// The height of its pictures at most, while that is limited, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// What of it was set (`camera/set`, `controls`), by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, i64>,
    /// What its driver lets be set, at most 64, by the name it is set by. Absent where nothing can
    /// be set and until the camera has been asked.
    #[serde(skip_serializing_if = "has_nothing_to_set")]
    pub settable: Option<BTreeMap<String, CameraControl>>,
    /// The encoder in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a camera or microphone fares, in the state of either.
pub(in crate::engine) struct Faring<'s> {
    /// The configured source.
    pub source: &'s str,
    /// Whether it delivers.
    pub status: &'s mut SourceStatus,
    /// The encoder in use.
    pub encoder: &'s mut Option<String>,
    /// Why it failed.
    pub reason: &'s mut Option<String>,
}

impl SourceState {
    /// How it fares.
    pub(in crate::engine) fn faring(&mut self) -> Faring<'_> {
        Faring {
            source: &self.source,
            status: &mut self.status,
            encoder: &mut self.encoder,
            reason: &mut self.reason,
        }
    }
}

impl CameraState {
    /// How it fares.
    pub(in crate::engine) fn faring(&mut self) -> Faring<'_> {
        Faring {
            source: &self.source,
            status: &mut self.status,
            encoder: &mut self.encoder,
            reason: &mut self.reason,
        }
    }
}

fn has_nothing_to_set(settable: &Option<BTreeMap<String, CameraControl>>) -> bool {
    settable.as_ref().is_none_or(BTreeMap::is_empty)
}

/// Microphone and loudspeaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AudioState {
    /// The microphone.
    #[serde(flatten)]
    pub microphone: SourceState,
    /// The loudspeaker's volume in percent; absent until it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<u8>,
    /// The ring tone's volume in percent; absent while it is the loudspeaker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_volume: Option<u8>,
    /// The loudspeaker is to be silent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub speaker_muted: bool,
    /// Who may speak when.
    pub duplex: Duplex,
    /// With `push_to_talk`: somebody here talks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub talking: bool,
    /// The loudspeaker.
    pub speaker: SpeakerState,
    /// What is heard here of a call that nobody has taken: `ring`, `ringback`, `unanswered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tone: Option<HeardTone>,
    /// What is done to the microphone's sound.
    pub processing: ProcessingState,
}

/// The screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DisplayState {
    /// `absent`, `closed`, `showing`, `failed`.
    pub status: ScreenStatus,
    /// Why it failed; it is tried again each second while there is somebody to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the pictures of several people share it; absent where there is no screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<ScreenLayout>,
    /// What becomes of a picture of another shape than the screen's; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<ScreenFit>,
    /// Left and right are exchanged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
    /// The part of the screen that is used; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<ScreenArea>,
    /// The corner in which people here see themselves while the others of a call do; absent where
    /// there is no screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_view: Option<ScreenSelfView>,
}

/// Where the screen stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScreenStatus {
    /// None is configured.
    #[default]
    Absent,
    /// Nobody is to be seen.
    Closed,
    /// It is open, and shows what there is.
    Showing,
    /// It does not work.
    Failed,
}

/// The loudspeaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SpeakerState {
    /// The one in use, as the configuration spells it.
    pub sink: String,
    /// `absent`, `closed`, `playing`, `failed`.
    pub status: SpeakerStatus,
    /// Who sets the volume, once it is set: `card` by its mixer, `mix` where the card has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_by: Option<VolumeBy>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is heard of a call that nobody has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeardTone {
    /// Somebody calls.
    Ring,
    /// It rings at those who are called.
    Ringback,
    /// Nobody took the call, or it was declined.
    Unanswered,
}

/// Who sets the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VolumeBy {
    /// A control of the card's mixer.
    Card,
    /// The mix of all that is heard.
    Mix,
}

/// Where the loudspeaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeakerStatus {
    /// None is configured.
    #[default]
    Absent,
    /// Nobody is to be heard.
    Closed,
    /// It is open, and plays what there is.
    Playing,
    /// It does not work.
    Failed,
}

/// What is done to the microphone's sound before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ProcessingState {
    /// What the loudspeaker plays is taken out.
    pub echo_cancel: bool,
    /// Steady noise is taken out.
    pub noise_suppression: bool,
    /// Voices near and far are brought to one loudness.
    pub gain_control: bool,
    /// Rumble below speech is taken out.
    pub high_pass: bool,
    /// Why something that is configured is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lack: Option<String>,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Nobody needs it.
    #[default]
    Stopped,
    /// It delivers.
    Running,
    /// It does not; in place of a camera's picture others see a placeholder.
    Failed,
}
