//! What the `Calls` actor can be told and asked.

use actix::prelude::*;

use crate::call::end::EndReason;
use crate::engine::command::CommandError;
use crate::media::peer::PeerEvent;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType};

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
}

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
