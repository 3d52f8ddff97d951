//! What happens around a message: who answers, what rings, and how the recordings of earlier
//! visitors get on.

use actix::prelude::*;
use tokio::sync::broadcast::error::RecvError;

use super::super::event::{CallPhase, Direction, EventKind, VisitorPhase, VisitorTold, unix_ms};
use super::archive::{Keep, Note, Standing};
use super::sending::{self, Became};
use super::{VisitorMessages, is_waiting};
use crate::call::visitor_message::{Input, StopReason};

/// Ends of messages remembered while a recording is handed over.
const EARLY_MOST: usize = 64;

impl VisitorMessages {
    /// Follows the board for as long as this life lasts.
    pub(super) fn listen(&self, ctx: &mut Context<Self>) {
        let events = self.wiring.board.events();
        let stream = futures::stream::unfold(events, |mut events| async move {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((event.kind, events)),
                    // What was missed of messages is looked up in the history.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        ctx.add_stream(Box::pin(stream));
    }

    fn on_event(&mut self, event: &EventKind, ctx: &mut Context<Self>) {
        match event {
            EventKind::Call {
                phase, direction, ..
            } => {
                if let (CallPhase::Answered, _) | (CallPhase::Ringing, Direction::Incoming) =
                    (phase, direction)
                {
                    self.feed(Input::Stop(StopReason::Answered), ctx);
                }
            }
            EventKind::ButtonPressed { .. } => {
                self.feed(Input::Stop(StopReason::Button), ctx);
            }
            EventKind::ChatSent { message } => self.on_message(message, Became::Sent, None, ctx),
            EventKind::ChatRefused { message, reason } => {
                self.on_message(message, Became::Refused, Some(reason), ctx);
            }
            EventKind::ChatUpload {
                message,
                status: "refused",
                reason,
                ..
            } => self.on_message(message, Became::Refused, reason.as_deref(), ctx),
            _ => {}
        }
    }

    /// Looks at the disk: takes up what is there, hands over what waits, removes what may go.
    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
        let archive = self.archive.clone();
        let mut not_ours = self.forgotten.clone();
        not_ours.extend(self.current.as_ref().map(|current| current.id.clone()));
        let keep = Keep {
            days: self.wiring.config.visitor_message.keep_days,
            bytes: self.room(),
        };
        let scan = async move {
            tokio::task::spawn_blocking(move || {
                let mut notes = archive.scan(&not_ours);
                archive.tidy(&mut notes, unix_ms(), keep);
                notes
            })
            .await
        };
        ctx.spawn(
            scan.into_actor(self)
                .map(|scanned, actor, ctx| match scanned {
                    Ok(notes) => actor.take_up(notes, ctx),
                    Err(error) => tracing::error!(%error, "looking for recordings"),
                }),
        );
    }

    fn take_up(
        &mut self,
        found: std::collections::BTreeMap<String, Note>,
        ctx: &mut Context<Self>,
    ) {
        let begun = self.current.as_ref().map(|current| current.id.clone());
        self.notes
            .retain(|id, _| found.contains_key(id) || self.under_way.contains(id));
        for (id, note) in found {
            // One begun after the scan began is nobody's yet; one known may be further on here.
            if begun.as_ref() != Some(&id) {
                self.notes.entry(id).or_insert(note);
            }
        }
        self.send_recorded(ctx);
        self.ask_after_queued(ctx);
        self.show();
    }

    /// Hands every recording that waits for it to the upload queue.
    pub(super) fn send_recorded(&mut self, ctx: &mut Context<Self>) {
        let waiting: Vec<Note> = self
            .notes
            .values()
            .filter(|note| note.standing == Standing::Recorded)
            .filter(|note| !self.under_way.contains(&note.id))
            .cloned()
            .collect();
        for note in waiting {
            let (wiring, archive) = (self.wiring.clone(), self.archive.clone());
            let id = note.id.clone();
            self.under_way.insert(id.clone());
            let queued = async move { sending::queue(&wiring, &archive, note).await };
            ctx.spawn(queued.into_actor(self).map(move |queued, actor, ctx| {
                actor.under_way.remove(&id);
                match queued {
                    Ok(note) => {
                        actor.notes.insert(id, note);
                        for (message, became) in std::mem::take(&mut actor.early) {
                            actor.on_message(&message, became, None, ctx);
                        }
                        actor.ask_after_queued(ctx);
                    }
                    // The next look tries again.
                    Err(error) => tracing::warn!(%error, id, "a visitor message waits"),
                }
                actor.show();
            }));
        }
    }

    /// Messages may have been sent while nobody listened.
    fn ask_after_queued(&mut self, ctx: &mut Context<Self>) {
        let asked: Vec<String> = self
            .notes
            .values()
            .filter(|note| note.standing == Standing::Queued)
            .flat_map(|note| &note.messages)
            .filter(|addressed| !addressed.is_sent)
            .map(|addressed| addressed.message.clone())
            .collect();
        for message in asked {
            let wiring = self.wiring.clone();
            let answer = async move {
                let became = sending::became_of(&wiring, &message).await;
                (message, became)
            };
            ctx.spawn(
                answer
                    .into_actor(self)
                    .map(|(message, became), actor, ctx| {
                        if let Some(became) = became {
                            actor.on_message(&message, became, None, ctx);
                        }
                    }),
            );
        }
    }

    fn on_message(
        &mut self,
        message: &str,
        became: Became,
        reason: Option<&str>,
        ctx: &mut Context<Self>,
    ) {
        let carries = |note: &&mut Note| {
            is_waiting(note) && note.messages.iter().any(|one| one.message == message)
        };
        let Some(note) = self.notes.values_mut().find(carries) else {
            // It may be one of a recording that is just being handed over.
            if !self.under_way.is_empty() && self.early.len() < EARLY_MOST {
                self.early.push_back((message.to_owned(), became));
            }
            return;
        };
        for addressed in &mut note.messages {
            addressed.is_sent |= addressed.message == message && became == Became::Sent;
        }
        let phase = match became {
            Became::Refused => {
                note.standing = Standing::Refused;
                VisitorPhase::Failed
            }
            Became::Sent if note.messages.iter().all(|one| one.is_sent) => {
                note.standing = Standing::Sent;
                VisitorPhase::Sent
            }
            Became::Sent => {
                let note = note.clone();
                return self.save(note, ctx);
            }
        };
        let note = note.clone();
        self.wiring.board.publish(EventKind::VisitorMessage {
            phase,
            visitor_message: note.id.clone(),
            ring: note.ring.clone(),
            told: VisitorTold {
                reason: reason.map(str::to_owned),
                duration_s: Some(note.duration_ms as f64 / 1_000.0),
                bytes: Some(note.bytes),
                messages: note
                    .messages
                    .iter()
                    .map(|one| one.message.clone())
                    .collect(),
            },
        });
        self.save(note, ctx);
        self.show();
    }

    /// Writes a note down, then removes what may go.
    fn save(&mut self, note: Note, ctx: &mut Context<Self>) {
        let archive = self.archive.clone();
        let saved = async move { tokio::task::spawn_blocking(move || archive.save(&note)).await };
        ctx.spawn(saved.into_actor(self).map(|saved, actor, ctx| {
            if !matches!(saved, Ok(Ok(()))) {
                // At worst the hub is asked again what became of it.
                tracing::warn!("what became of a visitor message is not noted");
            }
            actor.look(ctx);
        }));
    }
}

impl StreamHandler<EventKind> for VisitorMessages {
    fn handle(&mut self, event: EventKind, ctx: &mut Context<Self>) {
        self.on_event(&event, ctx);
    }

    /// The board outlives every actor; its end is the device's.
    fn finished(&mut self, _: &mut Context<Self>) {}
}
