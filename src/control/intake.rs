//! From an arriving message to a verdict: ignore it, answer it at once, or execute it.

use std::collections::HashSet;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::payload;
use super::rate::TokenBucket;
use super::topics::Topics;
use super::window::{Key, ReplyTo, Seen, Ticket, Window};
use crate::config::Control;
use crate::engine::command::{Command, CommandError, ErrorCode};
use crate::protocol::call_signal::CallType;

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retained: bool,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Bytes>,
}

/// A reply on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) to: ReplyTo,
    pub(super) body: Value,
}

/// What to do about a message.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing; the reason is for the log.
    Ignore(&'static str),
    /// Send this.
    Answer(Answer),
    /// The same command is running; its answer will go here too.
    Wait,
    /// Execute, then call [`Intake::complete`].
    Execute(Ticket, Command),
}

/// Decides about arriving messages. Bounded in memory, whatever arrives.
#[derive(Debug)]
pub(super) struct Intake {
    topics: Topics,
    allowed: HashSet<String>,
    test_commands: bool,
    call_type: CallType,
    bucket: TokenBucket,
    window: Window,
}

impl Intake {
    pub(super) fn new(topics: Topics, control: &Control, call_type: CallType) -> Self {
        Self {
            topics,
            allowed: control.commands.iter().cloned().collect(),
            test_commands: control.test_commands,
            call_type,
            bucket: TokenBucket::new(control.rate_per_s),
            window: Window::default(),
        }
    }

    /// Decides about a message.
    pub(super) fn arrive(&mut self, now: Instant, arrival: Arrival) -> Verdict {
        let Some(verb) = self.topics.verb(&arrival.topic).map(str::to_owned) else {
            return Verdict::Ignore("it is no command topic");
        };
        if arrival.retained {
            // It may be years old, and would come again after every reconnection.
            return Verdict::Ignore("commands must not be retained; clear it on the broker");
        }
        let own_reply = ReplyTo {
            topic: self.topics.reply(&verb),
            correlation: None,
        };
        let (to, steered) = match arrival.response_topic {
            None => (own_reply, false),
            Some(topic) if self.topics.may_reply_to(&topic) => {
                let correlation = arrival.correlation;
                (ReplyTo { topic, correlation }, false)
            }
            Some(_) => (own_reply, true),
        };
        let (fields, id) = match payload::split(&arrival.payload) {
            Ok(split) => split,
            Err(error) => {
                // A broken payload costs as much as a sound one.
                let error = if self.bucket.take(now) {
                    error
                } else {
                    too_fast()
                };
                return refuse(to, &Value::Null, &error);
            }
        };
        if !self.bucket.take(now) {
            return refuse(to, &id, &too_fast());
        }
        if let Err(error) = self.permit(&verb, steered) {
            return refuse(to, &id, &error);
        }
        let command = match payload::parse(&verb, fields, self.call_type) {
            Ok(command) => command,
            Err(error) => return refuse(to, &id, &error),
        };
        let key = (!id.is_null()).then(|| {
            let id = id.to_string();
            (Key { verb, id }, Sha256::digest(&arrival.payload).into())
        });
        match self.window.enter(now, key, id.clone(), to.clone()) {
            Seen::New(ticket) => Verdict::Execute(ticket, command),
            Seen::Running => Verdict::Wait,
            Seen::Answered(body) => Verdict::Answer(Answer { to, body }),
            Seen::Different => refuse(
                to,
                &id,
                &payload::invalid("id: was used for a command with other fields"),
            ),
            Seen::Full => refuse(
                to,
                &id,
                &CommandError::new(ErrorCode::Unavailable, "too many commands are running"),
            ),
        }
    }

    fn permit(&self, verb: &str, steered: bool) -> Result<(), CommandError> {
        if !payload::is_verb(verb) {
            let message = "there is no such command";
            return Err(CommandError::new(ErrorCode::UnknownCommand, message));
        }
        if verb == "kill" && !self.test_commands {
            let message = "[control] test_commands does not permit it";
            return Err(CommandError::new(ErrorCode::NotAllowed, message));
        }
        if verb != "kill" && !self.allowed.contains(verb) {
            let message = "[control] commands does not permit it";
            return Err(CommandError::new(ErrorCode::NotAllowed, message));
        }
        if steered {
            return Err(payload::invalid(
                "the response topic is malformed or belongs to a device",
            ));
        }
        Ok(())
    }

    /// The outcome of an executed command, for everybody who waits for it. Nothing if it was
    /// completed before.
    pub(super) fn complete(
        &mut self,
        now: Instant,
        ticket: Ticket,
        outcome: &Result<Value, CommandError>,
    ) -> Vec<Answer> {
        let body = |id: &Value| match outcome {
            Ok(details) => success(id, details),
            Err(error) => failure(id, error),
        };
        let Some((body, waiters)) = self.window.answer(now, ticket, body) else {
            return Vec::new();
        };
        waiters
            .into_iter()
            .map(|to| Answer {
                to,
                body: body.clone(),
            })
            .collect()
    }

    /// The commands not yet completed.
    pub(super) fn running(&self) -> Vec<Ticket> {
        self.window.running()
    }
}

fn too_fast() -> CommandError {
    CommandError::new(
        ErrorCode::RateLimited,
        "more commands than [control] rate_per_s permits",
    )
}

fn refuse(to: ReplyTo, id: &Value, error: &CommandError) -> Verdict {
    Verdict::Answer(Answer {
        to,
        body: failure(id, error),
    })
}

fn failure(id: &Value, error: &CommandError) -> Value {
    json!({
        "id": id,
        "ok": false,
        "error": { "code": error.code, "message": error.message },
    })
}

/// `id` and `ok` first, then the details; details that are no object become `result`.
fn success(id: &Value, details: &Value) -> Value {
    let mut body = json!({ "id": id, "ok": true });
    match details {
        Value::Null => {}
        Value::Object(details) => {
            for (key, value) in details {
                if key != "id" && key != "ok" {
                    body[key] = value.clone();
                }
            }
        }
        other => body["result"] = other.clone(),
    }
    body
}

#[cfg(test)]
mod tests;
