//! What a device is told to do, done in the simulation.

use std::collections::BTreeMap;

use super::line::pair;
use super::{Event, World};
use crate::call::registry::SessionOutputs;
use crate::call::session::{Action, LegPhase, Output, Role};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, SignalKind};

impl World {
    pub(super) fn perform(&mut self, who: usize, all: Vec<SessionOutputs>) {
        for (call, outputs) in all {
            assert!(
                !self.parties[who].sessions_ended.contains(&call) || outputs.is_empty(),
                "{call} goes on after its end at {who}"
            );
            for output in outputs {
                if self.tells_story {
                    let me = self.parties[who].me;
                    eprintln!("{:>7} ms      {me} {call}: {output:?}", self.now_ms);
                }
                self.perform_one(who, &call, output);
            }
        }
    }

    fn perform_one(&mut self, who: usize, call: &str, output: Output) {
        let me = self.parties[who].me;
        match output {
            Output::Open {
                peer,
                offers,
                opponents,
            } => {
                let initiator = self.parties[who]
                    .registry
                    .get(call)
                    .map_or(me, |session| session.initiator());
                let key = (call.to_owned(), peer);
                let told = (initiator, opponents);
                let before = self.parties[who].open.insert(key, told);
                assert!(before.is_none(), "opened twice");
                if offers {
                    let after = 10 + self.dice.below(50);
                    self.schedule(after, Event::OfferReady(who, call.to_owned(), peer));
                }
            }
            Output::Close(peer) => self.close(who, call, peer),
            Output::Leg(peer, LegPhase::Ended(reason)) => {
                let is_ours = self.parties[who]
                    .registry
                    .get(call)
                    .is_some_and(|session| session.role() == Role::Caller);
                let key = (call.to_owned(), peer);
                let is_ours = is_ours || self.is_started_by(who, &key);
                let before = self.parties[who].ended.insert(key, (reason, is_ours));
                assert!(
                    before.is_none_or(|_| is_ours),
                    "a leg ended twice, and not as one invited again"
                );
            }
            Output::Ended(_) => {
                let party = &mut self.parties[who];
                assert!(party.sessions_ended.insert(call.to_owned()), "ended twice");
                let left = party.open.keys().any(|(open, _)| open == call);
                assert!(!left, "{call} ended with an open connection at {me}");
            }
            Output::To(peer, action) => self.perform_action(who, call, peer, action),
            Output::Leg(..) | Output::Told(..) | Output::Phase(_) => {}
        }
    }

    fn is_started_by(&self, who: usize, key: &(String, UserId)) -> bool {
        let party = &self.parties[who];
        party
            .open
            .get(key)
            .is_some_and(|(initiator, _)| *initiator == party.me)
    }

    fn perform_action(&mut self, who: usize, call: &str, peer: UserId, action: Action) {
        let me = self.parties[who].me;
        let told = self.parties[who]
            .open
            .get(&(call.to_owned(), peer))
            .cloned();
        let pair = pair(call, me, peer);
        let (kind, info) = match action {
            Action::SendReject(info) => (SignalKind::Reject, info),
            Action::SendHangUp(info) => (SignalKind::HangUp, info),
            Action::SendUpdate(info, opponents) => {
                let mut signal = CallSignal::new(SignalKind::Update, call);
                signal.user_info = info;
                signal.opponents = opponents.unwrap_or_default();
                return self.send(who, peer, signal);
            }
            Action::SendCandidates(_) | Action::RemoteOffer(_) | Action::RemoteCandidates(_) => {
                return;
            }
            other => {
                assert!(told.is_some(), "{other:?} without a connection");
                match other {
                    Action::SendCall => (SignalKind::Call, BTreeMap::new()),
                    Action::SendAccept => {
                        self.paths.entry(pair).or_default().answered = true;
                        (SignalKind::Accept, BTreeMap::new())
                    }
                    Action::ResendAccept => (SignalKind::Accept, BTreeMap::new()),
                    Action::RestartIce => (SignalKind::IceRestart, BTreeMap::new()),
                    Action::AnswerRestart(_) => (SignalKind::IceRestartAccept, BTreeMap::new()),
                    _ => {
                        self.paths.entry(pair.clone()).or_default().taken = true;
                        return self.connect(pair);
                    }
                }
            }
        };
        let mut signal = CallSignal::new(kind, call);
        signal.user_info = info;
        signal.sdp = Some("v=0".into());
        if let Some((initiator, opponents)) = told {
            signal.caller_id = Some(initiator);
            signal.opponents = opponents;
        }
        self.send(who, peer, signal);
    }
}
