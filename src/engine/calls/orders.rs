//! What participants order over the data channel of their call.

use std::time::Instant;

use actix::prelude::*;

use super::Calls;
use crate::call::channel_orders::{Order, Refusal, Verdict, greeting};
use crate::engine::door::{MayUnlock, UnlockInCall};
use crate::engine::mailbox::Undelivered;
use crate::protocol::address::UserId;

/// How long the door may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

impl Calls {
    /// Says what may be ordered, so that a phone shows no button that would be refused.
    pub(super) fn on_channel_open(&mut self, call: String, with: UserId, ctx: &mut Context<Self>) {
        let door = self.wiring.slots.door.clone();
        let ask = async move {
            // A door that is away opens for nobody at the moment.
            door.ask(MayUnlock(with), LIMIT).await.unwrap_or(false)
        };
        ctx.spawn(ask.into_actor(self).map(move |may_unlock, calls, _| {
            let may: &[Order] = if may_unlock { &[Order::Unlock] } else { &[] };
            calls.say(&call, with, greeting(may));
        }));
    }

    /// Somebody writes on it.
    pub(super) fn on_channel_text(
        &mut self,
        call: String,
        with: UserId,
        text: &str,
        ctx: &mut Context<Self>,
    ) {
        let Some(participant) = self.participant(&call, with) else {
            return;
        };
        match participant.orders.take(Instant::now(), text) {
            Verdict::Ignore(why) => {
                tracing::info!(call, with, why, "a message on the data channel is ignored");
            }
            Verdict::Answer(answer) => self.say(&call, with, answer),
            Verdict::Obey(id, Order::Unlock) => {
                let door = self.wiring.slots.door.clone();
                let unlock = UnlockInCall {
                    by: with,
                    call: call.clone(),
                    how: "data_channel",
                };
                let ask = async move { door.ask(unlock, LIMIT).await };
                ctx.spawn(ask.into_actor(self).map(move |outcome, calls, _| {
                    let outcome = outcome.unwrap_or_else(|error| Err(away(&error)));
                    let Some(participant) = calls.participant(&call, with) else {
                        return;
                    };
                    let answer = participant.orders.done(&id, outcome);
                    calls.say(&call, with, answer);
                }));
            }
        }
    }

    fn participant(&mut self, call: &str, with: UserId) -> Option<&mut super::facts::Participant> {
        self.facts.get_mut(call)?.legs.get_mut(&with)
    }

    fn say(&mut self, call: &str, with: UserId, text: String) {
        if let Some(participant) = self.participant(call, with) {
            participant.leg.with_peer(move |peer| peer.say(text));
        }
    }
}

fn away(error: &Undelivered) -> Refusal {
    let code = match error {
        Undelivered::Timeout(_) => "timeout",
        _ => "unavailable",
    };
    Refusal::new(code, error.to_string())
}
