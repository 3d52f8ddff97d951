//! One call with one other user: the state machine of wire reference C.3 for both roles.
//!
//! **Exactly one [`Output::Ended`] is given in a session's life, and nothing after it.**

use std::collections::BTreeMap;
use std::time::Instant;

use super::end::{EndReason, REASON_KEY};
use super::timers::Timers;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, Candidate, SignalKind};

/// Which side of a call we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We invited.
    Caller,
    /// We were invited.
    Callee,
}

/// Where a session stands.
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

/// What media says about the peer connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    /// Packets can flow.
    Connected,
    /// The path is gone, perhaps for a moment.
    Disconnected,
    /// The path is gone for good.
    Failed,
    /// An offer, answer or device could not be used.
    Unusable,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// Caller: the local offer is ready to be sent.
    OfferReady,
    /// The user, or a rule, takes the call.
    Answer,
    /// The user, or a rule, declines; the text is told to the caller.
    Reject(Option<String>),
    /// End it, with the reason kept and told.
    HangUp(EndReason),
    /// A signal of the other side.
    Signal(CallSignal),
    /// Another device of ours sent this signal for the same call (a carbon).
    OwnSignal(SignalKind),
    /// A local ICE candidate.
    LocalCandidate(Candidate),
    /// News of the peer connection.
    Media(MediaState),
    /// Time has passed.
    Tick,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send `call` with the current local description.
    SendCall,
    /// Make an answer to the remote offer and send it as `accept`.
    SendAccept,
    /// Send `reject`.
    SendReject(BTreeMap<String, String>),
    /// Send `hangUp`.
    SendHangUp(BTreeMap<String, String>),
    /// Send `iceCandidates`.
    SendCandidates(Vec<Candidate>),
    /// Give the other side's first or newer offer to media.
    RemoteOffer(String),
    /// Give the other side's answer to media.
    RemoteAnswer(String),
    /// Give the other side's candidates to media.
    RemoteCandidates(Vec<Candidate>),
    /// Answer an ICE restart: give the offer to media, send its answer as `iceRestartAccept`.
    AnswerRestart(String),
    /// The phase changed.
    Phase(Phase),
    /// It is over: free everything, write the record.
    Ended(EndReason),
}

/// One call with one other user.
#[derive(Debug)]
pub struct Session {
    id: String,
    role: Role,
    peer: UserId,
    call_type: CallType,
    phase: Phase,
    timers: Timers,
    /// Caller: when to repeat the invitation.
    redial_at: Option<Instant>,
    /// When the present phase has lasted too long.
    gives_up_at: Option<Instant>,
    /// Callee: when to answer without anybody's doing.
    answers_at: Option<Instant>,
    /// Our candidates, until the other side can take them.
    held_candidates: Vec<Candidate>,
    /// Callee: candidates that came before the user answered.
    early_candidates: Vec<Candidate>,
    connected_at: Option<Instant>,
}

/// More candidates than this before an answer are not kept; a browser gathers some dozens.
const MAX_HELD_CANDIDATES: usize = 256;

impl Session {
    /// A call we start. The first output to expect is [`Output::SendCall`], after
    /// [`Input::OfferReady`].
    pub fn outgoing(
        now: Instant,
        id: String,
        peer: UserId,
        call_type: CallType,
        timers: Timers,
    ) -> Self {
        Self::new(now, id, Role::Caller, peer, call_type, timers)
    }

    /// A call we receive; the outputs hand the offer to media, so that answering is quick.
    pub fn incoming(
        now: Instant,
        id: String,
        peer: UserId,
        call_type: CallType,
        offer: String,
        timers: Timers,
    ) -> (Self, Vec<Output>) {
        let session = Self::new(now, id, Role::Callee, peer, call_type, timers);
        let outputs = vec![Output::Phase(Phase::Ringing), Output::RemoteOffer(offer)];
        (session, outputs)
    }

    fn new(
        now: Instant,
        id: String,
        role: Role,
        peer: UserId,
        call_type: CallType,
        timers: Timers,
    ) -> Self {
        Self {
            id,
            role,
            peer,
            call_type,
            phase: match role {
                Role::Caller => Phase::Preparing,
                Role::Callee => Phase::Ringing,
            },
            timers,
            redial_at: None,
            gives_up_at: Some(now + timers.answer_timeout),
            answers_at: None,
            held_candidates: Vec::new(),
            early_candidates: Vec::new(),
            connected_at: None,
        }
    }

