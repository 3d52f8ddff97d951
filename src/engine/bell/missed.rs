//! Nobody answered: a chat message to whoever should know, with the picture of who rang.

use std::time::Duration;

use actix::prelude::*;
use serde_json::{Map, Value};

use super::{Bell, Picture};
use crate::call::end::EndReason;
use crate::call::party::Party;
use crate::call::ring_plan::{StopReason, Unanswered};
use crate::engine::calls::HangUpCalls;
use crate::engine::chat_command::Draft;
use crate::engine::event::RingPhase;
use crate::engine::messages;
use crate::engine::visitor_message::StartVisitorMessage;
use crate::engine::wiring::Wiring;
use crate::protocol::address::{UserId, UserRef};

/// How long the visitor's recording may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(4);

impl Bell {
    /// A ring left by a former life: it rings no longer, and is not forgotten.
    pub(super) fn end_orphan(&mut self, ctx: &mut Context<Self>) {
        let Some((ring, calls)) = self.wiring.rings.take_orphan() else {
            return;
        };
        // Calls that are over already are passed over.
        let _ = self.wiring.slots.calls.tell(HangUpCalls {
            calls,
            reason: EndReason::Internal,
        });
        let reason = StopReason::Internal.name();
        self.tell_of(&ring, RingPhase::Stopped, |told| told.reason = Some(reason));
        self.wiring
            .board
            .update(|state| state.ring.last_end = Some(reason.to_owned()));
        self.notify_missed_ring(&ring, reason, None, ctx);
    }

    /// The last step of a plan: whoever stands at the door may say something.
    pub(super) fn let_visitor_speak(&self, ring: &str, reason: Unanswered) {
        let visitors = self.wiring.slots.visitor_messages.clone();
        let start = StartVisitorMessage {
            ring: Some(ring.to_owned()),
            reason: reason.name().to_owned(),
        };
        actix::spawn(async move {
            let trouble = match visitors.ask(start, BEGIN_LIMIT).await {
                Ok(begun) => begun.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = trouble {
                tracing::warn!(error, "no visitor message after the ring");
            }
        });
    }

    pub(super) fn notify_missed_ring(
        &self,
        ring: &str,
        reason: &'static str,
        picture: Option<Picture>,
        ctx: &mut Context<Self>,
    ) {
        if !self.wiring.config.calls.missed_rings {
            return;
        }
        let wiring = self.wiring.clone();
        let custom = custom(&[
            ("cubelet", "missed_ring"),
            ("ring", ring),
            ("reason", reason),
        ]);
        let text = format!("Nobody answered the bell at {}.", wiring.config.device.name);
        let telling = async move {
            let picture = match picture {
                Some(picture) => picture.await,
                None => None,
            };
            notify(&wiring, text, custom, picture.as_deref()).await;
        };
        ctx.spawn(telling.into_actor(self));
    }

    pub(super) fn notify_missed_call(&self, from: UserId, ctx: &mut Context<Self>) {
        if !self.wiring.config.calls.missed_calls {
            return;
        }
        let wiring = self.wiring.clone();
        let telling = async move {
            let known = wiring.store.user_by_id(from).await.ok().flatten();
            let name = known.map(|user| user.name.unwrap_or(user.login));
            let name = name.unwrap_or_else(|| format!("user {from}"));
            let text = format!("Missed call of {name} at {}.", wiring.config.device.name);
            let peer = from.to_string();
            let custom = custom(&[("cubelet", "missed_call"), ("peer", &peer)]);
            notify(&wiring, text, custom, None).await;
        };
        ctx.spawn(telling.into_actor(self));
    }
}

fn custom(fields: &[(&str, &str)]) -> Map<String, Value> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect()
}

/// One message each, on the disk before this ends: it survives a hub that is away.
async fn notify(
    wiring: &Wiring,
    text: String,
    custom: Map<String, Value>,
    picture: Option<&std::path::Path>,
) {
    let (mut people, mut dialogs) = (Vec::new(), Vec::new());
    for party in &wiring.config.calls.missed_to {
        match party {
            Party::Dialog { id, .. } => dialogs.push(id.clone()),
            party => people.push(party.clone()),
        }
    }
    let people = match wiring.roster.resolved(wiring, &people).await {
        Ok(people) => people,
        Err(error) => {
            tracing::error!(%error, "nobody can be told that nobody answered");
            Vec::new()
        }
    };
    let me = wiring.user();
    let to_people = people
        .into_iter()
        .filter(|user| Some(*user) != me)
        .map(|user| (Some(UserRef::Id(user)), None));
    let to_dialogs = dialogs.into_iter().map(|dialog| (None, Some(dialog)));
    for (to, dialog) in to_people.chain(to_dialogs) {
        let draft = Draft {
            to,
            dialog,
            text: text.clone(),
            custom: custom.clone(),
            ..Draft::default()
        };
        if let Err(error) = messages::send_with(wiring, draft, picture).await {
            tracing::error!(%error, "somebody is not told that nobody answered");
        }
    }
}
