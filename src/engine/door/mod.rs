//! The `Door` actor: the relay, and who may pull it.
//!
//! A station without a relay opens the door of the other side: it asks in a system message
//! (`cubelet=unlock`, `session_id`, `request_id`), which this actor answers on the station that
//! has the relay (`cubelet=unlock_result`, `request_id`, `ok`, `reason`). `chat` is the way by a
//! message.
//!
//! Invariant: every attempt, granted or not, leaves an entry in the door's log and an event.
//! Must not enter: who is in a call (that is `Calls`), how a message reaches the hub.

mod chat;
mod relay;

use std::collections::HashMap;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::call::channel_orders::Refusal;
use crate::call::end::EndReason;
use crate::call::refusals::Refusals;
use crate::device::gpio::LineError;
use crate::engine::calls::{HangUpCalls, IsInCall, WhoIsInCall};
use crate::engine::command::{CommandError, ErrorCode};
use crate::engine::event::EventKind;
use crate::engine::mailbox::MAILBOX_CAPACITY;
use crate::engine::records;
use crate::engine::state::CallStatus;
use crate::engine::supervised::{Life, supervised};
use crate::engine::texting::Seen;
use crate::engine::wiring::Wiring;
use crate::protocol::address::UserId;
use relay::Relay;

/// How long the other station may take to answer an unlock request.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How often it is tried again to let go of a relay that did not.
const RELEASE_EVERY: Duration = Duration::from_secs(1);
/// How often a line that could not be taken is tried again.
const OPEN_EVERY: Duration = Duration::from_secs(30);
/// How long `Calls` may take to say who is in a call.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// What somebody outside is told of a relay that does not answer.
const OUT_OF_ORDER: &str = "the door is out of order";

/// Unlock requests under way to other stations.
type Pending = HashMap<String, oneshot::Sender<Result<(), CommandError>>>;

/// The actor.
pub struct Door {
    _life: Life,
    wiring: Wiring,
    relay: Relay,
    relock: Option<SpawnHandle>,
    pending: Pending,
    /// Messages that were looked at: one that is told again after a restart opens nothing.
    seen: Seen,
    refusals: Refusals,
}

supervised!(Door);

/// Open the door, by control: the own relay, or the other side's.
#[derive(Message)]
#[rtype(result = "Result<serde_json::Value, CommandError>")]
pub struct Unlock;

/// Open the door for somebody in a call, who asks by that call itself.
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct UnlockInCall {
    /// Who.
    pub by: UserId,
    /// In which call.
    pub call: String,
    /// By which way, for the log.
    pub how: &'static str,
}

/// Somebody in a call has entered another code than the door's.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WrongCode {
    /// Who.
    pub by: UserId,
    /// In which call.
    pub call: String,
    /// By which way, for the log.
    pub how: &'static str,
    /// How many more are judged in this call.
    pub left: u32,
}

/// Whether somebody may open the door of this station in a call.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct MayUnlock(pub UserId);

/// A system message for the door came in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DoorMessage {
    /// Who sent it.
    pub from: UserId,
    /// Its parameters.
    pub params: HashMap<String, String>,
}

