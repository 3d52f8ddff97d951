//! A press, until it is known whether the hub can be reached and who is to be rung.

use std::time::Instant;

use actix::prelude::*;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::steps::steps;
use super::{Bell, RingBell, line, nobody_rings};
use crate::base::object_id::ObjectId;
use crate::call::ring_plan::{Input, StopReason};
use crate::engine::command::{CommandError, ErrorCode};

/// A press that is being looked into. Dropping it ends that, and nobody is rung.
pub(super) struct Pressed {
    /// The ring it begins, if none has begun until then.
    ring: String,
    _looking: DropGuard,
}

impl Bell {
    /// Ends every press that is being looked into. Gives the ring of the first, which the others
    /// would have repeated.
    pub(super) fn stop_presses(&mut self) -> Option<String> {
        let pressed = std::mem::take(&mut self.pressed);
        pressed.into_iter().next().map(|first| first.ring)
    }
}

impl Handler<RingBell> for Bell {
    type Result = ResponseActFuture<Self, Result<Value, CommandError>>;

    fn handle(&mut self, message: RingBell, ctx: &mut Self::Context) -> Self::Result {
        if let Some(ring) = self.ring.as_ref().map(|ring| ring.id.clone()) {
            self.feed(Input::Pressed, ctx);
            let reply = json!({ "ring": ring, "calls": [], "repeated": true });
            return Box::pin(fut::ready(Ok(reply)));
        }
        let ring = ObjectId::generate().to_string();
        let stopped = CancellationToken::new();
        self.pressed.push(Pressed {
            ring: ring.clone(),
            _looking: stopped.clone().drop_guard(),
        });
        let (wiring, patience) = (self.wiring.clone(), self.line.patience(Instant::now()));
        let resolving = stopped.run_until_cancelled_owned(async move {
            line::up(&wiring.board, patience).await;
            steps(&wiring, message.targets).await
        });
        let (asker, answer) = oneshot::channel();
        Box::pin(
            resolving
                .into_actor(self)
                .map(move |steps, bell, ctx| {
                    bell.pressed.retain(|pressed| pressed.ring != ring);
                    // The receiver is in the future this one is part of.
                    match steps {
                        Some(Ok(steps)) => bell.begin(ring, steps, asker, ctx),
                        Some(Err(error)) => drop(asker.send(Err(error))),
                        None => {
                            let stopped = nobody_rings(StopReason::Cancelled.name());
                            drop(asker.send(Err(stopped)));
                        }
                    }
                })
                .then(move |(), bell, _| {
                    let answered = async move {
                        answer.await.unwrap_or_else(|_| {
                            let message = "the bell went away while it began to ring";
                            Err(CommandError::new(ErrorCode::Internal, message))
                        })
                    };
                    answered.into_actor(bell)
                }),
        )
    }
}