    /// Callee: answers by itself at this time, if still ringing.
    pub fn answer_at(&mut self, at: Option<Instant>) {
        self.answers_at = at;
    }

    /// The session's id on the wire.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The other user.
    pub fn peer(&self) -> UserId {
        self.peer
    }

    /// With pictures or without.
    pub fn call_type(&self) -> CallType {
        self.call_type
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When media first flowed.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// When [`Input::Tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        [self.redial_at, self.gives_up_at, self.answers_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Feeds one input; performs nothing.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        if matches!(self.phase, Phase::Ended(_)) {
            return Vec::new();
        }
        match input {
            Input::OfferReady => self.on_offer_ready(now),
            Input::Answer => self.on_answer(now),
            Input::Reject(text) => self.on_reject(text),
            Input::HangUp(reason) => self.hang_up(reason),
            Input::Signal(signal) => self.on_signal(now, signal),
            Input::OwnSignal(kind) => self.on_own_signal(kind),
            Input::LocalCandidate(candidate) => self.on_local_candidate(candidate),
            Input::Media(state) => self.on_media(now, state),
            Input::Tick => self.on_tick(now),
        }
    }

    fn on_offer_ready(&mut self, now: Instant) -> Vec<Output> {
        if self.phase != Phase::Preparing {
            return Vec::new();
        }
        self.redial_at = Some(now + self.timers.dialing_interval);
        self.gives_up_at = Some(now + self.timers.answer_timeout);
        self.enter(Phase::Dialing, vec![Output::SendCall])
    }

    fn on_answer(&mut self, now: Instant) -> Vec<Output> {
        if self.phase != Phase::Ringing {
            return Vec::new();
        }
        self.answers_at = None;
        self.gives_up_at = Some(now + self.timers.disconnect_timeout);
        let mut outputs = vec![Output::SendAccept];
        if !self.early_candidates.is_empty() {
            outputs.push(Output::RemoteCandidates(std::mem::take(
                &mut self.early_candidates,
            )));
        }
        if !self.held_candidates.is_empty() {
            outputs.push(Output::SendCandidates(std::mem::take(
                &mut self.held_candidates,
            )));
        }
        self.enter(Phase::Connecting, outputs)
    }

    fn on_reject(&mut self, text: Option<String>) -> Vec<Output> {
        if self.phase != Phase::Ringing {
            return self.hang_up(EndReason::HungUp);
        }
        let mut info = EndReason::Rejected.user_info();
        if let Some(text) = text {
            info.insert("text".to_owned(), text);
        }
        self.end(EndReason::Rejected, vec![Output::SendReject(info)])
    }

    fn hang_up(&mut self, reason: EndReason) -> Vec<Output> {
        let farewell = match (self.role, self.phase) {
            (_, Phase::Preparing) => Vec::new(),
            (Role::Callee, Phase::Ringing) => vec![Output::SendReject(reason.user_info())],
            _ => vec![Output::SendHangUp(reason.user_info())],
        };
        self.end(reason, farewell)
    }

    fn on_signal(&mut self, now: Instant, signal: CallSignal) -> Vec<Output> {
        let is_answered = matches!(
            self.phase,
            Phase::Connecting | Phase::Connected | Phase::Interrupted
        );
        match signal.kind {
            // A repeated invitation only refreshes the offer (C.3 callee 1).
            SignalKind::Call if self.phase == Phase::Ringing => {
                signal.sdp.map(Output::RemoteOffer).into_iter().collect()
            }
            SignalKind::Accept if matches!(self.phase, Phase::Dialing | Phase::Preparing) => {
                let Some(answer) = signal.sdp else {
                    return Vec::new();
                };
                self.redial_at = None;
                self.gives_up_at = Some(now + self.timers.disconnect_timeout);
                let mut outputs = vec![Output::RemoteAnswer(answer)];
                if !self.held_candidates.is_empty() {
                    let held = std::mem::take(&mut self.held_candidates);
                    outputs.push(Output::SendCandidates(held));
                }
                self.enter(Phase::Connecting, outputs)
            }
            SignalKind::Reject if self.role == Role::Caller => {
                self.end(EndReason::of_reject(&signal.user_info), Vec::new())
            }
            SignalKind::Reject | SignalKind::HangUp => {
                let told = signal.user_info.get(REASON_KEY).map(String::as_str);
                let reason = match (self.phase, told) {
                    (Phase::Ringing, Some("answered_elsewhere")) => EndReason::AnsweredElsewhere,
                    (Phase::Ringing, Some("no_answer")) => EndReason::Missed,
                    (Phase::Ringing, _) => EndReason::Cancelled,
                    _ => EndReason::RemoteHungUp,
                };
                self.end(reason, Vec::new())
            }
            SignalKind::IceCandidates if is_answered => {
                vec![Output::RemoteCandidates(signal.candidates)]
            }
            SignalKind::IceCandidates if self.phase == Phase::Ringing => {
                let room = MAX_HELD_CANDIDATES.saturating_sub(self.early_candidates.len());
                self.early_candidates
                    .extend(signal.candidates.into_iter().take(room));
                Vec::new()
            }
            SignalKind::IceRestart if is_answered => {
                signal.sdp.map(Output::AnswerRestart).into_iter().collect()
            }
            SignalKind::IceRestartAccept if is_answered => {
                signal.sdp.map(Output::RemoteAnswer).into_iter().collect()
            }
            // Out of place, repeated or merely informative: tolerated.
            _ => Vec::new(),
        }
    }

    fn on_own_signal(&mut self, kind: SignalKind) -> Vec<Output> {
        let was_taken = matches!(kind, SignalKind::Accept | SignalKind::Reject);
        if self.phase == Phase::Ringing && was_taken {
            return self.end(EndReason::AnsweredElsewhere, Vec::new());
        }
        Vec::new()
    }

    fn on_local_candidate(&mut self, candidate: Candidate) -> Vec<Output> {
        // The JS SDK ignores candidates of a session it has not accepted (C.3), and has the
        // early ones in the offer anyway.
        if matches!(
            self.phase,
            Phase::Preparing | Phase::Dialing | Phase::Ringing
        ) {
            if self.held_candidates.len() < MAX_HELD_CANDIDATES {
                self.held_candidates.push(candidate);
            }
            return Vec::new();
        }
        vec![Output::SendCandidates(vec![candidate])]
    }

    fn on_media(&mut self, now: Instant, state: MediaState) -> Vec<Output> {
        match (state, self.phase) {
            (MediaState::Connected, Phase::Connecting | Phase::Interrupted) => {
                self.gives_up_at = None;
                self.connected_at.get_or_insert(now);
                self.enter(Phase::Connected, Vec::new())
            }
            (MediaState::Disconnected | MediaState::Failed, Phase::Connected) => {
                self.gives_up_at = Some(now + self.timers.disconnect_timeout);
                self.enter(Phase::Interrupted, Vec::new())
            }
            (MediaState::Failed, Phase::Connecting) => self.hang_up(EndReason::ConnectFailed),
            (MediaState::Unusable, _) => self.hang_up(EndReason::MediaFailed),
            _ => Vec::new(),
        }
    }

    fn on_tick(&mut self, now: Instant) -> Vec<Output> {
        if self.gives_up_at.is_some_and(|at| at <= now) {
            return match self.phase {
                // The callee's own timer runs as well (C.3 callee 2), so this is silent.
                Phase::Ringing => self.end(EndReason::Missed, Vec::new()),
                Phase::Preparing => self.end(EndReason::MediaFailed, Vec::new()),
                Phase::Dialing => self.hang_up(EndReason::NoAnswer),
                Phase::Connecting => self.hang_up(EndReason::ConnectFailed),
                _ => self.hang_up(EndReason::ConnectionLost),
            };
        }
        if self.answers_at.is_some_and(|at| at <= now) {
            return self.on_answer(now);
        }
        if self.redial_at.is_some_and(|at| at <= now) {
            self.redial_at = Some(now + self.timers.dialing_interval);
            return vec![Output::SendCall];
        }
        Vec::new()
    }

    fn enter(&mut self, phase: Phase, mut outputs: Vec<Output>) -> Vec<Output> {
        self.phase = phase;
        outputs.push(Output::Phase(phase));
        outputs
    }

    fn end(&mut self, reason: EndReason, mut outputs: Vec<Output>) -> Vec<Output> {
        self.phase = Phase::Ended(reason);
        self.redial_at = None;
        self.gives_up_at = None;
        self.answers_at = None;
        outputs.push(Output::Ended(reason));
        outputs
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
