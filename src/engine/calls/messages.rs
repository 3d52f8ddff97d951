//! What the `Calls` actor can be told and asked.

use actix::prelude::*;

use crate::call::end::EndReason;
use crate::call::exchange::UserInfo;
use crate::engine::command::CommandError;
use crate::media::peer::PeerEvent;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType};
use crate::protocol::telephone_event::Digit;

/// News of a call's media.
#[derive(Debug)]
pub enum LegNews {
    /// The local description is set; the invitation can go out.
    OfferReady,
    /// The peer connection says something.
    Peer(PeerEvent),
    /// An offer, an answer, or the peer connection itself cannot be used.
    Unusable(String),
}

/// [`LegNews`] with the call it belongs to.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromLeg {
    /// The call's session id.
    pub call: String,
    /// The participant it is about.
    pub with: UserId,
    /// What happened.
    pub news: LegNews,
}

/// A signal came in over chat.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SignalArrived {
    /// Who sent it.
    pub from: UserId,
    /// Whether another device of ours sent it.
    pub is_own_copy: bool,
    /// The signal.
    pub signal: CallSignal,
}

/// Call these users at once; the first to answer wins. Gives the calls' ids.
#[derive(Message)]
#[rtype(result = "Result<Vec<String>, CommandError>")]
pub struct Dial {
    /// Whom.
    pub users: Vec<UserId>,
    /// With pictures or without.
    pub call_type: CallType,
    /// Whether other calls that nobody has answered may be under way, of the same ring.
    pub joins: bool,
}

/// One call of up to four people, ourselves included. Gives its id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct Confer {
    /// The one to three others.
    pub users: Vec<UserId>,
    /// With pictures or without.
    pub call_type: CallType,
    /// Custom parameters told with the invitation.
    pub info: UserInfo,
}

/// Do something to the call people talk in. Gives details for the reply.
#[derive(Message)]
#[rtype(result = "Result<serde_json::Value, CommandError>")]
pub struct InCall(pub Operation);

/// What can be done to a call that was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Invite one more.
    Invite(UserId),
    /// Stop or begin sending.
    Mute {
        /// Sound; unchanged if absent.
        audio: Option<bool>,
        /// Pictures; unchanged if absent.
        video: Option<bool>,
    },
    /// Stop or begin hearing and seeing a participant, or all of them.
    Ignore {
        /// Whom; everybody if absent.
        user: Option<UserId>,
        /// Sound; unchanged if absent.
        audio: Option<bool>,
        /// Pictures; unchanged if absent.
        video: Option<bool>,
    },
    /// Hold the call, or go on with it.
    Hold(bool),
    /// Limit the pictures sent to each participant, in kbit/s; `None` lifts the limit.
    Limit(Option<u32>),
    /// Tell everybody custom parameters.
    Tell(UserInfo),
    /// Renew the path, as after a change of network.
    Reconnect,
    /// Press keys of a telephone.
    Digits {
        /// For whom; for everybody if absent.
        user: Option<UserId>,
        /// Which.
        digits: Vec<Digit>,
    },
}

/// The network below has changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NetworkChanged;

/// Take the ringing call. Gives its id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct Answer;

/// Decline the ringing call, telling the caller why. Gives its id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct Reject(pub Option<String>);

/// End every call. Gives their ids.
#[derive(Message)]
#[rtype(result = "Result<Vec<String>, CommandError>")]
pub struct HangUp(pub EndReason);

/// End these calls; ids of calls that are over already are passed over. Gives the ids of those
/// that were ended.
#[derive(Message)]
#[rtype(result = "Vec<String>")]
pub struct HangUpCalls {
    /// Their ids.
    pub calls: Vec<String>,
    /// Kept in their records and told to the other sides.
    pub reason: EndReason,
}

/// Who is in an answered call: its id and the other side.
#[derive(Message)]
#[rtype(result = "Option<(String, UserId)>")]
pub struct WhoIsInCall;

/// Whether a user talks in this very call.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsInCall {
    /// Its id.
    pub call: String,
    /// Who.
    pub user: UserId,
}
