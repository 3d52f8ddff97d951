//! What the registry does not keep about a call: its connections, its times, and what of its
//! media is muted.

use std::collections::BTreeMap;
use std::time::Instant;

use super::leg::Leg;
use crate::call::active_speaker::ActiveSpeaker;
use crate::call::channel_orders::ChannelOrders;
use crate::call::door_code::CodeEntry;
use crate::call::policy::AnswerMedia;
use crate::call::session::UserInfo;
use crate::config;
use crate::engine::event::{Direction, unix_ms};
use crate::media::announcement::Playback;
use crate::media::peer::{PeerStats, TrackKind};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType};

/// Kbit/s; with less there are no pictures worth sending, and the encoder is shared by all who
/// watch.
const LEAST_KBPS: u32 = 64;
/// The vendor's key for it (wire reference C.2), in kbit/s.
pub(super) const MAX_BANDWIDTH_KEY: &str = "maxBandwidth";
/// Tells devices like us that the call is held, `1`, or goes on, `0`.
pub(super) const HOLD_KEY: &str = "hold";

/// One switch for each kind of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PerKind {
    /// Sound.
    pub audio: bool,
    /// Pictures.
    pub video: bool,
}

impl PerKind {
    /// Both.
    pub const BOTH: Self = Self {
        audio: true,
        video: true,
    };

    /// Changes what is given.
    pub fn set(&mut self, audio: Option<bool>, video: Option<bool>) {
        self.audio = audio.unwrap_or(self.audio);
        self.video = video.unwrap_or(self.video);
    }

    fn or(self, other: bool) -> Self {
        if other { Self::BOTH } else { self }
    }
}

/// One participant's connection.
pub(super) struct Participant {
    pub leg: Leg,
    /// What of it is neither heard nor seen here.
    pub ignored: PerKind,
    /// Whether it holds the call.
    pub holds: bool,
    /// What it asked us not to exceed, in kbit/s.
    pub limit_kbps: Option<u32>,
    /// What it orders over the data channel.
    pub orders: ChannelOrders,
}

impl Participant {
    pub fn new(leg: Leg) -> Self {
        Self {
            leg,
            ignored: PerKind::default(),
            holds: false,
            limit_kbps: None,
            orders: ChannelOrders::default(),
        }
    }
}

/// One call.
pub(super) struct CallFacts {
    pub direction: Direction,
    /// Whoever started it, or the first one called.
    pub peer: UserId,
    /// What every signal of the call carries.
    pub envelope: CallSignal,
    /// What our invitations tell.
    pub tells: UserInfo,
    /// What the caller told us.
    pub told: UserInfo,
    pub legs: BTreeMap<UserId, Participant>,
    /// The door's code as each enters it, also of those who left and came again.
    pub codes: BTreeMap<UserId, CodeEntry>,
    /// What we do not send.
    pub muted: PerKind,
    pub held: bool,
    /// Kbit/s of pictures to each participant.
    pub limit_kbps: Option<u32>,
    /// Whether those rung get the picture before answering; `None` where it is not on offer.
    pub preview: Option<bool>,
    pub pictures: Vec<bytes::Bytes>,
    pub started_ms: u64,
    pub answered: Option<Instant>,
    pub answered_ms: Option<u64>,
    pub ringing: Option<Instant>,
    pub ringing_ms: Option<u64>,
    pub connected: Option<Instant>,
    pub connected_ms: Option<u64>,
    pub first_frame_ms: Option<u64>,
    /// The other side gets nothing until somebody here lets it in.
    pub knocks: bool,
    /// It is answered without anybody's doing.
    pub drops_in: bool,
    /// The tone that says that somebody drops in; until it has been played nothing is sent.
    pub tone: Option<Playback>,
    /// Who speaks, of several.
    pub speaker: ActiveSpeaker,
    /// How media did of participants who have left.
    pub left: Vec<PeerStats>,
}

