//! What the state machine orders, done: the tone, the recorder, the note on the disk.

use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::mpsc;

use super::super::attachments::MAX_FILE;
use super::super::event::{VisitorPhase, VisitorTold};
use super::archive::{Note, Standing};
use super::{News, VisitorMessages, What, sending};
use crate::call::visitor_message::{Input, Outcome, Output, Phase, StopReason};
use crate::config::VideoSource;
use crate::config::device::Tone;
use crate::media::announcement::{self, Announcement};
use crate::media::recording::{
    EndedBy, Pictures, RecordError, Recorder, RecorderEvent, RecorderSettings, Recording,
};

/// What the index at the file's end may take of the largest upload.
const INDEX_ROOM: u64 = 2 << 20;
/// What stays free on the disk for everything else that keeps its state there.
const MIN_FREE: u64 = 64 << 20;

impl VisitorMessages {
    pub(super) fn perform(&mut self, outputs: Vec<Output>, ctx: &mut Context<Self>) {
        for output in outputs {
            match output {
                Output::Announce => self.announce(),
                Output::Silence => {
                    if let Some(current) = &mut self.current {
                        current.playback = None;
                    }
                }
                Output::Record => self.record(),
                Output::Finish => {
                    if let Some(recorder) = self.take_recorder() {
                        recorder.finish();
                    }
                }
                Output::Discard => self.discard(),
                Output::Store => self.store(ctx),
                Output::Phase(phase) => self.on_phase(phase, ctx),
            }
        }
        self.arm_timer(ctx);
        self.show();
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let deadline = self
            .current
            .as_ref()
            .and_then(|current| current.machine.deadline());
        if let Some(at) = deadline {
            let delay = at.saturating_duration_since(Instant::now());
            self.timer = Some(ctx.run_later(delay, |actor, ctx| {
                actor.timer = None;
                actor.feed(Input::Tick, ctx);
            }));
        }
    }

