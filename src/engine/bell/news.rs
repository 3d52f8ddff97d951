//! What the bell hears of the rest of the device: calls, people who come and go, the connection.

use std::time::Instant;

use actix::prelude::*;
use tokio::sync::broadcast;

use super::{Bell, StopRinging};
use crate::call::end::EndReason;
use crate::call::ring_plan::{Input, StopReason};
use crate::engine::board::Board;
use crate::engine::event::{CallPhase, Direction, Event, EventKind};
use crate::engine::state::ChatStatus;
use crate::protocol::address::UserId;

/// What the bell hears of the board.
pub(super) enum News {
    Event(Box<Event>),
    Online(bool),
}

impl Bell {
    fn on_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        match event.kind {
            EventKind::Call {
                phase: CallPhase::Answered,
                call,
                ..
            } if self.ring.is_some() => self.feed(Input::Answered(call), ctx),
            EventKind::Call {
                phase: CallPhase::Ended,
                call,
                reason,
                direction,
                peer,
                ..
            } => {
                let reason = reason.as_deref().and_then(EndReason::by_name);
                let reason = reason.unwrap_or(EndReason::Internal);
                if self.is_overtaken(&call, reason) {
                    let detail = Some(reason.name().to_owned());
                    let reason = StopReason::Cancelled;
                    self.stop(StopRinging { reason, detail }, ctx);
                }
                self.feed(Input::Ended(call, reason), ctx);
                self.consider_waiting(ctx);
                let is_missed = matches!(reason, EndReason::Missed | EndReason::Cancelled);
                if direction == Direction::Incoming && is_missed {
                    self.notify_missed_call(peer, ctx);
                }
            }
            EventKind::ChatActivity { user, seconds } => {
                self.wiring.presence.heard(user, seconds);
                self.feed(Input::Tick, ctx);
                self.show();
            }
            _ => {}
        }
    }

    /// Whether a call of the ring ended because another goes on in its place: somebody rung called
    /// in the same moment, or another call was taken here.
    fn is_overtaken(&self, call: &str, reason: EndReason) -> bool {
        let is_other = matches!(reason, EndReason::Crossed | EndReason::Replaced);
        is_other
            && self
                .ring
                .as_ref()
                .is_some_and(|ring| ring.plan.is_ringing(call))
    }

    /// Asks the hub who everybody is, and whether they are there.
    pub(super) fn look_around(&self, ctx: &mut Context<Self>) {
        let wiring = self.wiring.clone();
        let looking = async move {
            let parties = wiring.config.calls.parties();
            let door = &wiring.config.door.unlock_allowed;
            let missed = &wiring.config.calls.missed_to;
            let all = [parties.as_slice(), door.as_slice(), missed.as_slice()].concat();
            wiring.roster.refresh(&wiring, &all).await;
            let steps = wiring.config.calls.plan();
            let mut rung: Vec<UserId> = steps
                .iter()
                .flat_map(|step| wiring.roster.all(&step.ring))
                .collect();
            rung.sort_unstable();
            rung.dedup();
            if wiring.config.calls.skip_offline {
                wiring.presence.follow(&wiring, &rung).await;
            }
        };
        ctx.spawn(looking.into_actor(self).map(|(), bell, _| {
            bell.wiring.live.show(&bell.wiring);
            bell.show();
        }));
    }
}

/// What happens, from now on.
pub(super) fn events(board: &Board) -> impl Stream<Item = News> + use<> {
    futures::stream::unfold(board.events(), |mut events| async move {
        loop {
            match events.recv().await {
                Ok(event) => return Some((News::Event(Box::new(event)), events)),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the bell did not hear everything; its step goes on");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
}

/// Whether chat is online, now and at each change.
pub(super) fn online(board: &Board) -> impl Stream<Item = News> + use<> {
    let state = board.watch();
    futures::stream::unfold((state, None), |(mut state, told)| async move {
        loop {
            let is_online = state.borrow_and_update().chat.status == ChatStatus::Online;
            if told != Some(is_online) {
                return Some((News::Online(is_online), (state, Some(is_online))));
            }
            state.changed().await.ok()?;
        }
    })
}

impl StreamHandler<News> for Bell {
    fn handle(&mut self, news: News, ctx: &mut Self::Context) {
        if let News::Online(is_online) = news {
            self.line.heard(is_online, Instant::now());
        }
        match news {
            News::Event(event) => self.on_event(*event, ctx),
            News::Online(true) => self.look_around(ctx),
            News::Online(false) => {
                self.wiring.presence.forget();
                self.show();
            }
        }
    }
}