impl CallFacts {
    pub fn new(direction: Direction, peer: UserId, envelope: CallSignal) -> Self {
        Self {
            direction,
            peer,
            envelope,
            tells: UserInfo::new(),
            told: UserInfo::new(),
            legs: BTreeMap::new(),
            codes: BTreeMap::new(),
            muted: PerKind::default(),
            held: false,
            limit_kbps: None,
            preview: None,
            pictures: Vec::new(),
            started_ms: unix_ms(),
            answered: None,
            answered_ms: None,
            ringing: None,
            ringing_ms: None,
            connected: None,
            connected_ms: None,
            first_frame_ms: None,
            knocks: false,
            drops_in: false,
            tone: None,
            speaker: ActiveSpeaker::default(),
            left: Vec::new(),
        }
    }

    /// Whether there is anybody to tell apart.
    pub fn is_of_several(&self) -> bool {
        self.legs.len() > 1
    }

    pub fn call_type(&self) -> CallType {
        self.envelope.call_type
    }

    /// What of this device the others get.
    pub fn give(&mut self, what: AnswerMedia) {
        let (sound, pictures) = match what {
            AnswerMedia::Video => (true, true),
            AnswerMedia::Audio => (true, false),
            AnswerMedia::ListenOnly | AnswerMedia::Knock => (false, false),
        };
        self.muted.set(Some(!sound), Some(!pictures));
        self.knocks = what == AnswerMedia::Knock;
    }

    /// The parameters of an invitation of ours. Members of a call somebody else started have
    /// nothing to tell.
    pub fn invitation(&self) -> UserInfo {
        match self.direction {
            Direction::Outgoing => self.tells.clone(),
            Direction::Incoming => UserInfo::new(),
        }
    }

    /// Kbit/s of pictures to one participant: the strictest of what the configuration, the call
    /// and the participant say.
    pub fn limit_of(
        &self,
        calls: &config::device::Calls,
        participant: Option<&Participant>,
    ) -> Option<u32> {
        let configured = (calls.max_bandwidth_kbps > 0).then_some(calls.max_bandwidth_kbps);
        let asked = participant.and_then(|participant| participant.limit_kbps);
        [configured, self.limit_kbps, asked]
            .into_iter()
            .flatten()
            .min()
    }

    /// Brings every connection in line with what is muted, held and limited.
    pub fn apply(&self, calls: &config::device::Calls) {
        for participant in self.legs.values() {
            let is_still = self.held || participant.holds || self.tone.is_some();
            let silent = self.muted.or(is_still);
            let ignored = participant.ignored.or(self.held);
            let limit = self.limit_of(calls, Some(participant));
            participant.leg.with_peer(move |peer| {
                peer.set_muted(TrackKind::Audio, silent.audio);
                peer.set_muted(TrackKind::Video, silent.video);
                peer.set_receiving(TrackKind::Audio, !ignored.audio);
                peer.set_receiving(TrackKind::Video, !ignored.video);
                peer.set_max_bitrate(limit);
            });
        }
    }
}

/// The limit an invitation or `update` asks for; none when it lifts it, or says nothing usable.
pub(super) fn max_bandwidth(info: &UserInfo) -> Option<u32> {
    let kbps: u32 = info.get(MAX_BANDWIDTH_KEY)?.trim().parse().ok()?;
    (kbps > 0).then_some(kbps.max(LEAST_KBPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_from_user_info_and_cannot_starve_the_others() {
        let asked = |value: &str| {
            max_bandwidth(&UserInfo::from([(MAX_BANDWIDTH_KEY.into(), value.into())]))
        };
        assert_eq!(asked("300"), Some(300));
        assert_eq!(asked("1"), Some(LEAST_KBPS));
        assert_eq!(asked("0"), None);
        assert_eq!(asked("-5"), None);
        assert_eq!(asked("fast"), None);
        assert_eq!(max_bandwidth(&UserInfo::new()), None);
    }
}
