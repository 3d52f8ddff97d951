//! Outputs of the call registry, performed.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::Calls;
use super::facts::{CallFacts, Participant};
use super::ledger::Entry;
use super::leg::{Leg, LegOperation, LegParts};
use super::outlet::{Line, Outgoing, Outlet};
use crate::call::registry::SessionOutputs;
use crate::call::session::{Action, LegPhase, Output, Phase, UserInfo};
use crate::engine::event::{CallPhase, Direction, unix_ms};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};

impl Calls {
    pub(super) fn perform_all(&mut self, all: Vec<SessionOutputs>, ctx: &mut Context<Self>) {
        for (call, outputs) in all {
            for output in outputs {
                self.perform(&call, output);
            }
        }
        self.arm_timer(ctx);
        self.heed_speakers(ctx);
        self.show();
    }

    fn perform(&mut self, call: &str, output: Output) {
        match output {
            Output::Open {
                peer,
                offers,
                opponents,
            } => self.open(call, peer, offers, opponents),
            Output::To(peer, action) => self.act(call, peer, action),
            Output::Leg(peer, phase) => self.on_leg_phase(call, peer, phase),
            Output::Close(peer) => self.close(call, peer),
            Output::Told(peer, kind, info) => self.on_told(call, peer, kind, info),
            Output::Phase(phase) => self.on_phase(call, phase),
            Output::Ended(reason) => self.on_end(call, reason),
        }
    }

    fn act(&mut self, call: &str, peer: UserId, action: Action) {
        let Some(facts) = self.facts.get(call) else {
            return;
        };
        let operation = match action {
            Action::SendCall => LegOperation::SendCall(facts.invitation()),
            Action::SendAccept => LegOperation::SendAccept,
            Action::ResendAccept => LegOperation::ResendAccept,
            Action::SendReject(info) => saying(SignalKind::Reject, info),
            Action::SendHangUp(info) => saying(SignalKind::HangUp, info),
            Action::SendCandidates(candidates) => LegOperation::Send(Outgoing {
                candidates,
                ..Outgoing::plain(SignalKind::IceCandidates)
            }),
            Action::SendUpdate(info, opponents) => LegOperation::Send(Outgoing {
                opponents,
                ..Outgoing::saying(SignalKind::Update, info)
            }),
            Action::RemoteOffer(sdp) => LegOperation::RemoteOffer(sdp),
            Action::RemoteAnswer(sdp) => LegOperation::RemoteAnswer(sdp),
            Action::RemoteCandidates(candidates) => LegOperation::RemoteCandidates(candidates),
            Action::RestartIce => LegOperation::RestartIce,
            Action::AnswerRestart(sdp) => LegOperation::AnswerRestart(sdp),
        };
        match (facts.legs.get(&peer), operation) {
            (Some(participant), operation) => participant.leg.queue(operation),
            // A participant there never was a connection with.
            (None, LegOperation::Send(signal)) => {
                Outlet::open(self.line(), peer, facts.envelope.clone()).send(signal);
            }
            (None, _) => {}
        }
    }

    /// Makes the peer connection with one participant.
    fn open(&mut self, call: &str, peer: UserId, offers: bool, opponents: Vec<UserId>) {
        let line = self.line();
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let envelope = CallSignal {
            opponents,
            ..facts.envelope.clone()
        };
        let mut settings =
            crate::engine::media_settings::peer(&self.wiring.config, facts.call_type());
        settings.loudspeaker = self.wiring.loudspeaker.clone();
        settings.video_sink = self.wiring.screen_for(Some(peer));
        settings.keep_frames = self.wiring.keep_frames;
        settings.far_side = Some(self.wiring.far_side.clone());
        settings.max_bitrate_kbps = facts.limit_of(&self.wiring.config.calls, None);
        let leg = Leg::start(LegParts {
            call: call.to_owned(),
            with: peer,
            offers,
            shows_picture: facts.direction == Direction::Outgoing,
            settings,
            video: self.wiring.video.clone(),
            audio: self.wiring.audio.clone(),
            calls: self.wiring.slots.calls.clone(),
            outlet: Outlet::open(line, peer, envelope),
        });
        facts.legs.insert(peer, Participant::new(leg));
        facts.apply(&self.wiring.config.calls);
        let entry = Entry {
            direction: facts.direction,
            peer: facts.peer,
            participants: facts.legs.keys().copied().collect(),
            is_video: facts.call_type() == CallType::Video,
            started_ms: facts.started_ms,
        };
        self.wiring.ledger.opened(call, entry);
    }

    /// Dropping the leg closes the peer connection once its queued farewell is out.
    fn close(&mut self, call: &str, peer: UserId) {
        if let Some(facts) = self.facts.get_mut(call)
            && let Some(participant) = facts.legs.remove(&peer)
        {
            facts.pictures.extend(participant.leg.pictures());
            facts.left.extend(participant.leg.stats());
        }
    }

    fn on_phase(&mut self, call: &str, phase: Phase) {
        self.preview_on_phase(call, phase);
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let event = match phase {
            Phase::Dialing | Phase::Ringing => {
                facts.ringing = Some(Instant::now());
                facts.ringing_ms = Some(unix_ms());
                CallPhase::Ringing
            }
            Phase::Connecting if facts.answered.is_none() => {
                facts.answered = Some(Instant::now());
                facts.answered_ms = Some(unix_ms());
                CallPhase::Answered
            }
            Phase::Connected if facts.connected.is_none() => {
                facts.connected = Some(Instant::now());
                facts.connected_ms = Some(unix_ms());
                CallPhase::Connected
            }
            _ => return,
        };
        self.publish(call, event, None, None);
    }

    fn on_leg_phase(&mut self, call: &str, peer: UserId, phase: LegPhase) {
        if matches!(phase, LegPhase::Waiting | LegPhase::Preparing) {
            return;
        }
        self.preview_on_leg(call, peer, phase);
        let status = super::report::status_of(phase);
        let reason = match phase {
            LegPhase::Ended(reason) => Some(reason.name().to_owned()),
            _ => None,
        };
        self.publish_participant(call, peer, status, reason);
    }

    pub(super) fn line(&self) -> Line {
        Line {
            chat: self.wiring.chat.clone(),
            rest: self.wiring.rest.clone(),
            patience: Duration::from_secs(self.wiring.config.calls.disconnect_timeout_s.into()),
        }
    }

    /// The facts of a new call.
    pub(super) fn note(&mut self, call: &str, facts: CallFacts) {
        self.facts.insert(call.to_owned(), facts);
    }
}

fn saying(kind: SignalKind, info: UserInfo) -> LegOperation {
    LegOperation::Send(Outgoing::saying(kind, info))
}
