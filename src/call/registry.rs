//! All calls of the device: which signal belongs to which session, the busy rule, two sides that
//! call each other at once, and a bell that rings several users as calls of their own.
//!
//! **At most one call is with people at a time; several may be dialing as one ring.**

use std::collections::BTreeMap;
use std::time::Instant;

use super::end::EndReason;
use super::exchange::{LegPhase, UserInfo};
use super::leg;
use super::memory::{Memory, farewell};
use super::session::{self, Input, MAX_PEOPLE, Output, Phase, Role, Session};
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
    ended: Memory,
}

/// What came of a signal.
#[derive(Debug, PartialEq)]
pub enum Routed {
    /// A session took it; siblings of its ring may follow.
    Taken(Vec<SessionOutputs>),
    /// Somebody calls: ask the policy and come back with [`Registry::incoming`].
    Invited(Invitation, Box<CallSignal>),
    /// It began a new incoming session; calls it takes the place of go first.
    New(Vec<SessionOutputs>),
    /// Answer the sender with this, and everybody else the invitation called.
    Refused(SignalKind, UserInfo),
    /// Nothing to do, with the reason for the log.
    Ignored(&'static str),
}

impl Registry {
    /// No calls yet.
    pub fn new(timers: Timers) -> Self {
        Self {
            timers,
            sessions: BTreeMap::new(),
            ended: Memory::default(),
        }
    }

    /// Every session, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The session of this id.
    pub fn get(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id)
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

    /// The session people talk in.
    pub fn answered(&self) -> Option<&Session> {
        self.sessions.values().find(|session| session.is_answered())
    }

    /// Starts a call to one user, or one with up to three as a mesh.
    pub fn dial(
        &mut self,
        now: Instant,
        me: UserId,
        id: String,
        peers: &[UserId],
        call_type: CallType,
    ) -> SessionOutputs {
        let (session, outputs) =
            Session::outgoing(now, me, id.clone(), peers, call_type, self.timers);
        self.sessions.insert(id.clone(), session);
        (id, outputs)
    }

