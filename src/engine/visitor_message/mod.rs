//! The `VisitorMessages` actor: records what a visitor says when nobody answers, and sees to it
//! that it arrives.
//!
//! Invariant: nothing is recorded unless `[visitor_message] enabled = true`, and what was recorded
//! is on the disk until the hub has it, whatever happens to this actor, the device or the network.
//! Must not enter: how a file is recorded (`media::recording`) or uploaded
//! (`engine::attachments`); who is rung.

mod archive;
mod perform;
mod sending;
mod watching;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::future::LocalBoxFuture;

pub use archive::Archive;

use super::command::{CommandError, ErrorCode};
use super::event::{EventKind, VisitorPhase, VisitorTold, unix_ms};
use super::mailbox::MAILBOX_CAPACITY;
use super::state::{CallStatus, VisitorMessageState, VisitorStatus};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::base::object_id::ObjectId;
use crate::call::visitor_message::{Input, Limits, StopReason, VisitorMessage};
use crate::config::device::Tone;
use crate::config::{AudioSource, VideoSource};
use crate::media::announcement::Playback;
use crate::media::recording::{Recorder, RecorderEvent, Recording};
use archive::Note;
use sending::Became;

/// How often the disk is looked at for what is to be sent, and what is to be removed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// When a new life looks a second time: what its predecessor recorded is finished by then.
const SECOND_LOOK: Duration = Duration::from_secs(3);
/// How long a recording under way may take to be finished at shutdown.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// The actor.
pub struct VisitorMessages {
    _life: Life,
    wiring: Wiring,
    archive: Archive,
    current: Option<Current>,
    timer: Option<SpawnHandle>,
    notes: BTreeMap<String, Note>,
    /// Being handed to the upload queue.
    under_way: HashSet<String>,
    /// Called off while their files were being finished.
    forgotten: HashSet<String>,
    /// Ends of messages heard of before they were known here.
    early: VecDeque<(String, Became)>,
    last: Option<String>,
}

/// The message under way.
struct Current {
    id: String,
    ring: Option<String>,
    started: u64,
    machine: VisitorMessage,
    playback: Option<Playback>,
    recorder: Option<Recorder>,
    recording: Option<Recording>,
    fault: Option<String>,
}

supervised!(VisitorMessages, drain = keep_what_was_said);

/// Begin to record a visitor. Gives the message's id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct StartVisitorMessage {
    /// The ring nobody answered, if there was one.
    pub ring: Option<String>,
    /// Why: for the log.
    pub reason: String,
}

/// End the message under way. Gives its id.
#[derive(Message)]
#[rtype(result = "Result<String, CommandError>")]
pub struct EndVisitorMessage {
    /// Whether what was recorded is sent.
    pub keep: bool,
}

/// News of the message under way.
#[derive(Message)]
#[rtype(result = "()")]
struct News {
    id: String,
    what: What,
}

enum What {
    Announced,
    Recorder(RecorderEvent),
}

