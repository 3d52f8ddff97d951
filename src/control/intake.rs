//! From an arriving message to a verdict: ignore it, answer it at once, or execute it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::lanes::Lane;
use super::notes::Notes;
use super::payload::{self, Envelope};
use super::rate::Rates;
use super::requester::{Access, Requester, Way};
use super::timing::{self, Timing};
use super::topics::{Addressed, Audience, Order, Topics};
use super::window::{Ended, Fingerprint, Key, ReplyTo, Seen, Ticket, Window};
use crate::config::Control;
use crate::engine::command::{Command, CommandError, ErrorCode};
use crate::engine::journal::ControlEntry;
use crate::protocol::call_signal::CallType;

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retained: bool,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Bytes>,
    /// The user property `requester`.
    pub(super) requester: Option<String>,
    /// For how many more seconds it is worth delivering (MQTT 5 message expiry).
    pub(super) expiry_s: Option<u32>,
    /// When it came by the device's clock, Unix milliseconds.
    pub(super) unix_ms: u64,
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
    /// It is retained and therefore refused, without a reply.
    Retained,
    /// Execute, then call [`Intake::complete`].
    Execute(Ticket, Box<Accepted>),
}

/// A command that is to be executed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Accepted {
    pub(super) command: Command,
    pub(super) terms: Terms,
}

/// How a command is to be executed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    pub(super) requester: Requester,
    pub(super) lane: Lane,
    /// Wait so long: several devices got it at once.
    pub(super) delay: Duration,
    /// Not after this.
    pub(super) deadline: Option<Instant>,
    /// What makes another the same; none without an id.
    pub(super) key: Option<(Key, Fingerprint)>,
    /// Whether it changes something, and is remembered on the disk.
    pub(super) is_kept: bool,
}

/// Decides about arriving messages. Bounded in memory, whatever arrives.
#[derive(Debug)]
pub(super) struct Intake {
    topics: Arc<Topics>,
    device: String,
    access: Access,
    call_type: CallType,
    jitter: Duration,
    max_age: Duration,
    rates: Rates,
    window: Window,
    notes: Notes,
    /// What runs, for the log.
    running: HashMap<Ticket, ControlEntry>,
}

impl Intake {
    pub(super) fn new(
        topics: Topics,
        device: &str,
        control: &Control,
        call_type: CallType,
    ) -> Self {
        Self {
            topics: Arc::new(topics),
            device: device.to_owned(),
            access: Access::new(control),
            call_type,
            jitter: Duration::from_millis(control.group_jitter_ms.into()),
            max_age: Duration::from_secs(control.max_age_s.into()),
            rates: Rates::new(control.rate_per_s),
            window: Window::default(),
            notes: Notes::default(),
            running: HashMap::new(),
        }
    }

