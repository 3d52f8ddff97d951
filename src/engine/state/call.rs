//! The call the device is in.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::calls::PerKind;
use crate::engine::event::Direction;
use crate::media::stats::Level;
use crate::protocol::address::UserId;

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
    /// It is answered without anybody's doing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drops_in: bool,
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
