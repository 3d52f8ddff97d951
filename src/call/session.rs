//! One call: up to four people, a leg each (wire reference C.3; PC-01, PC-13…PC-27).
//!
//! **Exactly one [`Output::Ended`] is given in a session's life, and nothing after it; every
//! [`Output::Open`] has its [`Output::Close`] by then.**

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::end::{EndReason, REASON_KEY};
pub use super::exchange::{Action, Input, LegPhase, MediaState, Output, Phase, Role, UserInfo};
use super::leg::{self, Leg};
use super::timers::Timers;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};

/// People in a call, ourselves included (PC-01, PC-65).
pub const MAX_PEOPLE: usize = 4;

/// A call with one or more others.
#[derive(Debug)]
pub struct Session {
    id: String,
    me: UserId,
    initiator: UserId,
    /// Everybody called, as told by whoever started it.
    opponents: Vec<UserId>,
    call_type: CallType,
    timers: Timers,
    legs: BTreeMap<UserId, Leg>,
    phase: Phase,
    /// Callee: whether the call was taken here. A caller has always taken it.
    is_taken: bool,
    started: Instant,
    /// Callee: when ringing has lasted too long.
    rings_until: Option<Instant>,
    /// Callee: when to answer without anybody's doing.
    answers_at: Option<Instant>,
    connected_at: Option<Instant>,
    /// Why it is over for everybody at once.
    ended_by: Option<EndReason>,
    /// Otherwise: whether the leg that came furthest was answered, and how it ended.
    summary: Option<(bool, EndReason)>,
}

impl Session {
    /// A call we start, with one to three others. Besides a leg to open for each, the first
    /// action to expect is [`Action::SendCall`], after [`Input::OfferReady`].
    pub fn outgoing(
        now: Instant,
        me: UserId,
        id: String,
        peers: &[UserId],
        call_type: CallType,
        timers: Timers,
    ) -> (Self, Vec<Output>) {
        let mut session = Self::new(now, me, me, id, call_type, timers);
        session.opponents = unique(peers, me);
        let mut out = Vec::new();
        for peer in session.opponents.clone() {
            session.dial(now, peer, session.opponents.clone(), &mut out);
        }
        (session, out)
    }

    /// A call we receive from the one who started it; the outputs hand the offer to media, so
    /// that answering is quick.
    pub fn incoming(
        now: Instant,
        me: UserId,
        from: UserId,
        invitation: &CallSignal,
        timers: Timers,
    ) -> (Self, Vec<Output>) {
        let (id, call_type) = (invitation.session_id.clone(), invitation.call_type);
        let mut session = Self::new(now, me, from, id, call_type, timers);
        session.phase = Phase::Ringing;
        session.is_taken = false;
        session.rings_until = Some(now + timers.answer_timeout);
        session.opponents = members(invitation, me, from);
        for peer in unique(&session.opponents, me) {
            session.add_leg(peer);
        }
        let mut out = vec![Output::Phase(Phase::Ringing)];
        let opponents = session.opponents.clone();
        let mut host = Leg::new(from, false, false, timers);
        host.note_platform(invitation.platform.as_deref());
        host.invited(invitation.sdp.clone().unwrap_or_default(), &mut out);
        host.warm_up(opponents, &mut out);
        session.legs.insert(from, host);
        (session, out)
    }