impl Door {
    /// Locked.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            relay: Relay::of(&wiring.config.door.relay),
            wiring,
            relock: None,
            pending: HashMap::new(),
            seen: Seen::default(),
            refusals: Refusals::default(),
        }
    }

    fn has_relay(&self) -> bool {
        self.relay.exists()
    }

    /// Opens the door, or tells why it stays closed; either leaves its traces.
    fn pull(
        &mut self,
        by: String,
        how: &'static str,
        call: Option<String>,
        ctx: &mut Context<Self>,
    ) -> Result<(), LineError> {
        if let Err(error) = self.relay.pull() {
            tracing::error!(by, how, %error, "the door's relay does not answer");
            self.show_fault(Some(&error));
            self.note_refusal(by, how, call, &error.to_string());
            return Err(error);
        }
        self.show_fault(None);
        records::door_attempt(&self.wiring, &by, how, call.clone(), None);
        if let Some(call) = call.clone() {
            self.hang_up_later(call, ctx);
        }
        let pulse = Duration::from_millis(self.wiring.config.door.pulse_ms.into());
        tracing::info!(by, how, ?pulse, "door relay pulled");
        let event = EventKind::DoorUnlocked { by, how, call };
        let now = crate::engine::event::unix_ms();
        self.wiring.board.update(|state| {
            state.door.unlocked = true;
            state.door.last_unlocked = Some(now);
        });
        self.wiring.board.publish(event);
        if let Some(running) = self.relock.take() {
            ctx.cancel_future(running);
        }
        self.relock = Some(ctx.run_later(pulse, Self::lock));
        Ok(())
    }

    /// The pulse is over. A relay that cannot be let go is an open door: it is tried until it can.
    fn lock(&mut self, ctx: &mut Context<Self>) {
        self.relock = match self.relay.release() {
            Ok(()) => {
                self.wiring
                    .board
                    .update(|state| state.door.unlocked = false);
                None
            }
            Err(error) => {
                tracing::error!(%error, "the door may still be open: its relay cannot be let go");
                self.show_fault(Some(&error));
                Some(ctx.run_later(RELEASE_EVERY, Self::lock))
            }
        };
    }

    fn show_fault(&self, error: Option<&LineError>) {
        let fault = error.map(ToString::to_string);
        self.wiring.board.update(|state| state.door.fault = fault);
    }

    /// Takes the line, which lets the relay rest from then on.
    fn take_line(&mut self, ctx: &mut Context<Self>) {
        let taken = self.relay.open();
        if let Err(error) = &taken {
            let known = self.wiring.board.read(|state| state.door.fault.is_some());
            if !known {
                tracing::error!(%error, "the door cannot be opened");
            }
            ctx.run_later(OPEN_EVERY, Self::take_line);
        }
        self.show_fault(taken.as_ref().err());
    }

    /// The visitor is inside: the call has had its purpose.
    fn hang_up_later(&self, call: String, ctx: &mut Context<Self>) {
        let after = self.wiring.config.door.hang_up_after_s;
        if after == 0 {
            return;
        }
        let after = Duration::from_secs(after.into());
        ctx.run_later(after, move |door, _| {
            // A call that is over already is passed over.
            let _ = door.wiring.slots.calls.tell(HangUpCalls {
                calls: vec![call],
                reason: EndReason::HungUp,
            });
        });
    }

    /// The answered call there is, as the board shows it.
    fn present_call(&self) -> Option<String> {
        self.wiring.board.read(|state| {
            let is_answered = matches!(
                state.call.status,
                CallStatus::Connecting | CallStatus::Connected
            );
            state.call.call.clone().filter(|_| is_answered)
        })
    }

    fn answer(&self, to: UserId, request: &str, result: Result<(), String>) {
        let mut params = vec![
            ("cubelet".to_owned(), "unlock_result".to_owned()),
            ("request_id".to_owned(), request.to_owned()),
            ("ok".to_owned(), result.is_ok().to_string()),
        ];
        if let Err(reason) = result {
            params.push(("reason".to_owned(), reason));
        }
        let client = self.wiring.chat.client();
        actix::spawn(async move {
            let params: Vec<(&str, &str)> = params
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            // The asking side has its own time-out.
            if let Err(error) = client.system(to, &params).await {
                tracing::warn!(to, %error, "the answer about the door was not sent");
            }
        });
    }

    fn refuse(&self, to: UserId, request: &str, call: String, reason: &str) {
        self.note_refusal(to.to_string(), "call", Some(call), reason);
        self.answer(to, request, Err(reason.to_owned()));
    }

    fn note_refusal(&self, by: String, how: &'static str, call: Option<String>, reason: &str) {
        records::door_attempt(&self.wiring, &by, how, call, Some(reason));
        self.wiring.board.publish(EventKind::DoorRefused {
            by,
            how,
            reason: reason.to_owned(),
        });
    }
}

impl Actor for Door {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        // A relay left pulled by a former life falls back with this one.
        self.wiring
            .board
            .update(|state| state.door.unlocked = false);
        self.take_line(ctx);
        self.listen_to_chat(ctx);
    }
}

impl Handler<Unlock> for Door {
    type Result = ResponseActFuture<Self, Result<serde_json::Value, CommandError>>;

    fn handle(&mut self, _: Unlock, ctx: &mut Self::Context) -> Self::Result {
        if self.has_relay() {
            let call = self.present_call();
            let pulled = self.pull("control".to_owned(), "control", call, ctx);
            let answer = pulled
                .map(|()| serde_json::json!({ "door": "local" }))
                .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()));
            return Box::pin(fut::ready(answer));
        }
        let wiring = self.wiring.clone();
        let request = uuid::Uuid::new_v4().to_string();
        let (answered, answer) = oneshot::channel();
        self.pending.insert(request.clone(), answered);
        let name = request.clone();
        let ask = async move {
            let (call, peer) = wiring
                .slots
                .calls
                .ask(WhoIsInCall, ASK_LIMIT)
                .await
                .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?
                .ok_or_else(|| {
                    let message = "this device has no relay and is in no call whose door to open";
                    CommandError::new(ErrorCode::WrongState, message)
                })?;
            let params = [
                ("cubelet", "unlock"),
                ("session_id", &call),
                ("request_id", &request),
            ];
            wiring
                .chat
                .client()
                .system(peer, &params)
                .await
                .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?;
            match tokio::time::timeout(ANSWER_LIMIT, answer).await {
                Ok(Ok(result)) => result
                    .map(|()| serde_json::json!({ "door": "remote", "peer": peer, "call": call })),
                _ => Err(CommandError::new(
                    ErrorCode::Timeout,
                    "the other side did not answer",
                )),
            }
        };
        let call = self.present_call();
        Box::pin(ask.into_actor(self).map(
            move |result: Result<serde_json::Value, CommandError>, door, ctx| {
                door.pending.remove(&name);
                let refusal = result.as_ref().err().map(|error| error.message.as_str());
                records::door_attempt(&door.wiring, "control", "remote", call.clone(), refusal);
                if let (Ok(_), Some(call)) = (&result, call) {
                    door.hang_up_later(call, ctx);
                }
                result
            },
        ))
    }
}