impl VisitorMessages {
    /// Records nothing.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            archive: wiring.visitor_archive.clone(),
            wiring,
            current: None,
            timer: None,
            notes: BTreeMap::new(),
            under_way: HashSet::new(),
            forgotten: HashSet::new(),
            early: VecDeque::new(),
            last: None,
        }
    }

    fn begin(
        &mut self,
        ring: Option<String>,
        reason: &str,
        ctx: &mut Context<Self>,
    ) -> Result<String, CommandError> {
        self.check()?;
        let config = &self.wiring.config.visitor_message;
        let limits = Limits {
            shortest: archive::SHORTEST,
            longest: Duration::from_secs(config.max_s.into()),
        };
        let is_announced = config.tone != Tone::None;
        let id = ObjectId::generate().to_string();
        let (machine, outputs) = VisitorMessage::begin(Instant::now(), limits, is_announced);
        tracing::info!(id, ring, reason, "a visitor may leave a message");
        self.current = Some(Current {
            id: id.clone(),
            ring,
            started: unix_ms(),
            machine,
            playback: None,
            recorder: None,
            recording: None,
            fault: None,
        });
        self.tell(VisitorPhase::Started, VisitorTold::default());
        self.perform(outputs, ctx);
        Ok(id)
    }

    fn check(&self) -> Result<(), CommandError> {
        let refuse = |code, why: &str| Err(CommandError::new(code, why));
        let config = &self.wiring.config;
        if !config.visitor_message.enabled {
            return refuse(
                ErrorCode::NotAllowed,
                "visitor messages are off: `[visitor_message] enabled`",
            );
        }
        if config.camera.source == VideoSource::None && config.audio.source == AudioSource::None {
            return refuse(
                ErrorCode::Unavailable,
                "there is neither a camera nor a microphone",
            );
        }
        if let Some(current) = &self.current {
            let why = format!("visitor message {} is under way", current.id);
            return refuse(ErrorCode::WrongState, &why);
        }
        let call = self.wiring.board.read(|state| state.call.status);
        if matches!(call, CallStatus::Connecting | CallStatus::Connected) {
            return refuse(ErrorCode::WrongState, "the visitor is in a call");
        }
        let waiting = self.notes.values().filter(|note| is_waiting(note));
        let bytes: u64 = waiting.map(|note| note.bytes).sum();
        if bytes >= self.room() {
            return refuse(
                ErrorCode::Unavailable,
                "the messages not sent yet take all of `[visitor_message] keep_mb`",
            );
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        u64::from(self.wiring.config.visitor_message.keep_mb) << 20
    }

    fn feed(&mut self, input: Input, ctx: &mut Context<Self>) {
        if let Some(current) = &mut self.current {
            let outputs = current.machine.handle(Instant::now(), input);
            self.perform(outputs, ctx);
        }
    }

    fn end(&mut self, input: Input, ctx: &mut Context<Self>) -> Result<String, CommandError> {
        let Some(current) = &self.current else {
            return Err(CommandError::new(
                ErrorCode::WrongState,
                "no visitor message is under way",
            ));
        };
        let id = current.id.clone();
        self.feed(input, ctx);
        Ok(id)
    }

    /// Tells of the message under way.
    fn tell(&self, phase: VisitorPhase, told: VisitorTold) {
        if let Some(current) = &self.current {
            self.wiring.board.publish(EventKind::VisitorMessage {
                phase,
                visitor_message: current.id.clone(),
                ring: current.ring.clone(),
                told,
            });
        }
    }

    fn show(&self) {
        let current = self.current.as_ref();
        let waiting = self.notes.values().filter(|note| is_waiting(note)).count();
        let shown = VisitorMessageState {
            status: current.map_or(VisitorStatus::Idle, |current| {
                VisitorStatus::of(current.machine.phase())
            }),
            visitor_message: current.map(|current| current.id.clone()),
            since: current.map(|current| current.started),
            waiting: waiting as u64,
            last: self.last.clone(),
        };
        self.wiring
            .board
            .update(|state| state.visitor_message = shown);
    }

    /// What was said until the device is switched off is kept, and sent at the next start.
    fn keep_what_was_said(&mut self) -> LocalBoxFuture<'static, ()> {
        if let (Some(current), slot) = (&self.current, self.wiring.slots.visitor_messages.clone()) {
            tracing::info!(
                id = current.id,
                "a visitor message is ended by the shutdown"
            );
            // Undelivered only while this very actor is going.
            let _ = slot.tell(ShutdownNears);
        }
        let mut state = self.wiring.board.watch();
        Box::pin(async move {
            let is_over =
                state.wait_for(|state| state.visitor_message.status == VisitorStatus::Idle);
            if tokio::time::timeout(DRAIN_LIMIT, is_over).await.is_err() {
                tracing::warn!("a visitor message is finished at the next start");
            }
        })
    }
}

/// The hub does not have all of it, and may yet.
fn is_waiting(note: &Note) -> bool {
    matches!(
        note.standing,
        archive::Standing::Recorded | archive::Standing::Queued
    )
}

#[derive(Message)]
#[rtype(result = "()")]
struct ShutdownNears;

impl Handler<ShutdownNears> for VisitorMessages {
    type Result = ();

    fn handle(&mut self, _: ShutdownNears, ctx: &mut Self::Context) {
        self.feed(Input::Stop(StopReason::Shutdown), ctx);
    }
}

impl Actor for VisitorMessages {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.show();
        self.listen(ctx);
        if self.wiring.config.visitor_message.enabled {
            self.look(ctx);
            ctx.run_later(SECOND_LOOK, |actor, ctx| actor.look(ctx));
            ctx.run_interval(LOOK_EVERY, |actor, ctx| actor.look(ctx));
        }
    }
}

impl Handler<StartVisitorMessage> for VisitorMessages {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, start: StartVisitorMessage, ctx: &mut Self::Context) -> Self::Result {
        self.begin(start.ring, &start.reason, ctx)
    }
}

impl Handler<EndVisitorMessage> for VisitorMessages {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, end: EndVisitorMessage, ctx: &mut Self::Context) -> Self::Result {
        let input = match end.keep {
            true => Input::Stop(StopReason::Stopped),
            false => Input::Cancel,
        };
        self.end(input, ctx)
    }
}

impl Handler<News> for VisitorMessages {
    type Result = ();

    fn handle(&mut self, news: News, ctx: &mut Self::Context) {
        let News { id, what } = news;
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.id == id)
        {
            return self.on_news(what, ctx);
        }
        if matches!(what, What::Recorder(RecorderEvent::Finished(_)))
            && self.forgotten.contains(&id)
        {
            self.remove(id);
        }
    }
}
