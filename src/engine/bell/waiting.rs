//! A ring during a call, which waits for its end.

use std::time::{Duration, Instant};

use actix::prelude::*;
use serde_json::json;

use super::{Answer, Bell};
use crate::call::ring_plan::Step;
use crate::engine::event::RingPhase;
use crate::engine::state::CallStatus;

/// A ring that waits for the end of a call.
pub(super) struct Waiting {
    pub id: String,
    pub steps: Vec<Step>,
    pub until: Instant,
}

impl Bell {
    pub(super) fn wait(
        &mut self,
        id: String,
        steps: Vec<Step>,
        asker: Answer,
        ctx: &mut Context<Self>,
    ) {
        if let Some(waiting) = &self.waiting {
            let _ = asker.send(Ok(json!({ "ring": waiting.id, "waiting": true })));
            return;
        }
        self.tell_of(&id, RingPhase::Waiting, |_| {});
        let _ = asker.send(Ok(json!({ "ring": id, "waiting": true })));
        let patience = self.wiring.config.calls.answer_timeout_s;
        self.waiting = Some(Waiting {
            id,
            steps,
            until: Instant::now() + Duration::from_secs(patience.into()),
        });
        self.show();
        self.arm(ctx);
    }

    /// A ring that waited, once the call is over or its patience is.
    pub(super) fn consider_waiting(&mut self, ctx: &mut Context<Self>) {
        let Some(until) = self.waiting.as_ref().map(|waiting| waiting.until) else {
            return;
        };
        let is_idle = self.wiring.board.read(|state| state.call.status) == CallStatus::Idle;
        let is_over = until <= Instant::now();
        if !is_idle && !is_over {
            return;
        }
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        if is_idle {
            return self.start(waiting.id, waiting.steps, None, ctx);
        }
        self.tell_of(&waiting.id, RingPhase::Unanswered, |told| {
            told.reason = Some("in_call");
        });
        self.notify_missed_ring(&waiting.id, "in_call", None, ctx);
        self.show();
    }
}
