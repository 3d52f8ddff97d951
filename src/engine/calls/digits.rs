//! Telephone keys pressed in a call: told, and the code of the door; and those sent from here.

use std::time::{Duration, Instant};

use actix::prelude::*;
use serde_json::json;

use super::Calls;
use crate::call::door_code::Judged;
use crate::engine::command::{CommandError, ErrorCode};
use crate::engine::door::{UnlockInCall, WrongCode};
use crate::engine::event::EventKind;
use crate::media::peer::PeerError;
use crate::protocol::address::UserId;
use crate::protocol::telephone_event::Digit;

/// By which way the door was opened, for its log.
const HOW: &str = "code";
/// How long the door may take.
const LIMIT: Duration = Duration::from_secs(5);

impl Calls {
    /// Somebody in the call has pressed a key.
    pub(super) fn on_digit(
        &mut self,
        call: String,
        with: UserId,
        digit: Digit,
        ctx: &mut Context<Self>,
    ) {
        if !self.is_answered_by(&call, with) {
            return;
        }
        let code = &self.wiring.config.door.code;
        self.wiring.board.publish(EventKind::CallDigit {
            call: call.clone(),
            peer: with,
            // Whoever may listen to events shall not thereby learn the code.
            digit: code.is_none().then(|| digit.key()),
        });
        let (Some(code), Some(facts)) = (code, self.facts.get_mut(&call)) else {
            return;
        };
        let entry = facts.codes.entry(with).or_default();
        match entry.take(Instant::now(), digit, code.expose()) {
            Judged::Nothing => {}
            Judged::Right => self.open_by_code(call, with, ctx),
            Judged::Wrong { left } => {
                let wrong = WrongCode {
                    by: with,
                    call,
                    how: HOW,
                    left,
                };
                if let Err(error) = self.wiring.slots.door.tell(wrong) {
                    tracing::warn!(with, %error, "a wrong code is not noted");
                }
            }
        }
    }

    fn open_by_code(&self, call: String, by: UserId, ctx: &mut Context<Self>) {
        let door = self.wiring.slots.door.clone();
        let how = HOW;
        let ask = async move { door.ask(UnlockInCall { by, call, how }, LIMIT).await };
        ctx.spawn(ask.into_actor(self).map(move |outcome, _, _| {
            // A refusal is noted by the door; who presses keys cannot be told.
            if let Err(error) = outcome {
                tracing::warn!(by, %error, "the door does not answer who has its code");
            }
        }));
    }

    /// Presses keys for one participant, or for all who hear them. Gives who does.
    pub(super) fn press(
        &self,
        call: &str,
        user: Option<UserId>,
        digits: &[Digit],
    ) -> Result<serde_json::Value, CommandError> {
        let legs = self.facts.get(call).map(|facts| &facts.legs);
        let mut sent = Vec::new();
        let mut refusal = user.map(|user| {
            let message = format!("user: {user} is not in the call");
            CommandError::new(ErrorCode::NotFound, message)
        });
        for (peer, participant) in legs.into_iter().flatten() {
            if user.is_some_and(|user| user != *peer) {
                continue;
            }
            match participant.leg.send_digits(digits) {
                Ok(()) => sent.push(*peer),
                Err(error) => refusal = Some(refused(*peer, &error)),
            }
        }
        match (sent.is_empty(), refusal) {
            (true, Some(refusal)) => Err(refusal),
            _ => Ok(json!({ "call": call, "users": sent })),
        }
    }
}

fn refused(peer: UserId, error: &PeerError) -> CommandError {
    let message = match error {
        PeerError::TooManyDigits(_) => format!("digits: {error}"),
        _ => format!("user {peer}: {error}"),
    };
    CommandError::new(ErrorCode::WrongState, message)
}
