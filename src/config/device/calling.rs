//! Whom the bell rings and who may call, as types.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::IceServer;
use crate::call::party::Party;
use crate::call::policy::{AnswerMedia, BusyPolicy};
use crate::call::ring_plan::Condition;
use crate::protocol::call_signal::CallType;

/// What of a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedCall {
    /// This device's side.
    Door,
    /// The other one.
    Remote,
    /// Both.
    Both,
}

/// What is heard while a call waits for somebody to take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallSound {
    /// Nothing.
    None,
    /// Two notes of a door bell.
    Chime,
    /// A telephone's bell.
    Phone,
    /// The telephone network's own.
    Tone,
    /// A file.
    File(PathBuf),
}

/// Whom the bell rings, and the limits of a call.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Whom `ring` calls, at most 16, without duplicates; empty where there are steps.
    pub ring: Vec<Party>,
    /// The ring plan's steps; where there are none, `ring` is the only one.
    pub steps: Vec<RingStep>,
    /// Who is not rung at which hours.
    pub quiet: Vec<QuietHours>,
    /// Whether those known to be offline are passed over while others are there.
    pub skip_offline: bool,
    /// Whether phones are woken by push notifications.
    pub wake: bool,
    /// The bell during a call.
    pub ring_in_call: BusyPolicy,
    /// What is heard here while others are rung.
    pub ringback: CallSound,
    /// Orders over a data channel of the call.
    pub data_channel: DataChannel,
    /// Rung last when nobody answered.
    pub forward_to: Vec<Party>,
    /// Seconds, 5 to 300, not above `answer_timeout_s`.
    pub forward_s: u32,
    /// Who is told of a visit or a call nobody took.
    pub missed_to: Vec<Party>,
    /// Whether that is told of the bell.
    pub missed_rings: bool,
    /// Whether that is told of calls that came in.
    pub missed_calls: bool,
    /// What of a call is recorded; none is nothing.
    pub record: Option<RecordedCall>,
    /// Calls and door openings remembered, 100 to 100,000.
    pub keep_records: u32,
    /// Who may call.
    pub incoming: Incoming,
    /// The picture before the answer.
    pub preview: Preview,
    /// Whether outgoing calls have a picture.
    pub call_type: CallType,
    /// Seconds a call rings, 10 to 300.
    pub answer_timeout_s: u32,
    /// Seconds between repetitions of the call signal, 3 to 60.
    pub dialing_interval_s: u32,
    /// Seconds a lost connection may take to come back, 5 to 300.
    pub disconnect_timeout_s: u32,
    /// kbit/s a call may send; 0 is unlimited.
    pub max_bandwidth_kbps: u32,
    /// kbit/s below which pictures are not reduced for a slow network.
    pub min_bandwidth_kbps: u32,
    /// kbit/s pictures begin with, 64 to 20,000, within the two above and the camera's.
    pub start_bandwidth_kbps: u32,
    /// STUN and TURN servers besides the hub's, at most 8.
    pub ice_servers: Vec<IceServer>,
    /// Use only relayed candidates.
    pub relay_only: bool,
    /// Whether sound and pictures are marked for the network.
    pub dscp: bool,
    /// Addresses to gather candidates on; empty means all.
    pub bind: Vec<IpAddr>,
}

/// Whether a call has a data channel for orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataChannel {
    /// Never.
    Off,
    /// If the other side opens one.
    Answer,
    /// Also offered.
    Offer,
}

impl Calls {
    /// The steps of the bell: the plan's or the one of `ring`, then the forwarding.
    pub fn plan(&self) -> Vec<RingStep> {
        let mut steps = self.steps.clone();
        if steps.is_empty() && !self.ring.is_empty() {
            steps.push(RingStep {
                ring: self.ring.clone(),
                rings_for: Duration::from_secs(self.answer_timeout_s.into()),
                condition: None,
            });
        }
        if !self.forward_to.is_empty() {
            steps.push(RingStep {
                ring: self.forward_to.clone(),
                rings_for: Duration::from_secs(self.forward_s.into()),
                condition: None,
            });
        }
        steps
    }

    /// Everybody these settings name whose numbers must be known before a call.
    pub fn parties(&self) -> Vec<Party> {
        let incoming = &self.incoming;
        let steps = self.plan();
        let lists = steps
            .iter()
            .map(|step| &step.ring)
            .chain(self.quiet.iter().map(|quiet| &quiet.who))
            .chain([
                &incoming.allow,
                &incoming.auto_answer,
                &incoming.quiet_except,
                &self.preview.allow,
            ]);
        let mut parties: Vec<Party> = Vec::new();
        for party in lists.flatten() {
            if !parties.contains(party) {
                parties.push(party.clone());
            }
        }
        parties
    }
}

/// `[[calls.step]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingStep {
    /// Whom, at least one.
    pub ring: Vec<Party>,
    /// 5 to 300 seconds, not above `answer_timeout_s`.
    pub rings_for: Duration,
    /// When.
    pub condition: Option<Condition>,
}

/// `[[calls.quiet]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Who, at least one.
    pub who: Vec<Party>,
    /// The schedule's name, which exists.
    pub schedule: String,
}

/// `[calls.incoming]`.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Who may call; empty is everybody.
    pub allow: Vec<Party>,
    /// Whether others hear nothing at all, instead of a refusal.
    pub is_refused_silently: bool,
    /// Whose calls are answered by themselves.
    pub auto_answer: Vec<Party>,
    /// Seconds such a call rings before, up to 30.
    pub auto_answer_after_s: u32,
    /// What is heard here while somebody calls.
    pub ring_tone: CallSound,
    /// How loud that is, percent; none is as loud as all else.
    pub ring_volume: Option<u8>,
    /// Whether a tone says so here before anything of the room is sent.
    pub auto_answer_tone: bool,
    /// What of this device such a caller gets.
    pub auto_answer_media: AnswerMedia,
    /// The schedule in which calls do not ring here; it exists.
    pub quiet: Option<String>,
    /// Who gets through quiet hours and do-not-disturb.
    pub quiet_except: Vec<Party>,
    /// A call during another.
    pub busy: BusyPolicy,
}

/// `[calls.preview]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Whether those the bell rings are offered the picture before answering.
    pub enabled: bool,
    /// Who of them; empty is everybody.
    pub allow: Vec<Party>,
    /// Whether it has sound.
    pub audio: bool,
    /// How many look at once, 1 to 16.
    pub most: u32,
    /// Whether this device asks for it when it rings.
    pub show: bool,
}