    fn new(
        now: Instant,
        me: UserId,
        initiator: UserId,
        id: String,
        call_type: CallType,
        timers: Timers,
    ) -> Self {
        Self {
            id,
            me,
            initiator,
            opponents: Vec::new(),
            call_type,
            timers,
            legs: BTreeMap::new(),
            phase: Phase::Preparing,
            is_taken: true,
            started: now,
            rings_until: None,
            answers_at: None,
            connected_at: None,
            ended_by: None,
            summary: None,
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
        if self.initiator == self.me {
            Role::Caller
        } else {
            Role::Callee
        }
    }

    /// Who started it, which may be ourselves.
    pub fn initiator(&self) -> UserId {
        self.initiator
    }

    /// Everybody called, as told by whoever started it.
    pub fn opponents(&self) -> &[UserId] {
        &self.opponents
    }

    /// The other side: whoever started the call, or the first one called who is still there.
    pub fn peer(&self) -> UserId {
        if self.role() == Role::Callee {
            return self.initiator;
        }
        let is_live = |peer: &&UserId| self.legs.get(peer).is_some_and(|leg| leg.phase().is_live());
        let first = self.opponents.iter().find(is_live);
        *first.or(self.opponents.first()).unwrap_or(&self.me)
    }

    /// The legs, in order of user.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }

    /// The leg of this participant.
    pub fn leg(&self, peer: UserId) -> Option<&Leg> {
        self.legs.get(&peer)
    }

    /// With pictures or without.
    pub fn call_type(&self) -> CallType {
        self.call_type
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether people talk, or are about to.
    pub fn is_answered(&self) -> bool {
        matches!(
            self.phase,
            Phase::Connecting | Phase::Connected | Phase::Interrupted
        )
    }

    /// When media first flowed.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// When [`Input::Tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        let own = [self.rings_until, self.answers_at];
        let legs = self.legs.values().map(Leg::deadline);
        own.into_iter().chain(legs).flatten().min()
    }

    /// Feeds one input; performs nothing.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        if matches!(self.phase, Phase::Ended(_)) {
            return out;
        }
        match input {
            Input::OfferReady(peer) => {
                let until = self.dials_until(now);
                self.with(peer, |leg| leg.offer_ready(now, until, &mut out));
            }
            Input::Answer => self.take(now, &mut out),
            Input::Reject(text) => self.reject(text, &mut out),
            Input::HangUp(reason) => self.hang_up(reason, &mut out),
            Input::Invite(peer) => self.invite(now, peer, &mut out),
            Input::Tell(info) => self.tell(&info, None, &mut out),
            Input::Signal(from, signal) => self.on_signal(now, from, signal, &mut out),
            Input::OwnSignal(kind) => self.on_own_signal(kind, &mut out),
            Input::LocalCandidate(peer, candidate) => {
                self.with(peer, |leg| leg.local_candidate(now, candidate));
            }
            Input::Media(peer, state) => self.with(peer, |leg| leg.media(now, state, &mut out)),
            Input::NetworkChanged => {
                self.legs.values_mut().for_each(|leg| leg.renew(now));
            }
            Input::Tick => self.on_tick(now, &mut out),
        }
        self.settle(now, &mut out);
        out
    }

    fn with(&mut self, peer: UserId, act: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.get_mut(&peer) {
            act(leg);
        }
    }

    /// The offer rule among members: the one with the larger id offers.
    fn add_leg(&mut self, peer: UserId) {
        let leg = Leg::new(peer, self.me > peer, false, self.timers);
        self.legs.entry(peer).or_insert(leg);
    }

    /// Caller: invites one.
    fn dial(&mut self, now: Instant, peer: UserId, told: Vec<UserId>, out: &mut Vec<Output>) {
        let mut leg = Leg::new(peer, true, true, self.timers);
        leg.prepare(now + self.timers.answer_timeout, told, out);
        self.legs.insert(peer, leg);
    }

    /// When an invitation of ours is given up: after the answer timeout, or with the time a
    /// member waits for the others.
    fn dials_until(&self, now: Instant) -> Instant {
        match self.role() {
            Role::Caller => now + self.timers.answer_timeout,
            Role::Callee => now + self.waits_for_others(now),
        }
    }

    /// The vendor's "waiting offer or answer" timer: what is left of the answer timeout, at least
    /// half of it.
    fn waits_for_others(&self, now: Instant) -> Duration {
        let answer = self.timers.answer_timeout;
        let elapsed = now.saturating_duration_since(self.started);
        (answer - elapsed.min(answer / 2)).max(Duration::from_secs(1))
    }

    fn take(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.phase != Phase::Ringing {
            return;
        }
        self.is_taken = true;
        self.rings_until = None;
        self.answers_at = None;
        let until = now + self.waits_for_others(now);
        let opponents = self.opponents.clone();
        let host = self.initiator;
        // The one who calls first, so that its answer is not behind the others' offers.
        self.with(host, |leg| leg.answer(now, opponents.clone(), out));
        for leg in self.legs.values_mut().filter(|leg| leg.peer() != host) {
            match leg.phase() {
                LegPhase::Invited => leg.answer(now, opponents.clone(), out),
                LegPhase::Waiting if leg.offers() => leg.prepare(until, opponents.clone(), out),
                LegPhase::Waiting => leg.wait(until),
                _ => {}
            }
        }
    }

    fn reject(&mut self, text: Option<String>, out: &mut Vec<Output>) {
        if self.phase != Phase::Ringing {
            return self.hang_up(EndReason::HungUp, out);
        }
        let mut info = EndReason::Rejected.user_info();
        if let Some(text) = text {
            info.insert("text".to_owned(), text);
        }
        self.reject_all(&info, EndReason::Rejected, out);
    }

    /// `reject` goes to whoever called and to everybody else called (C.3 callee 6).
    fn reject_all(&mut self, info: &UserInfo, reason: EndReason, out: &mut Vec<Output>) {
        for leg in self.legs.values_mut() {
            leg.reject(info.clone(), reason, out);
        }
        self.ended_by = Some(reason);
    }

    fn hang_up(&mut self, reason: EndReason, out: &mut Vec<Output>) {
        if self.phase == Phase::Ringing {
            return self.reject_all(&reason.user_info(), reason, out);
        }
        for leg in self.legs.values_mut() {
            leg.hang_up(reason, out);
        }
        self.ended_by = Some(reason);
    }

    /// Whether one more may be invited: we started the call, and there is room.
    pub fn has_room_for(&self, peer: UserId) -> bool {
        let is_in = self
            .legs
            .get(&peer)
            .is_some_and(|leg| leg.phase().is_live());
        let live = self.legs().filter(|leg| leg.phase().is_live()).count();
        self.role() == Role::Caller && !is_in && peer != self.me && live + 2 <= MAX_PEOPLE
    }

    /// A newcomer is told of those members only that will take its offer, or make one to it: the
    /// vendor's phones ignore whoever was not called with them.
    fn invite(&mut self, now: Instant, peer: UserId, out: &mut Vec<Output>) {
        if !self.has_room_for(peer) {
            return;
        }
        let mut told: Vec<UserId> = self
            .legs()
            .filter(|leg| leg.phase().is_answered() && leg.is_device())
            .map(Leg::peer)
            .collect();
        told.push(peer);
        if !self.opponents.contains(&peer) {
            self.opponents.push(peer);
        }
        self.tell(&UserInfo::new(), Some(&told), out);
        self.dial(now, peer, told, out);
    }

    fn tell(&self, info: &UserInfo, opponents: Option<&[UserId]>, out: &mut Vec<Output>) {
        for leg in self.legs().filter(|leg| leg.phase().is_answered()) {
            let update = Action::SendUpdate(info.clone(), opponents.map(<[_]>::to_vec));
            out.push(Output::To(leg.peer(), update));
        }
    }

    fn on_signal(&mut self, now: Instant, from: UserId, signal: CallSignal, out: &mut Vec<Output>) {
        let is_group = self.opponents.len() > 1;
        let Some(leg) = self.legs.get_mut(&from) else {
            return;
        };
        if !leg.phase().is_live() {
            return;
        }
        leg.note_platform(signal.platform.as_deref());
        let kind = signal.kind;
        let tells = matches!(
            kind,
            SignalKind::Accept | SignalKind::Reject | SignalKind::HangUp | SignalKind::Update
        );
        if tells && !signal.user_info.is_empty() {
            out.push(Output::Told(from, kind, signal.user_info.clone()));
        }
        match (kind, signal.sdp) {
            (SignalKind::Call, Some(offer)) => self.on_call(now, from, offer, out),
            (SignalKind::Accept, Some(answer)) => {
                leg.accepted(now, answer, out);
                if is_group {
                    leg.guard_restarts(now + self.timers.answer_timeout);
                }
            }
            (SignalKind::Reject | SignalKind::HangUp, _) => {
                self.on_farewell(from, kind, &signal.user_info, out);
            }
            (SignalKind::IceCandidates, _) => leg.candidates(signal.candidates, out),
            (SignalKind::IceRestart, Some(offer)) => leg.restarted(offer, out),
            (SignalKind::IceRestartAccept, Some(answer)) => leg.restart_answered(answer, out),
            (SignalKind::Update, _) => {
                if leg.offers() && leg::wishes_restart(&signal.user_info) {
                    leg.renew(now);
                }
                if from == self.initiator {
                    self.on_more_called(now, &signal.opponents, out);
                }
            }
            // Read as such only with what they need.
            _ => {}
        }
    }

    /// A first or repeated invitation of a member, or the repeated one of the caller.
    fn on_call(&mut self, now: Instant, from: UserId, offer: String, out: &mut Vec<Output>) {
        let (is_taken, opponents) = (self.is_taken, self.opponents.clone());
        let answer_timeout = self.timers.answer_timeout;
        self.with(from, |leg| {
            if leg.phase().is_answered() {
                leg.invited_again(now, out);
                return;
            }
            leg.invited(offer, out);
            if is_taken {
                leg.guard_restarts(now + answer_timeout);
                // Members of a call that was taken are let in without asking (C.3 callee 5).
                leg.answer(now, opponents, out);
            }
        });
    }

    /// The caller of a running call has invited more: they are members like the others.
    fn on_more_called(&mut self, now: Instant, opponents: &[UserId], out: &mut Vec<Output>) {
        for peer in unique(opponents, self.me) {
            let live = self.legs().filter(|leg| leg.phase().is_live()).count();
            if peer == self.initiator || self.legs.contains_key(&peer) || live + 2 > MAX_PEOPLE {
                continue;
            }
            self.opponents.push(peer);
            self.add_leg(peer);
            if !self.is_taken {
                continue;
            }
            let until = now + self.timers.answer_timeout;
            let told = self.opponents.clone();
            self.with(peer, |leg| {
                if leg.offers() {
                    leg.prepare(until, told, out);
                } else {
                    leg.wait(until);
                }
            });
        }
    }

    fn on_farewell(
        &mut self,
        from: UserId,
        kind: SignalKind,
        info: &UserInfo,
        out: &mut Vec<Output>,
    ) {
        let told = info.get(REASON_KEY).map(String::as_str);
        let is_host = from == self.initiator;
        let reason = match (self.phase, told) {
            (Phase::Ringing, Some("answered_elsewhere")) if is_host => EndReason::AnsweredElsewhere,
            (Phase::Ringing, Some("no_answer")) if is_host => EndReason::Missed,
            (Phase::Ringing, _) if is_host => EndReason::Cancelled,
            _ if kind == SignalKind::Reject
                && self.legs.get(&from).is_some_and(|leg| !leg.was_answered()) =>
            {
                EndReason::of_reject(info)
            }
            _ => EndReason::RemoteHungUp,
        };
        self.with(from, |leg| leg.end(reason, out));
        if is_host {
            // Whoever started the call ends it for everybody (C.3); the others hear it themselves.
            for leg in self.legs.values_mut() {
                leg.end(EndReason::EndedByCaller, out);
            }
            self.ended_by = Some(reason);
        }
    }

    fn on_own_signal(&mut self, kind: SignalKind, out: &mut Vec<Output>) {
        let was_taken = matches!(kind, SignalKind::Accept | SignalKind::Reject);
        if self.phase == Phase::Ringing && was_taken {
            self.end_silently(EndReason::AnsweredElsewhere, out);
        }
    }

    fn end_silently(&mut self, reason: EndReason, out: &mut Vec<Output>) {
        for leg in self.legs.values_mut() {
            leg.end(reason, out);
        }
        self.ended_by = Some(reason);
    }

    fn on_tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.rings_until.is_some_and(|at| at <= now) {
            // The caller's own timer runs as well (C.3 callee 2), so this is silent.
            return self.end_silently(EndReason::Missed, out);
        }
        if self.answers_at.is_some_and(|at| at <= now) {
            self.take(now, out);
        }
        for leg in self.legs.values_mut() {
            leg.tick(now, out);
        }
    }

    /// Draws the phase of the call from its legs.
    fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.is_taken
            && let Some(LegPhase::Ended(reason)) = self.legs.get(&self.initiator).map(Leg::phase)
        {
            // Nobody is left to be answered.
            self.legs.values_mut().for_each(|leg| leg.end(reason, out));
        }
        let ended = out.iter().filter_map(|output| match output {
            Output::Leg(peer, LegPhase::Ended(reason)) => Some((*peer, *reason)),
            _ => None,
        });
        for (peer, reason) in ended {
            let was_answered = self.legs.get(&peer).is_some_and(Leg::was_answered);
            if self.summary.is_none_or(|(best, _)| was_answered >= best) {
                self.summary = Some((was_answered, reason));
            }
        }
        let phase = self.furthest();
        if phase == self.phase {
            return;
        }
        self.phase = phase;
        if phase == Phase::Connected {
            self.connected_at.get_or_insert(now);
        }
        if let Phase::Ended(reason) = phase {
            self.rings_until = None;
            self.answers_at = None;
            out.push(Output::Ended(reason));
        } else {
            out.push(Output::Phase(phase));
        }
    }

    fn furthest(&self) -> Phase {
        let is_any = |wanted: &[LegPhase]| self.legs().any(|leg| wanted.contains(&leg.phase()));
        if !self.legs().any(|leg| leg.phase().is_live()) {
            let summary = self.summary.map(|(_, reason)| reason);
            return Phase::Ended(self.ended_by.or(summary).unwrap_or(EndReason::Internal));
        }
        if !self.is_taken {
            return Phase::Ringing;
        }
        if is_any(&[LegPhase::Connected]) {
            Phase::Connected
        } else if is_any(&[LegPhase::Interrupted]) {
            Phase::Interrupted
        } else if is_any(&[LegPhase::Connecting]) || self.role() == Role::Callee {
            Phase::Connecting
        } else if is_any(&[LegPhase::Dialing]) {
            Phase::Dialing
        } else {
            Phase::Preparing
        }
    }
}

/// Each once, without ourselves, in the order given.
fn unique(users: &[UserId], me: UserId) -> Vec<UserId> {
    let mut unique = Vec::new();
    for user in users {
        if *user != me && !unique.contains(user) {
            unique.push(*user);
        }
    }
    unique
}

/// Everybody an invitation calls, ourselves included, without the one who calls.
pub(super) fn members(invitation: &CallSignal, me: UserId, from: UserId) -> Vec<UserId> {
    let mut members = unique(&invitation.opponents, from);
    if !members.contains(&me) {
        members.push(me);
    }
    members
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
