//! The device's state as the world may see it: one value, watched by whoever publishes it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calls::PerKind;
use super::event::Direction;
use super::recording::RecordedSide;
use crate::call::duplex::Duplex;
use crate::call::screen_layout::ScreenLayout;
use crate::call::visitor_message::Phase;
use crate::media::stats::Level;
use crate::protocol::address::UserId;

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
    pub camera: SourceState,
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
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            latest_version: None,
            started: 0,
            temperature_c: None,
        }
    }
}

/// The call the device is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CallState {
    /// `idle`, `dialing`, `ringing`, `connecting`, `connected`.
    pub status: CallStatus,
    /// Session id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<UserId>,
    /// Since when, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// The caller knocks: was answered by the device and gets nothing of it until `answer`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub knocks: bool,
    /// How the last call ended, as in `call/ended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
    /// What the media of the call has done so far, renewed once a second. Of several participants
    /// `kbps`, `packets`, `nacks` and `plis` are sums, `fps` is the least, all else the worst
    /// participant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<CallMedia>,
    /// The picture before the answer; absent while nobody looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewState>,
    /// Of several others in the call: who speaks, or spoke last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<UserId>,
    /// Everybody else in the call, in order of user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<ParticipantState>,
    /// What the caller told with an incoming call: custom parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub info: BTreeMap<String, String>,
    /// What of ours is not sent.
    pub muted: PerKind,
    /// Whether we hold the call: nothing is sent, heard or seen.
    pub held: bool,
    /// Kbit/s of pictures we send to each participant at most; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_kbps: Option<u32>,
}

/// The picture before the answer: ours that others see, or theirs that is shown here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PreviewState {
    /// Who of those that are rung sees our picture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub viewers: Vec<UserId>,
    /// Pictures sent to them, all together.
    pub frames_sent: u64,
    /// Packets of sound sent to them.
    pub audio_packets_sent: u64,
    /// Pictures of the caller decoded.
    pub frames_decoded: u64,
    /// Milliseconds of the caller's sound decoded.
    pub audio_decoded_ms: u64,
    /// Milliseconds from the ringing to the caller's first picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_ms: Option<u64>,
}

/// Somebody in the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ParticipantState {
    /// Who.
    pub user: UserId,
    /// `waiting`, `dialing`, `ringing`, `connecting`, `connected`, `interrupted`, `ended`.
    pub status: &'static str,
    /// Whether this one holds the call.
    pub holds: bool,
    /// How loud this one was in the last second, as heard here; absent before the first sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
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

/// Counters of a call's media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CallMedia {
    /// Pictures of the other side decoded here.
    pub frames_decoded: u64,
    /// Milliseconds of the other side's sound decoded here.
    pub audio_decoded_ms: u64,
    /// Pictures of ours sent.
    pub frames_sent: u64,
    /// How loud our microphone was in the last second, behind echo cancelling and the like; absent
    /// while it is muted or does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microphone: Option<Level>,
    /// Milliseconds from answering to the other side's first decoded picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_ms: Option<u64>,
    /// What goes out to all participants together.
    pub sent: FlowState,
    /// What comes in from all participants together.
    pub received: FlowState,
    /// To the far side and back, milliseconds; the slowest participant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u64>,
    /// How often pictures of the other side stood still here: came later than three mean
    /// distances, and than the mean and 150 ms. More than 5 s is a pause and not counted.
    pub freezes: u64,
    /// For how long in all, milliseconds.
    pub frozen_ms: u64,
    /// What decoding one picture takes, milliseconds.
    pub decode_ms: f64,
    /// What our encoder aims at, kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_kbps: Option<u32>,
    /// The pictures it makes: width, height and how many a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_picture: Option<[u32; 3]>,
    /// What the slowest participant's network carries of pictures, kbit/s.
    pub target_kbps: u32,
}

/// The media of a call in one direction, at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FlowState {
    /// Payload of both kinds over the last two seconds, kbit/s.
    pub kbps: u32,
    /// Pictures a second over the last two seconds.
    pub fps: u32,
    /// Packets since the beginning.
    pub packets: u64,
    /// Percent of the packets lost on the network, repaired or not: sent, by the other side's last
    /// report; received, over the last five seconds.
    pub loss_percent: f64,
    /// How unevenly packets come, milliseconds.
    pub jitter_ms: u64,
    /// Packets that were asked for again by whoever receives.
    pub nacks: u64,
    /// Pictures that were asked for afresh by whoever receives.
    pub plis: u64,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// No call.
    #[default]
    Idle,
    /// We call, nobody has answered.
    Dialing,
    /// Somebody calls us.
    Ringing,
    /// Answered, media not yet up.
    Connecting,
    /// Media flows.
    Connected,
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

/// Camera or microphone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SourceState {
    /// `stopped`, `running`, `failed`.
    pub status: SourceStatus,
    /// The configured source.
    pub source: String,
    /// It is to deliver nothing, because somebody set it so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Of a camera: kbit/s of its pictures at most, while that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_kbps: Option<u32>,
    /// Of a camera: pictures per second at most, while that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<u32>,
    /// Of a camera: what of it was set (`camera/set`, `controls`), by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, i64>,
    /// The encoder in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// What is done to the microphone's sound.
    pub processing: ProcessingState,
}

/// The screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DisplayState {
    /// How the pictures of several people share it; absent where there is no screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<ScreenLayout>,
}

/// The loudspeaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SpeakerState {
    /// `absent`, `closed`, `playing`, `failed`.
    pub status: SpeakerStatus,
    /// Who sets the volume, once it is set: `card` by its mixer, `mix` where the card has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_by: Option<VolumeBy>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
