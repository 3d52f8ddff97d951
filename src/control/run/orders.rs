//! An order's way in and its answer's way out.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Controller, Phase};
use crate::control::execution::Outcome;
use crate::control::intake::{Accepted, Answer, Arrival, Verdict};
use crate::control::lanes::Lane;
use crate::control::message::Message;
use crate::control::window::Ticket;
use crate::engine::command::{CommandError, ErrorCode, Reply};
use crate::engine::event::{Event, EventKind, unix_ms};
use crate::engine::journal::ControlEntry;

impl Controller {
    pub(super) fn on_order(&mut self, arrival: Arrival) {
        let topic = arrival.topic.clone();
        match self.intake.arrive(std::time::Instant::now(), arrival) {
            Verdict::Ignore(reason) => tracing::warn!(topic, reason, "message ignored"),
            Verdict::Answer(answer) => self.reply(&answer),
            Verdict::Wait => {}
            Verdict::Retained => tracing::warn!(
                topic,
                "a retained order is not carried out; clear it on the broker"
            ),
            Verdict::Execute(ticket, accepted) => self.execute(&topic, ticket, *accepted),
        }
        self.write_notes();
    }

    fn execute(&mut self, topic: &str, ticket: Ticket, accepted: Accepted) {
        if self.phase != Phase::Serving {
            let message = "the device is shutting down";
            let error = CommandError::new(ErrorCode::Unavailable, message);
            return self.on_finished(vec![(ticket, Err(error))]);
        }
        tracing::info!(topic, "command");
        self.execution.begin(ticket, accepted);
    }

    /// Puts what intake noted into the log, and tells what somebody should look into.
    fn write_notes(&mut self) {
        for mut entry in self.intake.take_notes() {
            entry.at = unix_ms();
            if entry.outcome == "retained" || entry.outcome == "not_allowed" {
                let ControlEntry {
                    requester,
                    way,
                    topic,
                    outcome,
                    reason,
                    ..
                } = entry.clone();
                self.queue_event(&Event::now(EventKind::ControlRefused {
                    topic,
                    requester,
                    way,
                    code: outcome,
                    reason: reason.unwrap_or_default(),
                }));
            }
            self.execution.note(entry);
        }
    }

    /// Answers what the engine is done with. The state they all led to goes out before them: who
    /// reads a reply finds it.
    pub(super) fn on_finished(&mut self, finished: Vec<(Ticket, Outcome)>) {
        let mut outcomes = Vec::with_capacity(finished.len());
        for (ticket, outcome) in finished {
            let outcome = match outcome {
                Ok(Reply::Json(details)) => Ok(details),
                Ok(Reply::Jpeg(picture)) => self.publish_snapshot(picture),
                Err(error) => Err(error),
            };
            if let Err(error) = &outcome {
                tracing::info!(code = ?error.code, "command refused");
            }
            outcomes.push((ticket, outcome));
        }
        let is_due = self.state_due.is_some() || matches!(self.port.state.has_changed(), Ok(true));
        if is_due && self.online.is_some() {
            self.publish_state();
        }
        let now = std::time::Instant::now();
        for (ticket, outcome) in outcomes {
            let Some((answers, ended)) = self.intake.complete(now, ticket, &outcome) else {
                continue;
            };
            if let Some((key, fingerprint)) = &ended.key
                && Lane::of(&key.verb) != Lane::Free
            {
                self.execution.answered(key, fingerprint, &ended.body);
            }
            for answer in answers {
                self.reply(&answer);
            }
        }
        self.write_notes();
    }

    pub(super) fn publish_snapshot(&mut self, picture: Bytes) -> Result<Value, CommandError> {
        let message = Message::snapshot(self.topics.snapshot(), picture);
        let most = self.outbox.packet_max();
        if message.packet_size() > most {
            return Err(CommandError::new(
                ErrorCode::Unavailable,
                format!(
                    "the picture has {} bytes, the broker takes packets of at most {most}",
                    message.payload.len()
                ),
            ));
        }
        let details = json!({ "topic": message.topic, "bytes": message.payload.len() });
        self.outbox.push(message);
        Ok(details)
    }

    fn reply(&mut self, answer: &Answer) {
        self.outbox.push(Message::reply(answer));
        self.count_dropped();
    }
}