    fn announce(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        let announcement = match &self.wiring.config.visitor_message.tone {
            Tone::File(path) => Announcement::File(path.clone()),
            Tone::Default | Tone::None => Announcement::Tone(announcement::Tone::Notice),
        };
        let (playback, done) = announcement.play(&[&self.wiring.loudspeaker]);
        current.playback = Some(playback);
        let (slot, id) = (
            self.wiring.slots.visitor_messages.clone(),
            current.id.clone(),
        );
        actix::spawn(async move {
            match done.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the visitor heard no tone"),
                Err(_) => tracing::warn!("no thread plays the tone"),
            }
            // A new life knows nothing of this message.
            let _ = slot.tell(News {
                id,
                what: What::Announced,
            });
        });
    }

    fn record(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.playback = None;
        let config = &self.wiring.config;
        let camera = &config.camera;
        let has_camera = camera.source != VideoSource::None;
        let settings = RecorderSettings {
            file: self.archive.file(&current.id),
            pictures: match has_camera {
                true => Pictures::H264,
                false => Pictures::None,
            },
            sound: config.audio.source != crate::config::AudioSource::None,
            max_duration: Duration::from_secs(config.visitor_message.max_s.into()),
            max_bytes: MAX_FILE - INDEX_ROOM,
            segments: None,
            min_free: MIN_FREE,
        };
        let (events, mut received) = mpsc::unbounded_channel();
        current.recorder = Some(Recorder::start(
            settings,
            &self.wiring.video,
            &self.wiring.audio,
            events,
        ));
        let (slot, id) = (
            self.wiring.slots.visitor_messages.clone(),
            current.id.clone(),
        );
        actix::spawn(async move {
            while let Some(event) = received.recv().await {
                // A new life finds the file.
                let _ = slot.tell(News {
                    id: id.clone(),
                    what: What::Recorder(event),
                });
            }
        });
    }

    fn take_recorder(&mut self) -> Option<Recorder> {
        self.current.as_mut()?.recorder.take()
    }

    fn discard(&mut self) {
        if let Some(recorder) = self.take_recorder() {
            recorder.discard();
        } else if let Some(current) = &self.current {
            // A recorder that finishes its file takes no second order: what it leaves is removed,
            // now if it has ended, else when it says so.
            self.forgotten.insert(current.id.clone());
            self.remove(current.id.clone());
        }
    }

    /// Removes a recording from the disk.
    pub(super) fn remove(&self, id: String) {
        let archive = self.archive.clone();
        actix::spawn(async move {
            let removed = tokio::task::spawn_blocking(move || archive.remove(&id)).await;
            if let Err(error) = removed {
                tracing::error!(%error, "removing a recording");
            }
        });
    }

    pub(super) fn on_news(&mut self, what: What, ctx: &mut Context<Self>) {
        let input = match what {
            What::Announced => Input::Announced,
            What::Recorder(RecorderEvent::Started) => Input::RecorderStarted,
            What::Recorder(RecorderEvent::Progress { .. }) => return,
            // A message is one file.
            What::Recorder(
                RecorderEvent::Segment(recording) | RecorderEvent::Finished(recording),
            ) => self.finished(recording),
            What::Recorder(RecorderEvent::Failed(error)) => {
                if error != RecordError::Discarded {
                    tracing::error!(%error, "a visitor message is not recorded");
                }
                if let Some(current) = &mut self.current {
                    current.recorder = None;
                    current.fault = Some(error.to_string());
                }
                Input::RecorderFailed
            }
        };
        self.feed(input, ctx);
    }

    fn finished(&mut self, recording: Recording) -> Input {
        let input = Input::RecorderFinished {
            duration: recording.duration,
            at_limit: matches!(recording.ended_by, EndedBy::MaxDuration | EndedBy::MaxBytes),
        };
        if let Some(current) = &mut self.current {
            current.recorder = None;
            current.recording = Some(recording);
        }
        input
    }

    fn store(&mut self, ctx: &mut Context<Self>) {
        let Some(current) = &self.current else { return };
        let Some(recording) = &current.recording else {
            return;
        };
        let note = Note {
            id: current.id.clone(),
            ring: current.ring.clone(),
            started: current.started,
            duration_ms: recording.duration.as_millis() as u64,
            bytes: recording.bytes,
            standing: Standing::Recorded,
            messages: Vec::new(),
        };
        let (archive, written) = (self.archive.clone(), note.clone());
        let saved = async move {
            let saving = tokio::task::spawn_blocking(move || archive.save(&written));
            match saving.await {
                Ok(saved) => saved.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        };
        ctx.spawn(saved.into_actor(self).map(move |saved, actor, ctx| {
            let input = match saved {
                Ok(()) => {
                    actor.notes.insert(note.id.clone(), note);
                    Input::Stored
                }
                Err(error) => {
                    tracing::error!(error, "a visitor message is not noted");
                    if let Some(current) = &mut actor.current {
                        current.fault = Some(error);
                    }
                    Input::NotStored
                }
            };
            actor.feed(input, ctx);
        }));
    }

    fn on_phase(&mut self, phase: Phase, ctx: &mut Context<Self>) {
        match phase {
            Phase::Recording => {
                self.tell(VisitorPhase::Recording, VisitorTold::default());
                let config = &self.wiring.config;
                if config.visitor_message.snapshot && config.camera.source != VideoSource::None {
                    let wiring = self.wiring.clone();
                    let current = self.current.as_ref();
                    let started = current.map_or(0, |current| current.started);
                    let after_ring = current.is_some_and(|current| current.ring.is_some());
                    actix::spawn(async move {
                        sending::send_picture(&wiring, started, after_ring).await;
                    });
                }
            }
            Phase::Ended(outcome) => self.ended(outcome, ctx),
            Phase::Announcing | Phase::Starting | Phase::Finishing | Phase::Storing => {}
        }
    }

    fn ended(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        let Some(current) = &self.current else { return };
        let stopped_by = current.machine.stopped_by().map(StopReason::name);
        let (phase, reason) = match outcome {
            Outcome::Stored => (VisitorPhase::Stored, stopped_by.map(str::to_owned)),
            Outcome::Cancelled | Outcome::TooShort | Outcome::Answered => {
                (VisitorPhase::Cancelled, Some(outcome.name().to_owned()))
            }
            Outcome::Failed(_) => {
                let fault = current.fault.as_deref();
                let reason = match fault {
                    Some(fault) => format!("{outcome}: {fault}"),
                    None => outcome.name().to_owned(),
                };
                (VisitorPhase::Failed, Some(reason))
            }
        };
        let recording = (outcome == Outcome::Stored)
            .then_some(current.recording.as_ref())
            .flatten();
        let told = VisitorTold {
            reason,
            duration_s: recording.map(|recording| recording.duration.as_secs_f64()),
            bytes: recording.map(|recording| recording.bytes),
            messages: Vec::new(),
        };
        self.tell(phase, told);
        self.last = Some(outcome.name().to_owned());
        self.current = None;
        self.send_recorded(ctx);
    }
}
