//! Outputs of the call registry, performed.

use std::collections::BTreeMap;
use std::time::Instant;

use actix::prelude::*;

use super::ledger::Entry;
use super::leg::{Leg, LegOperation, LegParts, Outlet};
use super::report::CallFacts;
use super::{Calls, OutgoingSignal};
use crate::call::policy::AnswerMedia;
use crate::call::registry::SessionOutputs;
use crate::call::session::{Output, Phase};
use crate::engine::event::{CallPhase, Direction, unix_ms};
use crate::media::peer::PeerSettings;
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
        self.show();
    }

    fn perform(&mut self, call: &str, output: Output) {
        let operation = match output {
            Output::SendCall => LegOperation::SendCall,
            Output::SendAccept => LegOperation::SendAccept,
            Output::SendReject(info) => farewell(SignalKind::Reject, info),
            Output::SendHangUp(info) => farewell(SignalKind::HangUp, info),
            Output::SendCandidates(candidates) => LegOperation::Send(OutgoingSignal {
                candidates,
                ..OutgoingSignal::plain(SignalKind::IceCandidates)
            }),
            Output::RemoteOffer(sdp) => LegOperation::RemoteOffer(sdp),
            Output::RemoteAnswer(sdp) => LegOperation::RemoteAnswer(sdp),
            Output::RemoteCandidates(candidates) => LegOperation::RemoteCandidates(candidates),
            Output::AnswerRestart(sdp) => LegOperation::AnswerRestart(sdp),
            Output::Phase(phase) => return self.on_phase(call, phase),
            Output::Ended(reason) => return self.on_end(call, reason),
        };
        if let Some(facts) = self.facts.get(call) {
            facts.leg.queue(operation);
        }
    }

    fn on_phase(&mut self, call: &str, phase: Phase) {
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let event = match phase {
            Phase::Dialing | Phase::Ringing => {
                facts.ringing = Some(Instant::now());
                facts.ringing_ms = Some(unix_ms());
                CallPhase::Ringing
            }
            Phase::Connecting => {
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

    /// Makes the peer connection of a new session.
    pub(super) fn open(
        &mut self,
        call: &str,
        peer: UserId,
        call_type: CallType,
        direction: Direction,
    ) {
        let me = self.wiring.user();
        let (caller, callee) = match direction {
            Direction::Incoming => (Some(peer), me),
            Direction::Outgoing => (me, Some(peer)),
        };
        let mut envelope = CallSignal::new(SignalKind::Call, call);
        envelope.caller_id = caller;
        envelope.opponents = callee.into_iter().collect();
        envelope.call_type = call_type;
        let outlet = Outlet {
            chat: self.wiring.chat.clone(),
            to: peer,
            envelope,
            name: self.wiring.config.device.name.clone(),
            picture: None,
        };
        let gives = self.wiring.manners.take(call);
        let leg = Leg::start(LegParts {
            call: call.to_owned(),
            is_caller: direction == Direction::Outgoing,
            settings: self.peer_settings(call_type),
            video: self.wiring.video.clone(),
            audio: self.wiring.audio.clone(),
            calls: self.wiring.slots.calls.clone(),
            outlet,
            gives,
        });
        self.wiring.ledger.opened(call, Entry { direction, peer });
        let mut facts = CallFacts::new(leg, direction, peer, call_type);
        facts.knocks = gives == AnswerMedia::Knock;
        self.facts.insert(call.to_owned(), facts);
    }

    pub(super) fn send_signal(&self, to: UserId, signal: CallSignal) {
        let client = self.wiring.chat.client();
        actix::spawn(async move {
            // The other side's own timers end its call.
            if let Err(error) = client.signal(to, &signal).await {
                tracing::warn!(to, kind = signal.kind.name(), %error, "signal not sent");
            }
        });
    }

    fn peer_settings(&self, call_type: CallType) -> PeerSettings {
        let config = &self.wiring.config;
        PeerSettings {
            keep_frames: self.wiring.keep_frames,
            ..crate::engine::media_settings::peer(config, call_type)
        }
    }
}

fn farewell(kind: SignalKind, user_info: BTreeMap<String, String>) -> LegOperation {
    LegOperation::Send(OutgoingSignal {
        user_info,
        ..OutgoingSignal::plain(kind)
    })
}
