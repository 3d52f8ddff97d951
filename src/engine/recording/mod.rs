//! The `Recordings` actor: camera and microphone recorded when somebody orders it.
//!
//! `name` reads and writes file names, `folder` is what lies on the disk, `rotation` what leaves
//! it; `perform` begins and ends recordings, `keeping` sees to what was before and what stays,
//! `calls` follows the call that is recorded, `notice` tells those who are.
//!
//! Invariant: nothing is recorded unless `[recording] enabled = true`; every recording is bounded,
//! and each ends in an event. No name of a file comes from the network.
//! Must not enter: how a file is recorded (`media::recording`); who may order it.

mod calls;
mod folder;
mod keeping;
mod name;
mod notice;
mod perform;
mod rotation;

use std::time::Duration;

use actix::prelude::*;
use futures::future::LocalBoxFuture;

pub use folder::{Kept, RecordingFolder};
pub use name::RecordedSide;

use super::command::{CommandError, ErrorCode};
use super::event::{EventKind, RecordingPhase, RecordingTold};
use super::mailbox::MAILBOX_CAPACITY;
use super::recording_command::RecordSide;
use super::state::{RecordingState, RecordingStatus};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::config::{AudioSource, VideoSource};
use crate::media::recording::{PreRoll, Recorder, RecorderEvent};
use calls::CallWatch;
use name::RecordingName;

/// How long a recording under way may take to be finished at shutdown.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// The actor.
pub struct Recordings {
    _life: Life,
    wiring: Wiring,
    folder: RecordingFolder,
    /// What a power cut left has been looked at.
    is_ready: bool,
    current: Option<Current>,
    /// What happened just before; handed to the recording that begins.
    pre_roll: Option<PreRoll>,
    call: CallWatch,
    last: Option<String>,
}

/// The recording under way.
struct Current {
    /// When it began, Unix milliseconds.
    began: u64,
    takes: Vec<Take>,
    /// It goes with the call.
    is_of_call: bool,
    /// Those in the call have been told.
    is_told: bool,
}

/// One side being recorded.
struct Take {
    /// Its first file.
    name: RecordingName,
    /// Gone once it was told to finish.
    recorder: Option<Recorder>,
    is_started: bool,
    /// What ends it; none while nothing has.
    ended_by: Option<&'static str>,
    /// Files finished so far.
    files: u32,
}

impl Current {
    fn id(&self) -> String {
        RecordingName::first(self.began, RecordedSide::Door).id()
    }

    fn status(&self) -> RecordingStatus {
        if self.takes.iter().all(|take| take.recorder.is_none()) {
            RecordingStatus::Finishing
        } else if self.takes.iter().any(|take| take.is_started) {
            RecordingStatus::Recording
        } else {
            RecordingStatus::Starting
        }
    }
}

supervised!(Recordings, drain = keep_what_was_recorded);

/// Begin a recording. Gives its id and the names of its files.
#[derive(Message)]
#[rtype(result = "Result<Begun, CommandError>")]
pub struct StartRecording {
    /// For so long at most; none is as long as the configuration allows.
    pub seconds: Option<u32>,
    /// What.
    pub side: RecordSide,
}

/// A recording that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub recording: String,
    /// The names its first files will have.
    pub files: Vec<String>,
}

/// End the recording under way. Gives its id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct StopRecording;

/// News of the recording under way.
#[derive(Message)]
#[rtype(result = "()")]
struct News {
    name: RecordingName,
    event: RecorderEvent,
}

#[derive(Message)]
#[rtype(result = "()")]
struct ShutdownNears;

