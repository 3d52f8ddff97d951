//! One participant of a call as seen from here: the peer connection with it and the signals that
//! set it up (wire reference C.3).
//!
//! **Which side offers is fixed when the leg is made, and an ended leg never moves again.**

use std::time::{Duration, Instant};

use super::candidates;
use super::end::EndReason;
use super::exchange::{Action, LegPhase, MediaState, Output, UserInfo};
use super::restart::Restart;
use super::timers::Timers;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::Candidate;

/// An invitation repeated this long after our answer means that the answer was lost; one that
/// comes sooner crossed it.
const ANSWER_LOST: Duration = Duration::from_secs(2);

/// What a device like us calls its platform; the vendor's phones have other names.
pub const OWN_PLATFORM: &str = crate::protocol::call_signal::PLATFORM;

/// One participant.
#[derive(Debug)]
pub struct Leg {
    peer: UserId,
    offers: bool,
    /// Whether we started the call.
    is_ours: bool,
    timers: Timers,
    phase: LegPhase,
    is_open: bool,
    /// Whether it was ever answered, for the summary of the call.
    was_answered: bool,
    /// When to repeat our invitation.
    redial_at: Option<Instant>,
    /// When the present phase has lasted too long.
    gives_up_at: Option<Instant>,
    /// Their newest offer, until it is answered.
    offer: Option<String>,
    answered_at: Option<Instant>,
    ours: candidates::Outgoing,
    theirs: candidates::Incoming,
    restart: Restart,
    /// Whether they understand what the vendor's phones do not.
    is_device: bool,
}

impl Leg {
    /// A participant that has not been dealt with yet.
    pub fn new(peer: UserId, offers: bool, is_ours: bool, timers: Timers) -> Self {
        Self {
            peer,
            offers,
            is_ours,
            timers,
            phase: LegPhase::Waiting,
            is_open: false,
            was_answered: false,
            redial_at: None,
            gives_up_at: None,
            offer: None,
            answered_at: None,
            ours: candidates::Outgoing::default(),
            theirs: candidates::Incoming::default(),
            restart: Restart::default(),
            is_device: false,
        }
    }

    /// Who.
    pub fn peer(&self) -> UserId {
        self.peer
    }

    /// Whether the offer is ours to make.
    pub fn offers(&self) -> bool {
        self.offers
    }

    /// Where it stands.
    pub fn phase(&self) -> LegPhase {
        self.phase
    }

    /// Whether they or we ever took the other's offer.
    pub fn was_answered(&self) -> bool {
        self.was_answered
    }

    /// Whether it understands what the vendor's phones do not.
    pub fn is_device(&self) -> bool {
        self.is_device
    }

    /// Hears what the other side calls its platform.
    pub fn note_platform(&mut self, platform: Option<&str>) {
        self.is_device |= platform == Some(OWN_PLATFORM);
    }

    /// When [`Leg::tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        [
            self.redial_at,
            self.gives_up_at,
            self.ours.deadline(),
            self.restart.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Begins with our offer; `opponents` is what the participant is told.
    pub fn prepare(&mut self, until: Instant, opponents: Vec<UserId>, out: &mut Vec<Output>) {
        self.open(opponents, out);
        self.gives_up_at = Some(until);
        self.enter(LegPhase::Preparing, out);
    }

    /// The offer is made: invite, and give up at `until`.
    pub fn offer_ready(&mut self, now: Instant, until: Instant, out: &mut Vec<Output>) {
        if self.phase != LegPhase::Preparing {
            return;
        }
        self.redial_at = Some(now + self.timers.dialing_interval);
        self.gives_up_at = Some(until);
        self.act(Action::SendCall, out);
        self.enter(LegPhase::Dialing, out);
    }

    /// Waits for the other side's offer until then.
    pub fn wait(&mut self, until: Instant) {
        self.gives_up_at = Some(until);
    }

    /// Their offer, the first or a newer one, to be answered later.
    pub fn invited(&mut self, offer: String, out: &mut Vec<Output>) {
        if self.offers || !matches!(self.phase, LegPhase::Waiting | LegPhase::Invited) {
            return;
        }
        if self.is_open {
            self.act(Action::RemoteOffer(offer.clone()), out);
        }
        self.offer = Some(offer);
        if self.phase == LegPhase::Waiting {
            self.enter(LegPhase::Invited, out);
        }
    }

