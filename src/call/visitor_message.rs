//! A message a visitor leaves when nobody answers: the tone, the recording, what ends it and what
//! becomes of it (PC-67).
//!
//! ```text
//! Announcing ──► Starting ──► Recording ──► Finishing ──► Storing ──► Ended(Stored)
//!      └── stopped, cancelled ──────┴── nothing came, too short, failed ──► Ended(…)
//! ```
//!
//! A stored message leaves on its own, however long that takes: the next visitor does not wait for
//! the upload of the last one's.
//!
//! **It always ends, never records for longer than allowed, and gives back the recorder and the
//! loudspeaker before it does.**

use std::fmt;
use std::time::{Duration, Instant};

/// The longest an announcement is waited for.
pub const ANNOUNCEMENT_LIMIT: Duration = Duration::from_secs(62);
/// How long the camera and the microphone may take to give something.
pub const START_LIMIT: Duration = Duration::from_secs(15);
/// How long finishing the file may take on a slow disk.
pub const FINISH_LIMIT: Duration = Duration::from_secs(30);
/// How much longer than allowed the recorder may take to end by itself.
const OVERTIME: Duration = Duration::from_secs(1);

/// How long a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Shorter ones are nobody's message, and are not kept.
    pub shortest: Duration,
    /// The recording ends by itself after so long.
    pub longest: Duration,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The visitor is told that a recording begins.
    Announcing,
    /// The recorder waits for its first picture.
    Starting,
    /// It records.
    Recording,
    /// The file is being finished.
    Finishing,
    /// It is handed to the outbox.
    Storing,
    /// It is over.
    Ended(Outcome),
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept and on its way.
    Stored,
    /// It was called off; nothing is kept.
    Cancelled,
    /// It was ended before a word could be said; nothing is kept.
    TooShort,
    /// Somebody answered before the recording began.
    Answered,
    /// There is none, because of a fault.
    Failed(Fault),
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing came from camera or microphone in time.
    NothingCame,
    /// The recorder gave up.
    Recorder,
    /// The file was not finished in time; it is found at the next start.
    NotFinished,
    /// The recording could not be noted as a message; it is tried again at the next start.
    NotStored,
    /// The device is shutting down.
    Shutdown,
}

/// Why a recording ended with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Told to.
    Stopped,
    /// The visitor pressed the button again.
    Button,
    /// Somebody answered, or calls the door.
    Answered,
    /// The longest time, or the room for one message, is used up.
    Limit,
    /// The recorder could not go on.
    Recorder,
    /// The device is shutting down.
    Shutdown,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The announcement is over, or could not be played.
    Announced,
    /// The first frame is in.
    RecorderStarted,
    /// The file is there, so long.
    RecorderFinished {
        /// Its length.
        duration: Duration,
        /// Whether it ended because it was as long or as large as it may be.
        at_limit: bool,
    },
    /// There is no file.
    RecorderFailed,
    /// The recording is noted as a message.
    Stored,
    /// It is not.
    NotStored,
    /// End it and keep it.
    Stop(StopReason),
    /// End it and forget it.
    Cancel,
    /// Time has passed.
    Tick,
}

/// What the shell has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Play the announcement; [`Input::Announced`] tells of its end.
    Announce,
    /// Stop the announcement if it still plays.
    Silence,
    /// Begin to record.
    Record,
    /// Have the recorder finish its file.
    Finish,
    /// Have the recorder remove its file, or remove the finished one.
    Discard,
    /// Note the recording as a message.
    Store,
    /// It has come to another phase; [`Phase::Ended`] is the last.
    Phase(Phase),
}

/// One message, from the tone to the outbox.
#[derive(Clone, Debug)]
pub struct VisitorMessage {
    limits: Limits,
    phase: Phase,
    deadline: Option<Instant>,
    stopped_by: Option<StopReason>,
    length: Duration,
}

