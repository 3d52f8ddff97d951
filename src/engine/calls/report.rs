//! What the world hears of calls: events, the state, the record in the call log.

use std::time::Instant;

use super::Calls;
use super::facts::CallFacts;
use super::ledger::Entry;
use super::record;
use crate::call::end::{EndReason, REASON_KEY};
use crate::call::session::{LegPhase, Phase, Role, UserInfo};
use crate::engine::event::{CallPhase, Direction, EventKind};
use crate::engine::state::{CallState, CallStatus, ParticipantState};
use crate::media::peer::PeerStats;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, SignalKind};

impl Calls {
    pub(super) fn on_first_frame(&mut self, call: &str) {
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let since = facts.answered.map(|at| at.elapsed().as_millis() as u64);
        facts.first_frame_ms = facts.first_frame_ms.or(since);
        self.publish(call, CallPhase::FirstFrame, None, None);
        self.show();
    }

    pub(super) fn on_end(&mut self, call: &str, reason: EndReason) {
        let Some(facts) = self.facts.get(call) else {
            return;
        };
        let duration = facts.connected.map(|at| at.elapsed()).unwrap_or_default();
        self.last_end = Some(reason.name().to_owned());
        let reason_name = Some(reason.name().to_owned());
        self.publish(
            call,
            CallPhase::Ended,
            reason_name,
            Some(duration.as_secs_f64()),
        );
        self.wiring.ledger.closed(call);
        self.previews.look_no_more(call);
        if let Some(mut facts) = self.facts.remove(call) {
            self.wiring
                .gallery
                .hang(std::mem::take(&mut facts.pictures));
            let mut record = record::of(call, &facts, reason);
            record.details.preview = self.previews.take(call);
            super::super::records::keep(&self.wiring, record);
        }
    }

    pub(super) fn publish(
        &self,
        call: &str,
        phase: CallPhase,
        reason: Option<String>,
        duration_s: Option<f64>,
    ) {
        let Some(facts) = self.facts.get(call) else {
            return;
        };
        self.wiring.board.publish(EventKind::Call {
            phase,
            call: call.to_owned(),
            direction: facts.direction,
            peer: facts.peer,
            reason,
            duration_s,
            info: match phase {
                CallPhase::Ringing => printable(&facts.told),
                _ => UserInfo::new(),
            },
        });
    }

    pub(super) fn publish_participant(
        &self,
        call: &str,
        peer: UserId,
        status: &'static str,
        reason: Option<String>,
    ) {
        self.wiring.board.publish(EventKind::CallParticipant {
            call: call.to_owned(),
            peer,
            status,
            reason,
        });
    }

    pub(super) fn publish_told(
        &self,
        call: &str,
        peer: UserId,
        signal: SignalKind,
        info: &UserInfo,
    ) {
        self.wiring.board.publish(EventKind::CallTold {
            call: call.to_owned(),
            peer,
            signal: signal.name(),
            info: printable(info),
        });
    }

    /// Puts the present call on the board.
    pub(super) fn show(&self) {
        let mut shown = CallState {
            last_end: self.last_end.clone(),
            preview: self.previews.state(),
            ..CallState::default()
        };
        if let Some(session) = self.registry.foremost() {
            shown.status = match session.phase() {
                Phase::Preparing | Phase::Dialing => CallStatus::Dialing,
                Phase::Ringing => CallStatus::Ringing,
                Phase::Connecting => CallStatus::Connecting,
                Phase::Connected | Phase::Interrupted => CallStatus::Connected,
                Phase::Ended(_) => CallStatus::Idle,
            };
            shown.call = Some(session.id().to_owned());
            shown.peer = Some(session.peer());
            shown.direction = Some(match session.role() {
                Role::Caller => Direction::Outgoing,
                Role::Callee => Direction::Incoming,
            });
            shown.participants = session
                .legs()
                .map(|leg| ParticipantState {
                    user: leg.peer(),
                    status: status_of(leg.phase()),
                    ..ParticipantState::default()
                })
                .collect();
            if let Some(facts) = self.facts.get(session.id()) {
                self.show_facts(&mut shown, facts);
            }
        }
        self.wiring.board.update(|state| state.call = shown);
    }

    fn show_facts(&self, shown: &mut CallState, facts: &CallFacts) {
        shown.since = Some(facts.started_ms);
        shown.info = printable(&facts.told);
        shown.muted = facts.muted;
        shown.knocks = facts.knocks;
        shown.drops_in = facts.drops_in;
        shown.held = facts.held;
        shown.limit_kbps = facts.limit_kbps;
        shown.speaker = facts.speaker.speaker();
        let mut stats: Vec<PeerStats> = Vec::new();
        for (user, participant) in &facts.legs {
            let measured = participant.leg.stats();
            let mut all = shown.participants.iter_mut();
            if let Some(one) = all.find(|one| one.user == *user) {
                one.holds = participant.holds;
                one.level = measured.as_ref().and_then(|measured| measured.level);
            }
            stats.extend(measured);
        }
        let microphone = self.wiring.audio.level(Instant::now());
        shown.media = (!stats.is_empty())
            .then(|| super::measured::now(&stats, microphone, facts.first_frame_ms));
    }

    /// After a restart: the calls of the former life, whose media is gone, are ended with all
    /// sides told.
    pub(super) fn end_orphans(&mut self) {
        self.last_end = self.wiring.board.read(|state| state.call.last_end.clone());
        let reason = EndReason::Internal.name().to_owned();
        for (call, entry) in self.wiring.ledger.take_orphans() {
            let orphan = record::of_orphan(&call, &entry);
            super::super::records::keep(&self.wiring, orphan);
            let Entry {
                direction,
                peer,
                participants,
                ..
            } = entry;
            let mut signal = CallSignal::new(SignalKind::HangUp, call.clone());
            signal
                .user_info
                .insert(REASON_KEY.to_owned(), reason.clone());
            let me = self.wiring.user();
            (signal.caller_id, signal.opponents) = match direction {
                Direction::Incoming => (Some(peer), me.into_iter().collect()),
                Direction::Outgoing => (me, participants.clone()),
            };
            for participant in participants {
                self.send_signal(participant, signal.clone());
            }
            self.last_end = Some(reason.clone());
            self.wiring.board.publish(EventKind::Call {
                phase: CallPhase::Ended,
                call,
                direction,
                peer,
                reason: Some(reason.clone()),
                duration_s: None,
                info: UserInfo::new(),
            });
        }
    }
}

pub(super) fn status_of(phase: LegPhase) -> &'static str {
    match phase {
        LegPhase::Waiting => "waiting",
        LegPhase::Preparing | LegPhase::Dialing => "dialing",
        LegPhase::Invited => "ringing",
        LegPhase::Connecting => "connecting",
        LegPhase::Connected => "connected",
        LegPhase::Interrupted => "interrupted",
        LegPhase::Ended(_) => "ended",
    }
}

/// Custom parameters as far as they are for people and automations: a picture is not.
fn printable(info: &UserInfo) -> UserInfo {
    info.iter()
        .filter(|(name, value)| name.len() <= MAX_PRINTED && value.len() <= MAX_PRINTED)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Bytes of a custom parameter beyond which it is left out of events and state.
const MAX_PRINTED: usize = 1_024;
