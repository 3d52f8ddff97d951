//! A recording begun, followed and ended.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::mpsc;

use super::super::event::{RecordingPhase, RecordingTold, unix_ms};
use super::super::recording_command::RecordSide;
use super::calls::{CallChange, people};
use super::name::{RecordedSide, RecordingName};
use super::{Begun, Current, News, Recordings, StartRecording, Take, notice};
use crate::config::{AudioSource, RecordedCall, VideoSource};
use crate::media::recording::{
    EndedBy, Pictures, RecordError, Recorder, RecorderEvent, RecorderSettings, Recording, Segments,
};

/// A file this large is followed by another …
const SEGMENT_BYTES: u64 = 1 << 30;
/// … and it ends the recording when no key frame comes to begin the next with.
const MAX_BYTES: u64 = 2 << 30;

impl Recordings {
    /// Finishes what a power cut left, and tells of it.
    pub(super) fn recover(&mut self, ctx: &mut Context<Self>) {
        let folder = self.folder.clone();
        let look = tokio::task::spawn_blocking(move || folder.recover());
        ctx.spawn(look.into_actor(self).map(|recovered, actor, _| {
            match recovered {
                Ok(recovered) => {
                    for (name, recovered) in recovered {
                        let told = RecordingTold {
                            file: Some(name.to_string()),
                            duration_s: Some(recovered.duration.as_secs_f64()),
                            bytes: Some(recovered.bytes),
                            reason: Some("recovered".to_owned()),
                        };
                        actor.last = told.file.clone();
                        actor.tell(RecordingPhase::Finished, name, told);
                    }
                }
                Err(error) => tracing::error!(%error, "recordings cut short are not looked at"),
            }
            actor.is_ready = true;
            actor.show();
        }));
    }

    /// Begins a recording; it has been checked that it can be.
    pub(super) fn begin(&mut self, side: RecordSide, longest: Duration, is_of_call: bool) -> Begun {
        let began = unix_ms();
        let sides = [
            (RecordedSide::Door, side.has_door()),
            (RecordedSide::Remote, side.has_remote()),
        ];
        let sides = sides.into_iter().filter(|(_, wanted)| *wanted);
        let takes = sides.map(|(side, _)| {
            let name = RecordingName::first(began, side);
            Take {
                name,
                recorder: Some(self.start(name, longest)),
                is_started: false,
                ended_by: None,
                files: 0,
            }
        });
        let current = Current {
            began,
            takes: takes.collect(),
            is_of_call,
            is_told: self.call.is_on(),
        };
        let people = match self.call.is_on() {
            true => self.wiring.board.read(people),
            false => Vec::new(),
        };
        notice::tell(&self.wiring, people);
        let begun = Begun {
            recording: current.id(),
            files: current
                .takes
                .iter()
                .map(|take| take.name.to_string())
                .collect(),
        };
        tracing::info!(recording = begun.recording, ?side, ?longest, "recording");
        self.current = Some(current);
        self.show();
        begun
    }

    fn start(&mut self, name: RecordingName, longest: Duration) -> Recorder {
        let config = &self.wiring.config;
        let (pictures, has_sound) = match name.side {
            RecordedSide::Door => (
                match config.camera.source {
                    VideoSource::None => Pictures::None,
                    _ => Pictures::H264,
                },
                config.audio.source != AudioSource::None,
            ),
            // What does not come is left out.
            RecordedSide::Remote => (Pictures::AsSent, true),
        };
        let settings = RecorderSettings {
            file: self.folder.file(name),
            pictures,
            sound: has_sound,
            max_duration: longest,
            max_bytes: MAX_BYTES,
            segments: Some(Segments {
                length: Duration::from_secs(config.recording.segment_s.into()),
                bytes: SEGMENT_BYTES,
            }),
            min_free: u64::from(config.recording.min_free_mb) << 20,
        };
        let (events, mut received) = mpsc::unbounded_channel();
        let (video, audio) = match name.side {
            RecordedSide::Door => (&self.wiring.video, &self.wiring.audio),
            RecordedSide::Remote => (&self.wiring.far_side.video, &self.wiring.far_side.audio),
        };
        let before = match name.side {
            RecordedSide::Door => self.pre_roll.take(),
            RecordedSide::Remote => None,
        };
        let recorder = match before {
            Some(before) => Recorder::go_on(settings, before, events),
            None => Recorder::start(settings, video, audio, events),
        };
        let slot = self.wiring.slots.recordings.clone();
        actix::spawn(async move {
            while let Some(event) = received.recv().await {
                // A new life finds the file.
                let _ = slot.tell(News { name, event });
            }
        });
        recorder
    }

    /// Ends the recordings of these sides.
    pub(super) fn end(&mut self, reason: &'static str, which: impl Fn(RecordedSide) -> bool) {
        let Some(current) = &mut self.current else {
            return;
        };
        for take in &mut current.takes {
            if which(take.name.side)
                && let Some(recorder) = take.recorder.take()
            {
                take.ended_by = Some(reason);
                recorder.finish();
            }
        }
        self.show();
    }