impl VisitorMessage {
    /// Begins one, with or without an announcement.
    pub fn begin(now: Instant, limits: Limits, is_announced: bool) -> (Self, Vec<Output>) {
        let mut message = Self {
            limits,
            phase: Phase::Announcing,
            deadline: None,
            stopped_by: None,
            length: Duration::ZERO,
        };
        let mut outputs = Vec::new();
        message.enter(
            Phase::Announcing,
            Some(now + ANNOUNCEMENT_LIMIT),
            &mut outputs,
        );
        if is_announced {
            outputs.push(Output::Announce);
        } else {
            message.start(now, &mut outputs);
        }
        (message, outputs)
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When [`Input::Tick`] is due; none once it has ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why the recording ended, once it has.
    pub fn stopped_by(&self) -> Option<StopReason> {
        self.stopped_by
    }

    /// The recording's length, once it is finished.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Takes an input; gives what follows from it. What makes no sense in the present phase
    /// changes nothing.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match (self.phase, input) {
            (Phase::Ended(_), _) => {}
            (_, Input::Tick) => self.tick(now, &mut outputs),

            (Phase::Announcing, Input::Announced) => self.start(now, &mut outputs),
            (Phase::Announcing, Input::Stop(reason)) => {
                outputs.push(Output::Silence);
                self.end(before_recording(reason), &mut outputs);
            }
            (Phase::Announcing, Input::Cancel) => {
                outputs.push(Output::Silence);
                self.end(Outcome::Cancelled, &mut outputs);
            }

            (Phase::Starting, Input::RecorderStarted) => {
                let ends = now + self.limits.longest + OVERTIME;
                self.enter(Phase::Recording, Some(ends), &mut outputs);
            }
            (Phase::Starting, Input::Stop(reason)) => {
                outputs.push(Output::Discard);
                self.end(before_recording(reason), &mut outputs);
            }

            (Phase::Recording, Input::Stop(reason)) => self.stop(now, reason, &mut outputs),

            (
                Phase::Starting | Phase::Recording | Phase::Finishing,
                Input::RecorderFinished { duration, at_limit },
            ) => {
                self.stopped_by.get_or_insert(if at_limit {
                    StopReason::Limit
                } else {
                    StopReason::Recorder
                });
                self.length = duration;
                if duration < self.limits.shortest {
                    outputs.push(Output::Discard);
                    self.end(Outcome::TooShort, &mut outputs);
                } else {
                    self.enter(Phase::Storing, Some(now + FINISH_LIMIT), &mut outputs);
                    outputs.push(Output::Store);
                }
            }
            (Phase::Starting, Input::RecorderFailed) => {
                self.end(Outcome::Failed(Fault::NothingCame), &mut outputs);
            }
            (Phase::Recording | Phase::Finishing, Input::RecorderFailed) => {
                self.end(Outcome::Failed(Fault::Recorder), &mut outputs);
            }
            (Phase::Starting | Phase::Recording | Phase::Finishing, Input::Cancel) => {
                outputs.push(Output::Discard);
                self.end(Outcome::Cancelled, &mut outputs);
            }

            (Phase::Storing, Input::Stored) => self.end(Outcome::Stored, &mut outputs),
            (Phase::Storing, Input::NotStored) => {
                self.end(Outcome::Failed(Fault::NotStored), &mut outputs);
            }
            _ => {}
        }
        outputs
    }

    fn start(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        self.enter(Phase::Starting, Some(now + START_LIMIT), outputs);
        outputs.push(Output::Record);
    }

    fn stop(&mut self, now: Instant, reason: StopReason, outputs: &mut Vec<Output>) {
        self.stopped_by = Some(reason);
        outputs.push(Output::Finish);
        self.enter(Phase::Finishing, Some(now + FINISH_LIMIT), outputs);
    }

    fn tick(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Announcing => {
                // A loudspeaker that hangs must not cost the visitor the message.
                outputs.push(Output::Silence);
                self.start(now, outputs);
            }
            Phase::Starting => {
                outputs.push(Output::Discard);
                self.end(Outcome::Failed(Fault::NothingCame), outputs);
            }
            Phase::Recording => self.stop(now, StopReason::Limit, outputs),
            Phase::Finishing => self.end(Outcome::Failed(Fault::NotFinished), outputs),
            Phase::Storing => self.end(Outcome::Failed(Fault::NotStored), outputs),
            Phase::Ended(_) => {}
        }
    }

    fn enter(&mut self, phase: Phase, deadline: Option<Instant>, outputs: &mut Vec<Output>) {
        self.phase = phase;
        self.deadline = deadline;
        outputs.push(Output::Phase(phase));
    }

    fn end(&mut self, outcome: Outcome, outputs: &mut Vec<Output>) {
        self.enter(Phase::Ended(outcome), None, outputs);
    }
}

/// What an end means while nothing is recorded yet.
fn before_recording(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Answered => Outcome::Answered,
        StopReason::Shutdown => Outcome::Failed(Fault::Shutdown),
        StopReason::Stopped | StopReason::Button | StopReason::Limit | StopReason::Recorder => {
            Outcome::Cancelled
        }
    }
}

impl Outcome {
    /// The name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Cancelled => "cancelled",
            Self::TooShort => "too_short",
            Self::Answered => "answered",
            Self::Failed(Fault::NothingCame) => "nothing_came",
            Self::Failed(Fault::Recorder) => "recorder_failed",
            Self::Failed(Fault::NotFinished) => "not_finished",
            Self::Failed(Fault::NotStored) => "not_stored",
            Self::Failed(Fault::Shutdown) => "shutdown",
        }
    }
}

impl StopReason {
    /// The name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Button => "button",
            Self::Answered => "answered",
            Self::Limit => "limit",
            Self::Recorder => "recorder",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
#[path = "visitor_message_tests.rs"]
mod tests;
