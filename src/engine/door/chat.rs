//! The door opened by a chat message of somebody on its list.

use std::time::Instant;

use actix::prelude::*;
use serde_json::{Map, Value};

use super::{Door, OUT_OF_ORDER, may_unlock};
use crate::config::ChatUnlock;
use crate::engine::calls::WhoIsInCall;
use crate::engine::chat_command::Draft;
use crate::engine::command::UserRef;
use crate::engine::event::{EventKind, unix_ms};
use crate::engine::messages;
use crate::engine::texting::{FRESH_S, Heard, listen, shared};
use crate::protocol::address::UserId;

/// A message that asks for the door.
struct Wish {
    from: UserId,
    dialog: Option<String>,
}

impl Door {
    pub(super) fn listen_to_chat(&self, ctx: &mut Context<Self>) {
        if self.wiring.config.door.chat_unlock == ChatUnlock::Never {
            return;
        }
        ctx.add_stream(listen(&self.wiring.board, "door"));
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
                            let pulled = door.pull(from.to_string(), "chat", call, ctx);
                            door.reply(&wish, pulled.map_err(|_| OUT_OF_ORDER));
                        }
                        Err(reason) => {
                            door.note_refusal(from.to_string(), "chat", call, reason);
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
        if !self.wiring.config.door.chat_words.contains(&said) || !self.seen.is_new(&message) {
            return;
        }
        let now = unix_ms() / 1000;
        if now.abs_diff(details.date_sent) > FRESH_S {
            tracing::warn!(from, message, "a message that asks for the door is too old");
            return self.note_refusal(from.to_string(), "chat", None, "the message is too old");
        }
        self.on_wish(Wish { from, dialog }, ctx);
    }
}
