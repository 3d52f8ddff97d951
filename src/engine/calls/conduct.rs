//! What is done to a call that people talk in.

use std::time::Instant;

use actix::prelude::*;
use serde_json::json;

use super::Calls;
use super::facts::{HOLD_KEY, MAX_BANDWIDTH_KEY};
use super::messages::{InCall, Operation};
use crate::call::session::{Input, MAX_PEOPLE, Role, UserInfo};
use crate::engine::command::{CommandError, ErrorCode};
use crate::protocol::address::UserId;

type Details = Result<serde_json::Value, CommandError>;

impl Handler<InCall> for Calls {
    type Result = Details;

    fn handle(&mut self, InCall(operation): InCall, ctx: &mut Self::Context) -> Details {
        let call = self
            .registry
            .answered()
            .map(|session| session.id().to_owned())
            .ok_or_else(|| wrong("nobody is in a call"))?;
        let tell = match operation {
            Operation::Invite(user) => return self.invite(&call, user, ctx),
            Operation::Reconnect => {
                self.feed(&call, Input::NetworkChanged, ctx);
                return Ok(json!({ "call": call }));
            }
            Operation::Digits { user, digits } => return self.press(&call, user, &digits),
            Operation::Tell(info) => Some(info),
            Operation::Ignore { user, audio, video } => {
                self.ignore(&call, user, audio, video)?;
                None
            }
            Operation::Mute { audio, video } => self.change(&call, |facts| {
                facts.muted.set(audio, video);
                let muted = facts.muted;
                Some(info(&[
                    ("mute_audio", flag(muted.audio)),
                    ("mute_video", flag(muted.video)),
                ]))
            }),
            Operation::Hold(held) => self.change(&call, |facts| {
                facts.held = held;
                Some(info(&[(HOLD_KEY, flag(held))]))
            }),
            Operation::Limit(kbps) => self.change(&call, |facts| {
                facts.limit_kbps = kbps;
                let told = kbps.unwrap_or(0).to_string();
                Some(info(&[(MAX_BANDWIDTH_KEY, told)]))
            }),
        };
        if let Some(facts) = self.facts.get(&call) {
            facts.apply(&self.wiring.config.calls);
        }
        if let Some(info) = tell {
            self.feed(&call, Input::Tell(info), ctx);
        }
        self.show();
        let facts = self.facts.get(&call);
        Ok(json!({
            "call": call,
            "muted": facts.map(|facts| facts.muted),
            "held": facts.map(|facts| facts.held),
            "limit_kbps": facts.and_then(|facts| facts.limit_kbps),
        }))
    }
}

impl Calls {
    fn change(
        &mut self,
        call: &str,
        change: impl FnOnce(&mut super::facts::CallFacts) -> Option<UserInfo>,
    ) -> Option<UserInfo> {
        self.facts.get_mut(call).and_then(change)
    }

    fn ignore(
        &mut self,
        call: &str,
        user: Option<UserId>,
        audio: Option<bool>,
        video: Option<bool>,
    ) -> Result<(), CommandError> {
        let Some(facts) = self.facts.get_mut(call) else {
            return Ok(());
        };
        if let Some(user) = user
            && !facts.legs.contains_key(&user)
        {
            let message = format!("user: {user} is not in the call");
            return Err(CommandError::new(ErrorCode::NotFound, message));
        }
        for (peer, participant) in &mut facts.legs {
            if user.is_none_or(|user| user == *peer) {
                participant.ignored.set(audio, video);
            }
        }
        Ok(())
    }

    fn invite(&mut self, call: &str, user: UserId, ctx: &mut Context<Self>) -> Details {
        let Some(session) = self.registry.get(call) else {
            return Err(wrong("the call is over"));
        };
        if session.role() != Role::Caller {
            return Err(wrong(
                "only who started a call can invite more: phones take invitations of nobody else",
            ));
        }
        if !session.has_room_for(user) {
            let message = format!(
                "the user is in the call already, or {MAX_PEOPLE} people are, which is the most"
            );
            return Err(wrong(message));
        }
        let call_type = session.call_type();
        let outputs = self
            .registry
            .handle(Instant::now(), call, Input::Invite(user));
        self.perform_all(outputs, ctx);
        self.wake(vec![user], call, call_type);
        Ok(json!({ "call": call, "user": user }))
    }
}

fn wrong(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::WrongState, message)
}

fn flag(on: bool) -> String {
    u8::from(on).to_string()
}

fn info(entries: &[(&str, String)]) -> UserInfo {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}
