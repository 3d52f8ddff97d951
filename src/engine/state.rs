//! The device's state as the world may see it: one value, watched by whoever publishes it.

mod call;
mod camera_control;
mod media;

use std::collections::BTreeMap;

use serde::Serialize;

use super::recording::RecordedSide;
use crate::base::telemetry::LogDetail;
use crate::call::visitor_message::Phase;
use crate::protocol::address::UserId;

pub use call::{CallMedia, CallState, CallStatus, FlowState, ParticipantState, PreviewState};
pub use camera_control::{CameraControl, Choice, ControlKind};
pub(in crate::engine) use media::Faring;
pub use media::{
    AudioState, CameraState, DisplayState, HeardTone, ProcessingState, ScreenStatus, SourceState,
    SourceStatus, SpeakerState, SpeakerStatus, VolumeBy,
};

/// Everything at once; each field is also published as a part of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DeviceState {
    /// `call/state`.
    pub call: CallState,
    /// `ring/state`: the bell.
    pub ring: RingState,
    /// `policy/state`: who may disturb whom at present.
    pub policy: PolicyState,
    /// `chat/state`.
    pub chat: ChatState,
    /// `camera/state`.
    pub camera: CameraState,
    /// `audio/state`.
    pub audio: AudioState,
    /// `display/state`: the screen.
    pub display: DisplayState,
    /// `door/state`.
    pub door: DoorState,
    /// `visitor_message/state`.
    pub visitor_message: VisitorMessageState,
    /// `recording/state`.
    pub recording: RecordingState,
    /// `device/state`: the board and the program.
    pub device: Vitals,
    /// `health/state`: every supervised actor.
    pub health: BTreeMap<String, ActorHealth>,
}

/// The board and the program.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Vitals {
    /// The program's version.
    pub version: &'static str,
    /// The newest version known: that of the site's hub, which is the same program, or this one if
    /// it is newer; asked for at login and every 30 minutes. Absent where the hub is another
    /// program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<String>,
    /// When the program was started, Unix milliseconds.
    pub started: u64,
    /// The hottest of the board's sensors, looked at every 30 s, whole degrees Celsius; absent
    /// where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<i32>,
    /// What is logged beside the usual (`log_detail`); absent as long as that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogState>,
}

/// What is logged beside the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LogState {
    /// What it is.
    pub detail: LogDetail,
    /// And until when, Unix milliseconds.
    pub until: u64,
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            latest_version: None,
            started: 0,
            temperature_c: None,
            log: None,
        }
    }
}

/// The bell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RingState {
    /// `idle`, `waiting`, `ringing`.
    pub status: RingStatus,
    /// The ring's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Which step of the plan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// How many steps there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Who is being rung.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// Who of those the bell rings is known not to be connected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<UserId>,
    /// How the last ring ended: `answered`, or the reason of `ring/unanswered` or `ring/stopped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
}

/// Where the bell stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingStatus {
    /// Nobody has pressed it.
    #[default]
    Idle,
    /// It waits for the end of a call.
    Waiting,
    /// It rings.
    Ringing,
}

/// Do-not-disturb and its like, as they hold now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct PolicyState {
    /// Whether calls that come in do not ring here because somebody asked so.
    pub dnd: bool,
    /// Until when, Unix milliseconds; absent without an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnd_until: Option<u64>,
    /// Whether they do not because of `[calls.incoming] quiet`.
    pub quiet_hours: bool,
    /// Whether some calls are answered by themselves.
    pub auto_answer: bool,
    /// Whom the bell does not ring for a while.
    pub quiet_users: Vec<UserId>,
    /// Whom the bell leaves out.
    pub ring_off: Vec<UserId>,
    /// Logins, tags and dialogs of the configuration the hub has not been asked about yet, or
    /// does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// The chat connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ChatState {
    /// `idle`, `connecting`, `authenticated`, `online`, `reconnecting`, `refused`, `displaced`,
    /// `closed`.
    pub status: ChatStatus,
    /// Why it is not online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// While online: whether the stream of the last connection goes on (RT-10), so that nothing
    /// was missed; `false` on a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
    /// While waiting for the next try: when it is, Unix milliseconds, if nothing cuts the pause
    /// short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<u64>,
    /// Our user, once logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Messages stored and not yet acknowledged by the hub.
    pub outbox: u64,
    /// Messages not read, counted on the device.
    pub unread: u64,
    /// The copy of dialogs and messages kept here.
    pub history: HistoryState,
}

/// The history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct HistoryState {
    /// `behind`, `current`, `full`, `failed`.
    pub status: HistoryStatus,
    /// Why it is not current, or what happened to its file and where a damaged one was put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was last complete, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<u64>,
}

/// How the history stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryStatus {
    /// Something of the hub's may be missing.
    #[default]
    Behind,
    /// Everything is here.
    Current,
    /// No room is left; messages are told of, but not kept.
    Full,
    /// It cannot be read or written.
    Failed,
}

/// Where the chat connection stands (RT-11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatStatus {
    /// Not begun.
    #[default]
    Idle,
    /// On the way.
    Connecting,
    /// The hub knows who we are; others do not reach us yet.
    Authenticated,
    /// Presence is out; messages and calls flow.
    Online,
    /// Lost or not reached; waits for the next try.
    Reconnecting,
    /// The hub does not take our credentials; tried again every 30 to 60 s.
    Refused,
    /// Another connection of this user took our place; tried again after 30 to 60 s.
    Displaced,
    /// Ended, with the device or until its part is brought back.
    Closed,
}

/// The door.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DoorState {
    /// Whether the relay is pulled now.
    pub unlocked: bool,
    /// When it was last opened, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_unlocked: Option<u64>,
    /// Why it cannot be opened, or closed again: the relay's line does not do what it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The push buttons, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub buttons: BTreeMap<String, ButtonState>,
}

/// A push button.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ButtonState {
    /// Whether it is pressed now.
    pub pressed: bool,
    /// When it was last pressed, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pressed: Option<u64>,
    /// Why its line cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What visitors leave when nobody answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VisitorMessageState {
    /// `idle`, `announcing`, `recording`, `storing`.
    pub status: VisitorStatus,
    /// The one under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_message: Option<String>,
    /// Since when, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Recordings the hub does not have yet.
    pub waiting: u64,
    /// How the last one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Where a visitor's message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitorStatus {
    /// There is none.
    #[default]
    Idle,
    /// The visitor hears the tone.
    Announcing,
    /// Camera and microphone are recorded.
    Recording,
    /// The file is being finished and noted.
    Storing,
}

impl VisitorStatus {
    /// What a phase looks like from outside.
    pub fn of(phase: Phase) -> Self {
        match phase {
            Phase::Announcing | Phase::Starting => Self::Announcing,
            Phase::Recording => Self::Recording,
            Phase::Finishing | Phase::Storing => Self::Storing,
            Phase::Ended(_) => Self::Idle,
        }
    }
}

/// Recordings on command, by rule or in calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RecordingState {
    /// `idle`, `starting`, `recording`, `finishing`.
    pub status: RecordingStatus,
    /// The one under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Since when, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// What is recorded: this device's side, the other side of the call, or both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<RecordedSide>,
    /// The file finished last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Where a recording stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingStatus {
    /// There is none.
    #[default]
    Idle,
    /// The first picture or sound is waited for.
    Starting,
    /// It records.
    Recording,
    /// The file is being finished.
    Finishing,
}

/// One supervised actor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ActorHealth {
    /// Whether it runs now.
    pub alive: bool,
    /// How often it was brought back.
    pub restarts: u32,
    /// How it last ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
}
