//! What the world hears of rings.

use super::{Bell, Ring};
use crate::call::ring_plan::Outcome;
use crate::engine::event::{EventKind, RingPhase, RingTold};
use crate::engine::state::{RingState, RingStatus};

impl Bell {
    /// Tells of the ring there is.
    pub(super) fn tell(&self, phase: RingPhase, fill: impl FnOnce(&mut RingTold)) {
        if let Some(ring) = &self.ring {
            self.tell_of(&ring.id, phase, fill);
        }
    }

    pub(super) fn tell_of(&self, ring: &str, phase: RingPhase, fill: impl FnOnce(&mut RingTold)) {
        let mut told = RingTold {
            ring: ring.to_owned(),
            ..RingTold::default()
        };
        fill(&mut told);
        self.wiring.board.publish(EventKind::Ring { phase, told });
    }

    pub(super) fn report_end(&self, ring: &Ring, outcome: &Outcome, detail: Option<String>) {
        let phase = match outcome {
            Outcome::Answered { .. } => RingPhase::Answered,
            Outcome::Unanswered(_) | Outcome::LeaveMessage(_) => RingPhase::Unanswered,
            Outcome::Stopped(_) => RingPhase::Stopped,
        };
        let last_end = match outcome {
            Outcome::Answered { .. } => "answered",
            Outcome::Unanswered(reason) | Outcome::LeaveMessage(reason) => reason.name(),
            Outcome::Stopped(reason) => reason.name(),
        };
        self.tell_of(&ring.id, phase, |told| {
            told.duration_s = Some(ring.started.elapsed().as_secs_f64());
            told.detail = detail;
            match outcome {
                Outcome::Answered { step, user, call } => {
                    told.step = Some(step + 1);
                    told.users = vec![*user];
                    told.call = Some(call.clone());
                }
                _ => told.reason = Some(last_end),
            }
        });
        self.wiring.board.update(|state| {
            state.ring.last_end = Some(last_end.to_owned());
        });
    }

    /// Puts the ring on the board.
    pub(super) fn show(&self) {
        let mut shown = RingState {
            last_end: self.wiring.board.read(|state| state.ring.last_end.clone()),
            offline: self.wiring.presence.offline(),
            ..RingState::default()
        };
        if let Some(ring) = &self.ring {
            shown.status = RingStatus::Ringing;
            shown.ring = Some(ring.id.clone());
            shown.steps = Some(ring.plan.steps());
            if let Some((step, users)) = ring.plan.ringing() {
                shown.step = Some(step + 1);
                shown.users = users;
            }
        } else if let Some(waiting) = &self.waiting {
            shown.status = RingStatus::Waiting;
            shown.ring = Some(waiting.id.clone());
        }
        self.wiring.board.update(|state| state.ring = shown);
    }
}
