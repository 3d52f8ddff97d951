//! What a session is told and what it gives to do.

use std::collections::BTreeMap;

use super::end::EndReason;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, Candidate, SignalKind};

/// Parameters that go with a signal (`userInfo`).
pub type UserInfo = BTreeMap<String, String>;

/// Which side of a call we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We invited.
    Caller,
    /// We were invited.
    Callee,
}

/// Where a session stands: as far as its furthest leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Caller: the offer is being made.
    Preparing,
    /// Caller: invitations are out.
    Dialing,
    /// Callee: the user is being called.
    Ringing,
    /// Answered; media is on its way.
    Connecting,
    /// Media flows.
    Connected,
    /// Media flowed and is interrupted.
    Interrupted,
    /// Over.
    Ended(EndReason),
}

/// Where one leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegPhase {
    /// A participant whose offer, or whose turn to get ours, has not come.
    Waiting,
    /// Our offer is being made.
    Preparing,
    /// Our invitation is out.
    Dialing,
    /// Their offer is here, not answered.
    Invited,
    /// Answered; media is on its way.
    Connecting,
    /// Media flows.
    Connected,
    /// Media flowed and is interrupted.
    Interrupted,
    /// Over.
    Ended(EndReason),
}

impl LegPhase {
    /// Whether one side has taken the other's offer.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Connecting | Self::Connected | Self::Interrupted)
    }

    /// Whether it is not over.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

/// What media says about a peer connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    /// Packets can flow.
    Connected,
    /// The path is gone, perhaps for a moment.
    Disconnected,
    /// The path is gone for good, unless ICE is restarted.
    Failed,
    /// An offer, answer or device could not be used.
    Unusable,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The local offer for this participant is ready to be sent.
    OfferReady(UserId),
    /// The user, or a rule, takes the call.
    Answer,
    /// The user, or a rule, declines; the text is told to the caller.
    Reject(Option<String>),
    /// End it, with the reason kept and told.
    HangUp(EndReason),
    /// Caller: invite one more.
    Invite(UserId),
    /// Tell every participant something (`update`); phones of the vendor do not listen.
    Tell(UserInfo),
    /// A signal of a participant.
    Signal(UserId, CallSignal),
    /// Another device of ours sent this signal for the same call (a carbon).
    OwnSignal(SignalKind),
    /// A local ICE candidate for this participant.
    LocalCandidate(UserId, Candidate),
    /// News of the peer connection with this participant.
    Media(UserId, MediaState),
    /// The path below may have changed, or somebody wants it renewed.
    NetworkChanged,
    /// Time has passed.
    Tick,
}

/// Something for one leg, to be done in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send `call` with the current local description.
    SendCall,
    /// Make an answer to the remote offer and send it as `accept`.
    SendAccept,
    /// Send the same `accept` again: the first one was lost.
    ResendAccept,
    /// Send `reject`.
    SendReject(UserInfo),
    /// Send `hangUp`.
    SendHangUp(UserInfo),
    /// Send `iceCandidates`.
    SendCandidates(Vec<Candidate>),
    /// Send `update`; with the list of everybody called, if that has changed.
    SendUpdate(UserInfo, Option<Vec<UserId>>),
    /// Give the other side's first or newer offer to media.
    RemoteOffer(String),
    /// Give the other side's answer to media.
    RemoteAnswer(String),
    /// Give the other side's candidates to media.
    RemoteCandidates(Vec<Candidate>),
    /// Make an offer with fresh ICE credentials and send it as `iceRestart`.
    RestartIce,
    /// Answer an ICE restart: give the offer to media, send its answer as `iceRestartAccept`.
    AnswerRestart(String),
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Make the peer connection with this participant. Every one is closed by exactly one
    /// [`Output::Close`].
    Open {
        /// With whom.
        peer: UserId,
        /// Whether we make the offer: then begin with it and come back with
        /// [`Input::OfferReady`].
        offers: bool,
        /// Everybody called, as this participant is told.
        opponents: Vec<UserId>,
    },
    /// For the leg of this participant.
    To(UserId, Action),
    /// The leg moved on.
    Leg(UserId, LegPhase),
    /// Free the peer connection with this participant once its last signals are out.
    Close(UserId),
    /// A participant told custom parameters (`accept`, `reject`, `hangUp`, `update`).
    Told(UserId, SignalKind, UserInfo),
    /// The phase of the whole call changed.
    Phase(Phase),
    /// It is over: write the record.
    Ended(EndReason),
}