    /// Makes the peer connection before the call is answered, so that answering is quick.
    pub fn warm_up(&mut self, opponents: Vec<UserId>, out: &mut Vec<Output>) {
        self.open(opponents, out);
        if let Some(offer) = self.offer.clone() {
            self.act(Action::RemoteOffer(offer), out);
        }
    }

    /// Answers the offer that is here.
    pub fn answer(&mut self, now: Instant, opponents: Vec<UserId>, out: &mut Vec<Output>) {
        if self.phase != LegPhase::Invited {
            return;
        }
        if !self.is_open {
            self.warm_up(opponents, out);
        }
        self.offer = None;
        self.act(Action::SendAccept, out);
        self.answered(now, out);
    }

    /// Their repeated offer after our answer.
    pub fn invited_again(&mut self, now: Instant, out: &mut Vec<Output>) {
        let was_lost = self
            .answered_at
            .is_some_and(|at| now.saturating_duration_since(at) >= ANSWER_LOST);
        if !self.offers && self.phase == LegPhase::Connecting && was_lost {
            self.answered_at = Some(now);
            self.act(Action::ResendAccept, out);
        }
    }

    /// They took our offer.
    pub fn accepted(&mut self, now: Instant, answer: String, out: &mut Vec<Output>) {
        if self.phase != LegPhase::Dialing {
            return;
        }
        self.redial_at = None;
        self.act(Action::RemoteAnswer(answer), out);
        self.answered(now, out);
    }

    fn answered(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.answered_at = Some(now);
        self.was_answered = true;
        self.gives_up_at = Some(now + self.timers.disconnect_timeout);
        if let Some(early) = self.theirs.take() {
            self.act(Action::RemoteCandidates(early), out);
        }
        if let Some(held) = self.ours.open() {
            self.act(Action::SendCandidates(held), out);
        }
        self.enter(LegPhase::Connecting, out);
    }

    /// Keeps a working path from being renewed until then.
    pub fn guard_restarts(&mut self, until: Instant) {
        if !self.is_device {
            self.restart.guard(until);
        }
    }

    /// Candidates of the other side.
    pub fn candidates(&mut self, candidates: Vec<Candidate>, out: &mut Vec<Output>) {
        match self.phase {
            LegPhase::Invited => self.theirs.keep(candidates),
            phase if phase.is_answered() => {
                if let Some(candidates) = self.theirs.pass(candidates) {
                    self.act(Action::RemoteCandidates(candidates), out);
                }
            }
            _ => {}
        }
    }

    /// A candidate of ours. The JS SDK ignores those of a session it has not accepted, and has the
    /// early ones in the offer anyway.
    pub fn local_candidate(&mut self, now: Instant, candidate: Candidate) {
        if self.phase.is_live() {
            self.ours.put(now, candidate);
        }
    }

    /// The other side restarts ICE.
    pub fn restarted(&mut self, offer: String, out: &mut Vec<Output>) {
        if self.phase.is_answered() {
            self.ours.renew();
            self.theirs.renew();
            self.act(Action::AnswerRestart(offer), out);
        }
    }

    /// The other side answers our restart.
    pub fn restart_answered(&mut self, answer: String, out: &mut Vec<Output>) {
        if self.phase.is_answered() && self.restart.answered() {
            self.act(Action::RemoteAnswer(answer), out);
        }
    }

    /// The path is to be renewed, as it may have changed below or the other side asks for it.
    pub fn renew(&mut self, now: Instant) {
        if self.phase.is_answered() && self.phase != LegPhase::Connecting {
            self.restart
                .wanted(now, self.phase == LegPhase::Interrupted);
        }
    }

    /// News of the peer connection.
    pub fn media(&mut self, now: Instant, state: MediaState, out: &mut Vec<Output>) {
        match (state, self.phase) {
            (MediaState::Connected, LegPhase::Connecting | LegPhase::Interrupted) => {
                self.gives_up_at = None;
                self.restart.healed();
                self.enter(LegPhase::Connected, out);
            }
            (MediaState::Disconnected | MediaState::Failed, LegPhase::Connected) => {
                self.gives_up_at = Some(now + self.timers.disconnect_timeout);
                self.interrupted(now, state);
                self.enter(LegPhase::Interrupted, out);
            }
            (MediaState::Failed, LegPhase::Interrupted) => self.interrupted(now, state),
            (MediaState::Failed, LegPhase::Connecting) => {
                self.hang_up(EndReason::ConnectFailed, out);
            }
            (MediaState::Unusable, phase) if phase.is_live() => {
                self.hang_up(EndReason::MediaFailed, out);
            }
            _ => {}
        }
    }