    /// Takes over an answer of before a restart; without an age it counts from now on.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        key: Key,
        fingerprint: Fingerprint,
        body: Value,
        age: Option<Duration>,
    ) {
        let age = age.unwrap_or_default();
        self.window.remember(now, key, fingerprint, body, age);
    }

    /// What is to be put into the log since the last call.
    pub(super) fn take_notes(&mut self) -> Vec<ControlEntry> {
        self.notes.take()
    }

    /// Decides about a message.
    pub(super) fn arrive(&mut self, now: Instant, arrival: Arrival) -> Verdict {
        let topics = Arc::clone(&self.topics);
        let Some(addressed) = topics.read(&arrival.topic) else {
            return Verdict::Ignore("it is no command topic");
        };
        let named = Requester::of(
            addressed.requester,
            arrival.requester.as_deref(),
            arrival.response_topic.as_deref(),
        );
        let (requester, named) = match named {
            Ok(requester) => (requester, Ok(())),
            Err(rule) => {
                let requester = Requester {
                    way: Way::Unnamed,
                    name: String::new(),
                };
                (requester, Err(payload::invalid(rule)))
            }
        };
        let mut entry = ControlEntry {
            requester: requester.name.clone(),
            way: requester.way.name().to_owned(),
            topic: topics.below_base(&arrival.topic).to_owned(),
            ..ControlEntry::default()
        };
        if arrival.retained && arrival.payload.is_empty() {
            return Verdict::Ignore("somebody cleared a retained order");
        }
        if arrival.retained {
            // It may be years old, and would come again after every reconnection.
            entry.outcome = "retained".to_owned();
            entry.reason = Some("orders must not be retained; clear it on the broker".to_owned());
            self.notes.refused(now, entry);
            return Verdict::Retained;
        }
        let names_device = addressed.audience != Audience::Device;
        let own_reply = ReplyTo {
            topic: topics.reply(&addressed),
            correlation: None,
            names_device,
        };
        let (to, steered) = match &arrival.response_topic {
            None => (own_reply, false),
            Some(topic) if topics.may_reply_to(topic) => {
                let to = ReplyTo {
                    topic: topic.clone(),
                    correlation: arrival.correlation.clone(),
                    names_device,
                };
                (to, false)
            }
            Some(_) => (own_reply, true),
        };
        let split = payload::split(&arrival.payload);
        let id = split
            .as_ref()
            .map_or(Value::Null, |(_, envelope)| envelope.id.clone());
        entry.request = (!id.is_null()).then(|| id.to_string());
        // A broken payload costs as much as a sound one.
        let judged = if self.rates.take(now, &requester) {
            named.and_then(|()| self.judge(now, &requester, &addressed, steered, &arrival, split))
        } else {
            Err(too_fast())
        };
        match judged {
            Ok(accepted) => {
                let key = accepted.terms.key.clone();
                match self.window.enter(now, key, id.clone(), to.clone()) {
                    Seen::New(ticket) => {
                        self.running.insert(ticket, entry);
                        Verdict::Execute(ticket, Box::new(accepted))
                    }
                    Seen::Running => Verdict::Wait,
                    Seen::Answered(body) => Verdict::Answer(self.reply(to, body)),
                    Seen::Different => {
                        let error =
                            payload::invalid("id: was used for a command with other fields");
                        self.refuse(now, entry, to, &id, &error)
                    }
                    Seen::Full => {
                        let message = "too many commands are running";
                        let error = CommandError::new(ErrorCode::Unavailable, message);
                        self.refuse(now, entry, to, &id, &error)
                    }
                }
            }
            Err(error) => self.refuse(now, entry, to, &id, &error),
        }
    }

    /// The command with its terms, or why it is refused.
    fn judge(
        &mut self,
        now: Instant,
        requester: &Requester,
        addressed: &Addressed<'_>,
        steered: bool,
        arrival: &Arrival,
        split: Result<(Map<String, Value>, Envelope), CommandError>,
    ) -> Result<Accepted, CommandError> {
        let (fields, envelope) = split?;
        let to_several = addressed.audience != Audience::Device;
        // Only what has an id can come again.
        let fingerprint = (!envelope.id.is_null())
            .then(|| Sha256::digest(Value::Object(fields.clone()).to_string()).into());
        let command = match addressed.order {
            Order::Command(verb) => {
                if !payload::is_verb(verb) {
                    let message = "there is no such command";
                    return Err(CommandError::new(ErrorCode::UnknownCommand, message));
                }
                self.access.permit(requester, &[verb], to_several)?;
                payload::parse(verb, fields, self.call_type)?
            }
            Order::Setting(part) => {
                let setting = payload::setting(part, &fields)?;
                self.access.permit(requester, &setting.needs(), false)?;
                Command::Set(setting)
            }
        };
        if steered {
            return Err(payload::invalid(
                "the response topic is malformed or belongs to a device",
            ));
        }
        let name = addressed.order.name();
        let lane = Lane::of(&name);
        let key = fingerprint.map(|fingerprint| {
            let id = envelope.id.to_string();
            (Key { verb: name, id }, fingerprint)
        });
        let timing = Timing {
            ts: envelope.ts,
            expires: envelope.expires,
            expiry_s: arrival.expiry_s,
        };
        let is_known = key
            .as_ref()
            .is_some_and(|(key, _)| self.window.knows(now, key));
        // A retry of what was carried out in time is answered as it was, however late.
        let lifetime = match timing.lifetime(arrival.unix_ms, self.max_age) {
            Err(error) if !is_known => return Err(error),
            lifetime => lifetime.ok().flatten(),
        };
        let delay = if to_several {
            timing::jitter(&self.device, &envelope.id, self.jitter)
        } else {
            Duration::ZERO
        };
        let terms = Terms {
            requester: requester.clone(),
            lane,
            delay,
            deadline: lifetime.map(|lifetime| now + lifetime),
            key,
            is_kept: lane != Lane::Free,
        };
        Ok(Accepted { command, terms })
    }

    fn refuse(
        &mut self,
        now: Instant,
        mut entry: ControlEntry,
        to: ReplyTo,
        id: &Value,
        error: &CommandError,
    ) -> Verdict {
        entry.outcome = code_of(error);
        entry.reason = Some(error.message.clone());
        self.notes.refused(now, entry);
        Verdict::Answer(self.reply(to, failure(id, error)))
    }

    fn reply(&self, to: ReplyTo, mut body: Value) -> Answer {
        if to.names_device {
            body["device"] = Value::from(self.device.as_str());
        }
        Answer { to, body }
    }

    /// The outcome of an executed command, for everybody who waits for it, and what is to be kept
    /// of it. Nothing if it was completed before.
    pub(super) fn complete(
        &mut self,
        now: Instant,
        ticket: Ticket,
        outcome: &Result<Value, CommandError>,
    ) -> Option<(Vec<Answer>, Ended)> {
        let body = |id: &Value| match outcome {
            Ok(details) => success(id, details),
            Err(error) => failure(id, error),
        };
        let ended = self.window.answer(now, ticket, body)?;
        if let Some(mut entry) = self.running.remove(&ticket) {
            match outcome {
                Ok(_) => entry.outcome = "ok".to_owned(),
                Err(error) => {
                    entry.outcome = code_of(error);
                    entry.reason = Some(error.message.clone());
                }
            }
            self.notes.ended(entry);
        }
        let answers = ended
            .waiters
            .iter()
            .map(|to| self.reply(to.clone(), ended.body.clone()))
            .collect();
        Some((answers, ended))
    }

    /// The commands not yet completed.
    pub(super) fn running(&self) -> Vec<Ticket> {
        self.window.running()
    }
}

fn too_fast() -> CommandError {
    CommandError::new(
        ErrorCode::RateLimited,
        "more commands than [control] rate_per_s permits, of this requester or of all",
    )
}

fn code_of(error: &CommandError) -> String {
    match serde_json::to_value(error.code) {
        Ok(Value::String(code)) => code,
        // A code is an enum without fields, which has no other form.
        _ => String::new(),
    }
}

/// A reply that refuses.
pub(super) fn failure(id: &Value, error: &CommandError) -> Value {
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