    /// The call began or ended.
    pub(super) fn on_call(&mut self, change: CallChange, ctx: &mut Context<Self>) {
        match change {
            CallChange::Began(people) => {
                let side = match self.wiring.config.calls.record {
                    None => None,
                    Some(RecordedCall::Door) => Some(RecordSide::Door),
                    Some(RecordedCall::Remote) => Some(RecordSide::Remote),
                    Some(RecordedCall::Both) => Some(RecordSide::Both),
                };
                if let Some(current) = &mut self.current {
                    // What is recorded already, they are in now.
                    current.is_told = true;
                    notice::tell(&self.wiring, people);
                } else if let Some(side) = side {
                    self.record_call(side, ctx);
                }
            }
            CallChange::Ended => {
                let is_of_call = self.current.as_ref().is_some_and(|one| one.is_of_call);
                self.end("call_ended", |side| {
                    is_of_call || side == RecordedSide::Remote
                });
                if let Some(current) = &mut self.current {
                    current.is_told = false;
                }
            }
        }
    }

    fn record_call(&mut self, side: RecordSide, ctx: &mut Context<Self>) {
        let start = StartRecording {
            seconds: None,
            side,
        };
        ctx.spawn(self.rotate().map(move |(), actor: &mut Self, _| {
            // It may be over meanwhile, or something else be recorded.
            match actor.check(&start) {
                Ok(longest) => {
                    actor.begin(side, longest, true);
                }
                Err(refusal) => tracing::warn!(%refusal, "a call is not recorded"),
            }
        }));
    }

    pub(super) fn on_news(&mut self, name: RecordingName, event: RecorderEvent) {
        let current = self.current.as_mut();
        let takes = current.map(|current| &mut current.takes);
        // A new life knows nothing of what its predecessor began; its files are there.
        let Some(take) = takes.and_then(|all| all.iter_mut().find(|take| take.name == name)) else {
            return;
        };
        match event {
            RecorderEvent::Progress { .. } => {}
            RecorderEvent::Started => {
                take.is_started = true;
                let told = RecordingTold {
                    file: Some(name.to_string()),
                    ..RecordingTold::default()
                };
                self.tell(RecordingPhase::Started, name, told);
                self.show();
            }
            RecorderEvent::Segment(recording) => self.file_done(name, &recording),
            RecorderEvent::Finished(recording) => {
                self.file_done(name, &recording);
                self.over(name);
            }
            RecorderEvent::Failed(error) => self.failed(name, &error),
        }
    }

    /// A file is there.
    fn file_done(&mut self, first: RecordingName, recording: &Recording) {
        let Some(take) = self.take(first) else {
            return;
        };
        take.files += 1;
        let reason = match recording.ended_by {
            EndedBy::Stopped => take.ended_by.unwrap_or("stopped"),
            EndedBy::MaxDuration => "limit",
            EndedBy::MaxBytes => "size",
            EndedBy::DiskFull => "disk_full",
            EndedBy::DiskFailed => "disk_failed",
            EndedBy::FormatChanged => "format_changed",
            EndedBy::Segment => "segment",
        };
        let name = RecordingName {
            part: take.files,
            ..first
        };
        if recording.lost > 0 {
            tracing::warn!(pictures = recording.lost, file = %name, "a recording has gaps");
        }
        let told = RecordingTold {
            file: Some(name.to_string()),
            duration_s: Some(recording.duration.as_secs_f64()),
            bytes: Some(recording.bytes),
            reason: Some(reason.to_owned()),
        };
        self.last = Some(name.to_string());
        self.tell(RecordingPhase::Finished, name, told);
        self.show();
    }

    fn failed(&mut self, name: RecordingName, error: &RecordError) {
        let Some(take) = self.take(name) else {
            return;
        };
        // Its last file was begun, and nothing came for it.
        let is_whole = take.files > 0 && *error == RecordError::Discarded;
        if !is_whole {
            let reason = match error {
                // It was told to end before anything came.
                RecordError::Discarded => "nothing was recorded until it was stopped".to_owned(),
                error => error.to_string(),
            };
            tracing::error!(reason, file = %name, "a recording fails");
            let told = RecordingTold {
                reason: Some(reason),
                ..RecordingTold::default()
            };
            self.tell(RecordingPhase::Failed, name, told);
        }
        self.over(name);
    }

    fn take(&mut self, name: RecordingName) -> Option<&mut Take> {
        let current = self.current.as_mut()?;
        current.takes.iter_mut().find(|take| take.name == name)
    }

    /// One side is done, and with the last the recording.
    fn over(&mut self, name: RecordingName) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.takes.retain(|take| take.name != name);
        if current.takes.is_empty() {
            if current.is_told {
                notice::end(&self.wiring);
            }
            self.current = None;
            self.keep_what_was_before();
        }
        self.show();
    }
}
