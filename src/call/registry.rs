//! All calls of the device: which signal belongs to which session, the busy rule, and a bell that
//! rings several users at once.
//!
//! **At most one call is with people at a time; several may be dialing as one ring.**

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::end::EndReason;
use super::session::{Input, Output, Phase, Session};
use super::timers::Timers;
use super::verdict::{Invitation, Verdict};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};

/// What the shell has to do for one session.
pub type SessionOutputs = (String, Vec<Output>);

/// Sessions by id.
#[derive(Debug)]
pub struct Registry {
    timers: Timers,
    sessions: BTreeMap<String, Session>,
    /// Ids of ended sessions, so that a late repeated `call` does not ring again.
    ended: VecDeque<String>,
}

const REMEMBERED_ENDED: usize = 64;

/// What came of a signal.
#[derive(Debug, PartialEq)]
pub enum Routed {
    /// A session took it; siblings of its ring may follow.
    Taken(Vec<SessionOutputs>),
    /// Somebody calls: ask the policy and come back with [`Registry::incoming`].
    Invited(Invitation, Box<CallSignal>),
    /// It began a new incoming session.
    New(SessionOutputs),
    /// Answer with a `reject` that carries the reason.
    Refused(EndReason),
    /// Nothing to do, with the reason for the log.
    Ignored(&'static str),
}

impl Registry {
    /// No calls yet.
    pub fn new(timers: Timers) -> Self {
        Self {
            timers,
            sessions: BTreeMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// Every session, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The session people are in or are being called to, if any: the one furthest on.
    pub fn foremost(&self) -> Option<&Session> {
        self.sessions
            .values()
            .max_by_key(|session| match session.phase() {
                Phase::Connected => 6,
                Phase::Interrupted => 5,
                Phase::Connecting => 4,
                Phase::Ringing => 3,
                Phase::Dialing => 2,
                Phase::Preparing => 1,
                Phase::Ended(_) => 0,
            })
    }

    /// The session that rings here.
    pub fn ringing(&self) -> Option<&Session> {
        self.sessions
            .values()
            .find(|session| session.phase() == Phase::Ringing)
    }

    /// Starts dialing one user.
    pub fn dial(&mut self, now: Instant, id: String, peer: UserId, call_type: CallType) {
        let session = Session::outgoing(now, id.clone(), peer, call_type, self.timers);
        self.sessions.insert(id, session);
    }

    /// Feeds one session; unknown ids give nothing. When a session of a ring is answered, the
    /// outputs of the others, which are now cancelled, follow.
    pub fn handle(&mut self, now: Instant, id: &str, input: Input) -> Vec<SessionOutputs> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Vec::new();
        };
        let outputs = session.handle(now, input);
        let answered = outputs.contains(&Output::Phase(Phase::Connecting));
        let mut all = vec![(id.to_owned(), outputs)];
        if answered {
            all.extend(self.cancel_others(now, id));
        }
        self.forget_ended();
        all
    }

    /// First answer wins: the others stop at once and are told why.
    fn cancel_others(&mut self, now: Instant, winner: &str) -> Vec<SessionOutputs> {
        self.sessions
            .iter_mut()
            .filter(|(id, session)| {
                *id != winner && matches!(session.phase(), Phase::Preparing | Phase::Dialing)
            })
            .map(|(id, session)| {
                (
                    id.clone(),
                    session.handle(now, Input::HangUp(EndReason::AnsweredElsewhere)),
                )
            })
            .collect()
    }

    /// Feeds a signal that arrived from `from`.
    pub fn signal(&mut self, now: Instant, from: UserId, signal: CallSignal) -> Routed {
        if let Some(session) = self.sessions.get_mut(&signal.session_id) {
            if session.peer() != from {
                return Routed::Ignored("the sender is not in this call");
            }
            let id = signal.session_id.clone();
            return Routed::Taken(self.handle(now, &id, Input::Signal(signal)));
        }
        if signal.kind != SignalKind::Call {
            return Routed::Ignored("no such call");
        }
        if self.ended.contains(&signal.session_id) {
            return Routed::Ignored("the call has ended");
        }
        if signal.caller_id.is_some_and(|caller| caller != from) {
            return Routed::Ignored("a mesh invitation of a call we are not in");
        }
        if signal.sdp.is_none() {
            return Routed::Ignored("an invitation without offer");
        }
        let invitation = Invitation {
            call: signal.session_id.clone(),
            from,
            opponents: signal.opponents.clone(),
            call_type: signal.call_type,
            user_info: signal.user_info.clone(),
            is_busy: !self.sessions.is_empty(),
        };
        Routed::Invited(invitation, Box::new(signal))
    }

    /// Carries out a policy's verdict about an invitation of [`Routed::Invited`].
    pub fn incoming(
        &mut self,
        now: Instant,
        from: UserId,
        signal: CallSignal,
        verdict: Verdict,
    ) -> Routed {
        let id = signal.session_id;
        let answer_at = match verdict {
            _ if self.sessions.contains_key(&id) => {
                return Routed::Ignored("the call rings already");
            }
            Verdict::Ring => None,
            Verdict::AutoAnswer { after } => Some(now + after),
            Verdict::Refuse(reason) => {
                self.remember_ended(id);
                return Routed::Refused(reason);
            }
            Verdict::Ignore => {
                self.remember_ended(id);
                return Routed::Ignored("the policy ignores this caller");
            }
        };
        let Some(offer) = signal.sdp else {
            return Routed::Ignored("an invitation without offer");
        };
        let (mut session, outputs) =
            Session::incoming(now, id.clone(), from, signal.call_type, offer, self.timers);
        session.answer_at(answer_at);
        self.sessions.insert(id.clone(), session);
        Routed::New((id, outputs))
    }

    /// Ends these calls with one reason; unknown ids give nothing.
    pub fn hang_up(
        &mut self,
        now: Instant,
        calls: &[String],
        reason: EndReason,
    ) -> Vec<SessionOutputs> {
        calls
            .iter()
            .flat_map(|call| self.handle(now, call, Input::HangUp(reason)))
            .collect()
    }

    /// Feeds the carbon of a signal another device of ours sent.
    pub fn own_signal(
        &mut self,
        now: Instant,
        session_id: &str,
        kind: SignalKind,
    ) -> Vec<SessionOutputs> {
        self.handle(now, session_id, Input::OwnSignal(kind))
    }

    /// When [`Registry::tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(Session::deadline).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<SessionOutputs> {
        let outputs = self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.deadline().is_some_and(|at| at <= now))
            .map(|(id, session)| (id.clone(), session.handle(now, Input::Tick)))
            .collect();
        self.forget_ended();
        outputs
    }

    /// Ends every call with one reason.
    pub fn hang_up_all(&mut self, now: Instant, reason: EndReason) -> Vec<SessionOutputs> {
        let outputs = self
            .sessions
            .iter_mut()
            .map(|(id, session)| (id.clone(), session.handle(now, Input::HangUp(reason))))
            .collect();
        self.forget_ended();
        outputs
    }

    fn forget_ended(&mut self) {
        let ended: Vec<String> = self
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.phase(), Phase::Ended(_)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            self.sessions.remove(&id);
            self.remember_ended(id);
        }
    }

    fn remember_ended(&mut self, id: String) {
        if self.ended.len() == REMEMBERED_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