    /// Feeds one session; unknown ids give nothing. When a session of a ring is answered, the
    /// outputs of the others, which are now cancelled, follow.
    pub fn handle(&mut self, now: Instant, id: &str, input: Input) -> Vec<SessionOutputs> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Vec::new();
        };
        let was_answered = session.is_answered();
        let outputs = session.handle(now, input);
        let is_taken = !was_answered && session.is_answered();
        let mut all = vec![(id.to_owned(), outputs)];
        if is_taken {
            all.extend(self.leave_others(now, id));
        }
        self.forget_ended(now);
        all
    }

    /// First answer wins: the others of the ring stop at once, and a call that was talked in
    /// before gives way. Both are told why. What rings here goes on ringing.
    fn leave_others(&mut self, now: Instant, winner: &str) -> Vec<SessionOutputs> {
        let mut all = Vec::new();
        for (id, session) in &mut self.sessions {
            let reason = match session.phase() {
                _ if id == winner => continue,
                Phase::Preparing | Phase::Dialing => EndReason::AnsweredElsewhere,
                Phase::Ringing | Phase::Ended(_) => continue,
                _ => EndReason::Replaced,
            };
            all.push((id.clone(), session.handle(now, Input::HangUp(reason))));
        }
        all
    }

    /// Feeds a signal that arrived from `from`.
    pub fn signal(&mut self, now: Instant, me: UserId, from: UserId, signal: CallSignal) -> Routed {
        if let Some(session) = self.sessions.get(&signal.session_id) {
            return match session.leg(from).map(|leg| leg.phase()) {
                None => Routed::Ignored("the sender is not in this call"),
                Some(LegPhase::Ended(_)) => Routed::Ignored("the sender has left this call"),
                Some(_) => {
                    let id = signal.session_id.clone();
                    Routed::Taken(self.handle(now, &id, Input::Signal(from, signal)))
                }
            };
        }
        if self.ended.has(&signal.session_id) {
            let reminder = self
                .ended
                .remind(now, &signal.session_id, from, signal.kind);
            return match reminder {
                Some((kind, info)) => Routed::Refused(kind, info),
                None => Routed::Ignored("the call has ended"),
            };
        }
        if signal.kind != SignalKind::Call {
            return Routed::Ignored("no such call");
        }
        if signal.caller_id.is_some_and(|caller| caller != from) {
            // Whoever started it repeats its own invitation.
            return Routed::Ignored("a mesh invitation of a call we are not in");
        }
        if from == me {
            return Routed::Ignored("a call of our own");
        }
        if signal.sdp.is_none() {
            return Routed::Ignored("an invitation without offer");
        }
        let opponents = session::members(&signal, me, from);
        if opponents.len() + 1 > MAX_PEOPLE {
            return Routed::Refused(SignalKind::Reject, EndReason::NotSupported.user_info());
        }
        let crossing = self.crossing(from);
        if crossing.is_some() && is_device(&signal) && me < from {
            return Routed::Ignored("both call each other: ours goes on");
        }
        let is_busy = match crossing.filter(|_| is_device(&signal)) {
            // Ours is about to give way, and with it the rest of its ring.
            Some(_) => self.answered().is_some(),
            None => !self.sessions.is_empty(),
        };
        let invitation = Invitation {
            call: signal.session_id.clone(),
            from,
            opponents,
            call_type: signal.call_type,
            user_info: signal.user_info.clone(),
            is_busy,
        };
        Routed::Invited(invitation, Box::new(signal))
    }

    /// Our call to somebody that nobody has answered yet.
    fn crossing(&self, with: UserId) -> Option<String> {
        self.sessions
            .values()
            .find(|session| {
                session.role() == Role::Caller
                    && !session.legs().any(|leg| leg.was_answered())
                    && session.leg(with).is_some_and(|leg| leg.phase().is_live())
            })
            .map(|session| session.id().to_owned())
    }

    /// Carries out a policy's verdict about an invitation of [`Routed::Invited`].
    pub fn incoming(
        &mut self,
        now: Instant,
        me: UserId,
        from: UserId,
        signal: CallSignal,
        verdict: Verdict,
    ) -> Routed {
        let id = signal.session_id.clone();
        let answer_at = match verdict {
            _ if self.sessions.contains_key(&id) => {
                return Routed::Ignored("the call rings already");
            }
            Verdict::Ring => None,
            Verdict::AutoAnswer { after } => Some(now + after),
            Verdict::Refuse(reason) => {
                let farewell = (SignalKind::Reject, reason.user_info());
                let members = session::members(&signal, me, from);
                let told = members.into_iter().chain([from]).collect();
                self.ended.keep(now, id, told, Some(farewell.clone()));
                return Routed::Refused(farewell.0, farewell.1);
            }
            Verdict::Ignore => {
                self.ended.keep(now, id, Vec::new(), None);
                return Routed::Ignored("the policy ignores this caller");
            }
        };
        let mut all = Vec::new();
        let crossing = self.crossing(from).filter(|_| is_device(&signal));
        if let Some(ours) = &crossing {
            // Both want to talk to each other: the call of the one with the larger id gives way,
            // and nobody needs to answer.
            all.extend(self.handle(now, ours, Input::HangUp(EndReason::Crossed)));
        }
        let (mut session, outputs) = Session::incoming(now, me, from, &signal, self.timers);
        session.answer_at(answer_at);
        self.sessions.insert(id.clone(), session);
        all.push((id.clone(), outputs));
        if crossing.is_some() {
            all.extend(self.handle(now, &id, Input::Answer));
        }
        Routed::New(all)
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

    /// The path below every call may have changed.
    pub fn network_changed(&mut self, now: Instant) -> Vec<SessionOutputs> {
        self.feed_all(now, |_| true, || Input::NetworkChanged)
    }

    /// When [`Registry::tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(Session::deadline).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<SessionOutputs> {
        let is_due = |session: &Session| session.deadline().is_some_and(|at| at <= now);
        self.feed_all(now, is_due, || Input::Tick)
    }

    /// Ends every call with one reason.
    pub fn hang_up_all(&mut self, now: Instant, reason: EndReason) -> Vec<SessionOutputs> {
        self.feed_all(now, |_| true, || Input::HangUp(reason))
    }

    fn feed_all(
        &mut self,
        now: Instant,
        which: impl Fn(&Session) -> bool,
        input: impl Fn() -> Input,
    ) -> Vec<SessionOutputs> {
        let ids: Vec<String> = self
            .sessions
            .iter()
            .filter(|(_, session)| which(session))
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter()
            .flat_map(|id| self.handle(now, id, input()))
            .collect()
    }

    fn forget_ended(&mut self, now: Instant) {
        let ended: Vec<String> = self
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.phase(), Phase::Ended(_)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            let Some(session) = self.sessions.remove(&id) else {
                continue;
            };
            let Phase::Ended(reason) = session.phase() else {
                continue;
            };
            let was_ringing =
                session.role() == Role::Callee && !session.legs().any(|leg| leg.was_answered());
            let members = session.legs().map(|leg| leg.peer()).collect();
            self.ended
                .keep(now, id, members, farewell(reason, was_ringing));
        }
    }
}

fn is_device(signal: &CallSignal) -> bool {
    signal.platform.as_deref() == Some(leg::OWN_PLATFORM)
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