    fn interrupted(&mut self, now: Instant, state: MediaState) {
        if !self.offers && !self.is_device {
            // The vendor's phones cannot be asked.
            return;
        }
        match state {
            MediaState::Failed => self.restart.failed(now),
            _ => self.restart.interrupted(now),
        }
    }

    /// Tells the other side that we leave, if it knows of the call, and ends the leg.
    pub fn hang_up(&mut self, reason: EndReason, out: &mut Vec<Output>) {
        let is_unknown = self.is_ours && self.phase == LegPhase::Preparing;
        if self.phase.is_live() && !is_unknown {
            self.act(Action::SendHangUp(reason.user_info()), out);
        }
        self.end(reason, out);
    }

    /// Declines, and ends the leg.
    pub fn reject(&mut self, info: UserInfo, reason: EndReason, out: &mut Vec<Output>) {
        if self.phase.is_live() {
            self.act(Action::SendReject(info), out);
            self.end(reason, out);
        }
    }

    /// Ends the leg without a word.
    pub fn end(&mut self, reason: EndReason, out: &mut Vec<Output>) {
        if !self.phase.is_live() {
            return;
        }
        self.redial_at = None;
        self.gives_up_at = None;
        self.ours = candidates::Outgoing::default();
        self.restart = Restart::default();
        self.offer = None;
        self.enter(LegPhase::Ended(reason), out);
        if std::mem::take(&mut self.is_open) {
            out.push(Output::Close(self.peer));
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some(burst) = self.ours.take_due(now) {
            self.act(Action::SendCandidates(burst), out);
        }
        if self.gives_up_at.is_some_and(|at| at <= now) {
            return self.give_up(out);
        }
        if self.redial_at.is_some_and(|at| at <= now) {
            self.redial_at = Some(now + self.timers.dialing_interval);
            self.act(Action::SendCall, out);
        }
        let is_interrupted = self.phase == LegPhase::Interrupted;
        if self.restart.take_due(now, is_interrupted, self.offers) {
            if self.offers {
                self.ours.renew();
                self.theirs.renew();
                self.act(Action::RestartIce, out);
            } else if self.is_device {
                self.act(Action::SendUpdate(restart_wish(), None), out);
            }
        }
    }

    fn give_up(&mut self, out: &mut Vec<Output>) {
        match self.phase {
            LegPhase::Preparing => self.hang_up(EndReason::MediaFailed, out),
            LegPhase::Connecting => self.hang_up(EndReason::ConnectFailed, out),
            LegPhase::Interrupted => self.hang_up(EndReason::ConnectionLost, out),
            _ if self.is_ours => self.hang_up(EndReason::NoAnswer, out),
            // A phone that still rings takes any hangUp for the end of its answer timer and would
            // ring for ever (C.3).
            _ => self.end(EndReason::NoAnswer, out),
        }
    }

    fn open(&mut self, opponents: Vec<UserId>, out: &mut Vec<Output>) {
        if !std::mem::replace(&mut self.is_open, true) {
            out.push(Output::Open {
                peer: self.peer,
                offers: self.offers,
                opponents,
            });
        }
    }

    fn act(&self, action: Action, out: &mut Vec<Output>) {
        out.push(Output::To(self.peer, action));
    }

    fn enter(&mut self, phase: LegPhase, out: &mut Vec<Output>) {
        self.phase = phase;
        out.push(Output::Leg(self.peer, phase));
    }
}

/// The key by which the answering side asks for an ICE restart.
const WISH_KEY: &str = "ice";
const WISH: &str = "restart";

fn restart_wish() -> UserInfo {
    UserInfo::from([(WISH_KEY.to_owned(), WISH.to_owned())])
}

/// Whether an `update` asks for an ICE restart.
pub fn wishes_restart(info: &UserInfo) -> bool {
    info.get(WISH_KEY).is_some_and(|value| value == WISH)
}