impl Recordings {
    /// Records nothing.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            folder: wiring.recordings.clone(),
            wiring,
            is_ready: false,
            current: None,
            pre_roll: None,
            call: CallWatch::default(),
            last: None,
        }
    }

    /// How long it may be; refuses what cannot be recorded now.
    fn check(&self, start: &StartRecording) -> Result<Duration, CommandError> {
        let refuse = |code, why: &str| Err(CommandError::new(code, why));
        let config = &self.wiring.config;
        if !config.recording.enabled {
            return refuse(
                ErrorCode::NotAllowed,
                "recordings are off: `[recording] enabled`",
            );
        }
        let has_source =
            config.camera.source != VideoSource::None || config.audio.source != AudioSource::None;
        if start.side.has_door() && !has_source {
            return refuse(
                ErrorCode::Unavailable,
                "there is neither a camera nor a microphone",
            );
        }
        if start.side.has_remote() && !self.call.is_on() {
            return refuse(
                ErrorCode::WrongState,
                "side: there is no call whose other side could be recorded",
            );
        }
        let most = config.recording.max_s;
        let seconds = start.seconds;
        if let Some(seconds) = seconds.filter(|seconds| *seconds > most) {
            let rule =
                format!("seconds: {seconds} are more than `[recording] max_s`, which is {most}");
            return refuse(ErrorCode::InvalidPayload, &rule);
        }
        if let Some(current) = &self.current {
            let why = format!("recording {} is under way", current.id());
            return refuse(ErrorCode::WrongState, &why);
        }
        if !self.is_ready {
            return refuse(
                ErrorCode::Unavailable,
                "what was cut short at the last stop is still being finished",
            );
        }
        Ok(Duration::from_secs(seconds.unwrap_or(most).into()))
    }

    fn tell(&self, phase: RecordingPhase, name: RecordingName, told: RecordingTold) {
        self.wiring.board.publish(EventKind::Recording {
            phase,
            recording: name.id(),
            side: name.side,
            told,
        });
    }

    fn show(&self) {
        let current = self.current.as_ref();
        let shown = RecordingState {
            status: current.map_or(RecordingStatus::Idle, Current::status),
            recording: current.map(Current::id),
            since: current.map(|current| current.began),
            sides: current.map_or_else(Vec::new, |current| {
                current.takes.iter().map(|take| take.name.side).collect()
            }),
            last: self.last.clone(),
        };
        self.wiring.board.update(|state| state.recording = shown);
    }

    /// What was recorded until the device is switched off is kept.
    fn keep_what_was_recorded(&mut self) -> LocalBoxFuture<'static, ()> {
        if self.current.is_some() {
            // Undelivered only while this very actor is going.
            let _ = self.wiring.slots.recordings.tell(ShutdownNears);
        }
        let mut state = self.wiring.board.watch();
        Box::pin(async move {
            let is_over = state.wait_for(|state| state.recording.status == RecordingStatus::Idle);
            if tokio::time::timeout(DRAIN_LIMIT, is_over).await.is_err() {
                tracing::warn!("a recording is finished at the next start");
            }
        })
    }
}

impl Actor for Recordings {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.show();
        self.recover(ctx);
        self.keep_room(ctx);
        self.keep_what_was_before();
        ctx.add_stream(self.wiring.live.sources());
        let state = self.wiring.board.watch();
        ctx.add_stream(futures::stream::unfold(state, |mut state| async move {
            state.changed().await.ok()?;
            Some((StateChanged, state))
        }));
    }
}

impl Handler<StartRecording> for Recordings {
    type Result = ResponseActFuture<Self, Result<Begun, CommandError>>;

    fn handle(&mut self, start: StartRecording, _: &mut Self::Context) -> Self::Result {
        if let Err(refusal) = self.check(&start) {
            return Box::pin(fut::ready(Err(refusal)));
        }
        // Room first: the recorder begins nothing on a disk that has none.
        let begun = self.rotate().map(move |(), actor: &mut Self, _| {
            // Another may have begun meanwhile.
            let longest = actor.check(&start)?;
            Ok(actor.begin(start.side, longest, false))
        });
        Box::pin(begun)
    }
}

impl Handler<StopRecording> for Recordings {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, _: StopRecording, _: &mut Self::Context) -> Self::Result {
        match &self.current {
            Some(current) => {
                let id = current.id();
                self.end("stopped", |_| true);
                Ok(id)
            }
            None => Err(CommandError::new(
                ErrorCode::WrongState,
                "no recording is under way",
            )),
        }
    }
}

impl Handler<ShutdownNears> for Recordings {
    type Result = ();

    fn handle(&mut self, _: ShutdownNears, _: &mut Self::Context) {
        self.end("shutdown", |_| true);
    }
}

impl Handler<News> for Recordings {
    type Result = ();

    fn handle(&mut self, news: News, _: &mut Self::Context) {
        self.on_news(news.name, news.event);
    }
}

struct StateChanged;

impl StreamHandler<StateChanged> for Recordings {
    fn handle(&mut self, _: StateChanged, ctx: &mut Self::Context) {
        // Twice at most: the end of one call, and the beginning of another.
        while let Some(change) = self.wiring.board.read(|state| self.call.see(state)) {
            self.on_call(change, ctx);
        }
    }

    /// The device ends.
    fn finished(&mut self, _: &mut Self::Context) {}
}
