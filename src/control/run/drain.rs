//! The end of serving, in order: running commands, queued messages, `offline`, DISCONNECT, all of
//! it within a bound.

use std::time::Duration;

use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::Instant;

use super::{Controller, Phase};
use crate::control::link::Link;
use crate::control::message::Message;
use crate::engine::command::{CommandError, ErrorCode};

/// How long a shutdown may take in all; running commands get the first part of it, queued
/// messages the second, `offline` and the farewell the rest.
const DRAIN_MAX: Duration = Duration::from_secs(3);
const DRAIN_COMMANDS: Duration = Duration::from_secs(1);
const DRAIN_QUEUE: Duration = Duration::from_secs(2);

impl Controller {
    pub(super) fn begin_drain(&mut self) {
        loop {
            match self.port.events.try_recv() {
                Ok(event) => self.queue_event(&event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if self.online.is_some() {
            self.publish_state();
        }
        let began = Instant::now();
        self.phase = Phase::Draining { began };
    }

    /// Takes the next step of a shutdown when it is due: commands end, the queue empties,
    /// `offline` is acknowledged, DISCONNECT is out.
    pub(super) fn advance_drain(&mut self) {
        match self.phase {
            Phase::Serving | Phase::Done => {}
            _ if self.online.is_none() => self.phase = Phase::Done,
            Phase::Draining { began } => {
                if !self.execution.is_idle() && began.elapsed() < DRAIN_COMMANDS {
                    return;
                }
                self.execution.clear();
                let cut_off = |ticket| {
                    let message = "the device shut down; whether it was carried out is not known";
                    let error = CommandError::new(ErrorCode::Unavailable, message);
                    (ticket, Err(error))
                };
                let running = self.intake.running();
                self.on_finished(running.into_iter().map(cut_off).collect());
                self.pump();
                if self.outbox.is_empty() || began.elapsed() >= DRAIN_QUEUE {
                    self.outbox
                        .push(Message::availability(self.topics.availability(), "offline"));
                    self.phase = Phase::Leaving { began };
                    self.pump();
                }
            }
            Phase::Leaving { began } if self.outbox.is_empty() => {
                self.phase = Phase::Farewell { began };
                if !self.link.as_ref().is_some_and(Link::disconnect) {
                    self.phase = Phase::Done;
                }
            }
            // Closing without farewell makes the broker publish `offline` for us.
            Phase::Leaving { began } | Phase::Farewell { began } => {
                if began.elapsed() >= DRAIN_MAX {
                    tracing::warn!("the broker did not take the last messages in time");
                    self.phase = Phase::Done;
                }
            }
        }
    }

    /// When a shutdown needs its next look even if nothing happens.
    pub(super) fn drain_tick(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving | Phase::Done => None,
            Phase::Draining { began } if !self.execution.is_idle() => Some(began + DRAIN_COMMANDS),
            Phase::Draining { began } => Some(began + DRAIN_QUEUE),
            Phase::Leaving { began } | Phase::Farewell { began } => Some(began + DRAIN_MAX),
        }
    }
}
