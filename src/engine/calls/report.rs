//! What the world hears of calls: events, the state, the record in the call log.

use std::time::Instant;

use super::Calls;
use super::ledger::Entry;
use super::leg::Leg;
use crate::call::end::{EndReason, REASON_KEY};
use crate::call::session::{Phase, Role};
use crate::engine::event::{CallPhase, Direction, EventKind, unix_ms};
use crate::engine::state::{CallMedia, CallState, CallStatus};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};
use crate::store::{CallDetails, CallDirection, CallQuality, CallRecord};

/// What the registry does not keep about a call.
pub(super) struct CallFacts {
    pub leg: Leg,
    pub direction: Direction,
    pub peer: UserId,
    pub call_type: CallType,
    pub started_ms: u64,
    pub answered: Option<Instant>,
    pub answered_ms: Option<u64>,
    pub ringing: Option<Instant>,
    pub ringing_ms: Option<u64>,
    pub connected: Option<Instant>,
    pub connected_ms: Option<u64>,
    pub first_frame_ms: Option<u64>,
    /// The other side gets nothing until somebody here lets it in.
    pub knocks: bool,
}

impl CallFacts {
    pub fn new(leg: Leg, direction: Direction, peer: UserId, call_type: CallType) -> Self {
        Self {
            leg,
            direction,
            peer,
            call_type,
            started_ms: unix_ms(),
            answered: None,
            answered_ms: None,
            ringing: None,
            ringing_ms: None,
            connected: None,
            connected_ms: None,
            first_frame_ms: None,
            knocks: false,
        }
    }
}

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
        // Dropping the leg closes the peer connection once its queued farewell is out.
        self.wiring.ledger.closed(call);
        if let Some(facts) = self.facts.remove(call) {
            self.wiring.gallery.hang(facts.leg.pictures());
            super::super::records::keep(&self.wiring, ended(call, &facts, reason));
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
        });
    }

    /// Puts the present call on the board.
    pub(super) fn show(&self) {
        let mut shown = CallState {
            last_end: self.last_end.clone(),
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
            if let Some(facts) = self.facts.get(session.id()) {
                shown.since = Some(facts.started_ms);
                shown.knocks = facts.knocks;
                shown.media = facts.leg.stats().map(|stats| CallMedia {
                    frames_decoded: stats.frames_decoded,
                    audio_decoded_ms: stats.audio_decoded_ms,
                    frames_sent: stats.frames_sent,
                    first_frame_ms: facts.first_frame_ms,
                });
            }
        }
        self.wiring.board.update(|state| state.call = shown);
    }

    /// After a restart: the calls of the former life, whose media is gone, are ended with all
    /// sides told.
    pub(super) fn end_orphans(&mut self) {
        self.last_end = self.wiring.board.read(|state| state.call.last_end.clone());
        let reason = EndReason::Internal.name().to_owned();
        for (call, Entry { direction, peer }) in self.wiring.ledger.take_orphans() {
            let mut signal = CallSignal::new(SignalKind::HangUp, call.clone());
            signal
                .user_info
                .insert(REASON_KEY.to_owned(), reason.clone());
            let me = self.wiring.user();
            (signal.caller_id, signal.opponents) = match direction {
                Direction::Incoming => (Some(peer), me.into_iter().collect()),
                Direction::Outgoing => (me, vec![peer]),
            };
            self.send_signal(peer, signal);
            self.last_end = Some(reason.clone());
            self.wiring.board.publish(EventKind::Call {
                phase: CallPhase::Ended,
                call,
                direction,
                peer,
                reason: Some(reason.clone()),
                duration_s: None,
            });
        }
    }
}

/// What is kept of a call that has just ended.
fn ended(call: &str, facts: &CallFacts, reason: EndReason) -> CallRecord {
    let seconds = |from: Option<Instant>, to: Option<Instant>| {
        let to = to.unwrap_or_else(Instant::now);
        from.map(|from| to.saturating_duration_since(from).as_secs_f64())
    };
    let stats = facts.leg.stats().filter(|_| facts.connected.is_some());
    CallRecord {
        call: call.to_owned(),
        direction: match facts.direction {
            Direction::Incoming => CallDirection::Incoming,
            Direction::Outgoing => CallDirection::Outgoing,
        },
        peer: facts.peer,
        video: facts.call_type == CallType::Video,
        started_ms: facts.started_ms,
        answered_ms: facts.answered_ms,
        ended_ms: unix_ms(),
        reason: reason.name().to_owned(),
        details: CallDetails {
            ringing_ms: facts.ringing_ms,
            connected_ms: facts.connected_ms,
            rang_s: seconds(facts.ringing, facts.answered),
            talked_s: seconds(facts.connected, None),
            quality: stats.map(|stats| CallQuality {
                frames_sent: stats.frames_sent,
                frames_decoded: stats.frames_decoded,
                audio_decoded_ms: stats.audio_decoded_ms,
                first_frame_ms: facts.first_frame_ms,
                packets_sent: stats.packets_sent,
                packets_received: stats.packets_received,
                frames_dropped: stats.frames_dropped,
                key_frames_asked: stats.plis_received + stats.plis_sent,
            }),
            ..CallDetails::default()
        },
    }
}