impl Handler<DoorMessage> for Door {
    type Result = ();

    fn handle(&mut self, message: DoorMessage, ctx: &mut Self::Context) {
        let DoorMessage { from, params } = message;
        let get = |name: &str| params.get(name).cloned().unwrap_or_default();
        let request = get("request_id");
        match get("cubelet").as_str() {
            "unlock_result" => {
                let Some(waiting) = self.pending.remove(&request) else {
                    return;
                };
                let result = if get("ok") == "true" {
                    Ok(())
                } else {
                    Err(CommandError::new(ErrorCode::NotAllowed, get("reason")))
                };
                // The asker may have given up in this very moment.
                let _ = waiting.send(result);
            }
            "unlock" => self.on_remote_unlock(from, request, get("session_id"), ctx),
            other => tracing::debug!(from, kind = other, "system message not for the door"),
        }
    }
}

impl Handler<MayUnlock> for Door {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, MayUnlock(user): MayUnlock, _: &mut Self::Context) -> Self::Result {
        let wiring = self.wiring.clone();
        let has_relay = self.has_relay();
        Box::pin(async move { has_relay && may_unlock(&wiring, user).await })
    }
}

impl Handler<UnlockInCall> for Door {
    type Result = ResponseActFuture<Self, Result<(), Refusal>>;

    fn handle(&mut self, unlock: UnlockInCall, _: &mut Self::Context) -> Self::Result {
        let UnlockInCall { by, call, how } = unlock;
        let check = check_in_call(self.wiring.clone(), call.clone(), by);
        Box::pin(check.into_actor(self).map(move |checked, door, ctx| {
            if let Err(refusal) = &checked {
                door.note_refusal(by.to_string(), how, Some(call), &refusal.message);
                return checked;
            }
            let pulled = door.pull(by.to_string(), how, Some(call), ctx);
            // What is broken is not the caller's business.
            pulled.map_err(|_| Refusal::new("unavailable", OUT_OF_ORDER))
        }))
    }
}

impl Handler<WrongCode> for Door {
    type Result = ();

    fn handle(&mut self, wrong: WrongCode, _: &mut Self::Context) {
        let reason = match wrong.left {
            0 => "a wrong code, the last one heard in this call",
            _ => "a wrong code",
        };
        tracing::warn!(
            by = wrong.by,
            left = wrong.left,
            "a wrong code for the door"
        );
        self.note_refusal(wrong.by.to_string(), wrong.how, Some(wrong.call), reason);
    }
}

/// Somebody asks to open this door: they must be in this very call and on the list.
async fn check_in_call(wiring: Wiring, call: String, user: UserId) -> Result<(), Refusal> {
    if wiring.config.door.relay == crate::config::Relay::None {
        return Err(Refusal::new("unavailable", "this station has no door"));
    }
    let question = IsInCall { call, user };
    let in_call = wiring.slots.calls.ask(question, ASK_LIMIT).await;
    if !in_call.unwrap_or(false) {
        let message = "only the one in the call may open the door";
        return Err(Refusal::new("wrong_state", message));
    }
    if !may_unlock(&wiring, user).await {
        return Err(Refusal::new(
            "not_allowed",
            "you are not on this door's list",
        ));
    }
    Ok(())
}

impl Door {
    /// Somebody asks by a message of the hub.
    fn on_remote_unlock(
        &mut self,
        from: UserId,
        request: String,
        session: String,
        ctx: &mut Context<Self>,
    ) {
        let check = check_in_call(self.wiring.clone(), session.clone(), from);
        ctx.spawn(
            check
                .into_actor(self)
                .map(move |checked, door, ctx| match checked {
                    Ok(()) => {
                        let pulled = door.pull(from.to_string(), "call", Some(session), ctx);
                        // What is broken is not the caller's business.
                        let told = pulled.map_err(|_| OUT_OF_ORDER.to_owned());
                        door.answer(from, &request, told);
                    }
                    Err(refusal) => door.refuse(from, &request, session, &refusal.message),
                }),
        );
    }
}

/// Whether somebody is on the door's list; an entry that cannot be found out does not match.
async fn may_unlock(wiring: &Wiring, user: UserId) -> bool {
    let list = &wiring.config.door.unlock_allowed;
    let people = wiring.roster.resolved(wiring, list).await;
    people.is_ok_and(|people| people.contains(&user))
}
