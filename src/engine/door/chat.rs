//! The door opened by a chat message of somebody on its list.

use std::time::Instant;

use actix::prelude::*;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use super::{Door, may_unlock};
use crate::config::ChatUnlock;
use crate::engine::calls::WhoIsInCall;
use crate::engine::chat_command::Draft;
use crate::engine::command::UserRef;
use crate::engine::event::{Event, EventKind, unix_ms};
use crate::engine::messages;
use crate::engine::wiring::Wiring;
use crate::protocol::address::UserId;

/// A message this old opens nothing, seconds: it was fetched after an outage, and whoever wrote
/// it stands at the door no longer. Also how far the clocks may differ.
const FRESH_S: u64 = 60;
/// The kind of a dialog of two (wire reference E.3).
const PRIVATE: u8 = 3;
/// Messages remembered; the server repeats fewer.
const SEEN_MAX: usize = 256;

/// A message that asks for the door.
struct Wish {
    from: UserId,
    dialog: Option<String>,
}

struct Heard(Event);

impl Door {
    pub(super) fn listen_to_chat(&self, ctx: &mut Context<Self>) {
        if self.wiring.config.door.chat_unlock == ChatUnlock::Never {
            return;
        }
        let events = futures::stream::unfold(
            self.wiring.board.events(),
            |mut events: broadcast::Receiver<Event>| async move {
                loop {
                    match events.recv().await {
                        Ok(event) => return Some((Heard(event), events)),
                        Err(broadcast::error::RecvError::Lagged(missed)) => {
                            tracing::warn!(missed, "the door may have missed a message");
                        }
                        Err(broadcast::error::RecvError::Closed) => return None,
                    }
                }
            },
        );
        ctx.add_stream(events);
    }

    fn is_new(&mut self, message: &str) -> bool {
        if self.seen.iter().any(|seen| seen == message) {
            return false;
        }
        if self.seen.len() == SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(message.to_owned());
        true
    }

    fn on_wish(&mut self, wish: Wish, ctx: &mut Context<Self>) {
        let wiring = self.wiring.clone();
        let from = wish.from;
        let check = async move {
            if !may_unlock(&wiring, from).await {
                return (None, Err("you are not on this door's list"));
            }
            let in_call = wiring.slots.calls.ask(WhoIsInCall, super::ASK_LIMIT).await;
            let call = in_call.ok().flatten().filter(|(_, peer)| *peer == from);
            let call = call.map(|(call, _)| call);
            if call.is_none() && wiring.config.door.chat_unlock == ChatUnlock::InCall {
                return (None, Err("only the one in the call may open the door"));
            }
            (call, Ok(()))
        };
        ctx.spawn(
            check
                .into_actor(self)
                .map(move |(call, allowed), door, ctx| {
                    let allowed = match allowed {
                        Ok(()) if !door.has_relay() => Err("this station has no door"),
                        other => other,
                    };
                    match allowed {
                        Ok(()) => {
                            door.pull(from.to_string(), "chat", call, ctx);
                            door.reply(&wish, Ok(()));
                        }
                        Err(reason) => {
                            door.note_refusal(from, "chat", call, reason);
                            // One answer is enough for somebody who does not stop.
                            if door.refusals.refused(Instant::now(), from).is_some() {
                                door.reply(&wish, Err(reason));
                            }
                        }
                    }
                }),
        );
    }

    fn reply(&self, wish: &Wish, result: Result<(), &'static str>) {
        let mut custom = Map::new();
        custom.insert("cubelet".into(), "unlock_result".into());
        custom.insert("ok".into(), Value::from(result.is_ok().to_string()));
        let text = match result {
            Ok(()) => "The door is open.".to_owned(),
            Err(reason) => {
                custom.insert("reason".into(), reason.into());
                format!("The door stays closed: {reason}.")
            }
        };
        let wiring = self.wiring.clone();
        let (from, dialog) = (wish.from, wish.dialog.clone());
        actix::spawn(async move {
            let dialog = shared(&wiring, dialog).await;
            let draft = Draft {
                to: dialog.is_none().then_some(UserRef::Id(from)),
                dialog,
                text,
                custom,
                ..Draft::default()
            };
            if let Err(error) = messages::send(&wiring, draft).await {
                tracing::warn!(%error, "who asked for the door is not answered");
            }
        });
    }
}

/// A dialog that is known to be one of several people: there the answer is for all of them. The
/// dialog of two goes by the other's number, also before this device has heard of it.
async fn shared(wiring: &Wiring, dialog: Option<String>) -> Option<String> {
    let dialog = dialog?;
    let known = wiring.history.dialog(&dialog).await;
    let known = known.inspect_err(|error| {
        tracing::warn!(%error, "the history cannot be asked for a dialog");
    });
    let is_shared = known
        .ok()
        .flatten()
        .is_some_and(|known| known.kind != PRIVATE);
    is_shared.then_some(dialog)
}

impl StreamHandler<Heard> for Door {
    fn handle(&mut self, Heard(event): Heard, ctx: &mut Self::Context) {
        let EventKind::ChatMessage {
            message,
            from,
            dialog,
            text,
            details,
        } = event.kind
        else {
            return;
        };
        let said = text.trim().to_lowercase();
        if !self.wiring.config.door.chat_words.contains(&said) || !self.is_new(&message) {
            return;
        }
        let now = unix_ms() / 1000;
        if now.abs_diff(details.date_sent) > FRESH_S {
            tracing::warn!(from, message, "a message that asks for the door is too old");
            return self.note_refusal(from, "chat", None, "the message is too old");
        }
        self.on_wish(Wish { from, dialog }, ctx);
    }
}
