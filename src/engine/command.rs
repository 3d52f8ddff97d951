//! What the device can be told to do, whoever tells it (MQTT now, chat and the console later),
//! and how it answers.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::call_command::CallCommand;
use super::chat_command::{ChatCommand, Draft};
use super::recording_command::RecordingCommand;
use super::ringing_command::RingingCommand;
use super::say_command::SayCommand;
use super::setting_command::Setting;
use crate::base::telemetry::LogDetail;
pub use crate::protocol::address::UserRef;
use crate::protocol::call_signal::CallType;

/// An action. The serde form is the JSON of `cmd/<verb>` without the verb; every field has the
/// meaning and limits given here.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The bell: calls the configured targets, or these.
    Ring {
        /// Whom to call instead of `[calls] ring`; empty means the configured ones.
        targets: Vec<UserRef>,
    },
    /// Calls one user.
    Call {
        /// Whom.
        user: UserRef,
        /// With picture or without.
        call_type: CallType,
    },
    /// Takes the ringing call.
    Answer,
    /// Declines the ringing call.
    Reject {
        /// Told to the caller and kept in the call's record.
        reason: Option<String>,
    },
    /// Ends the call, ringing or talking.
    Hangup,
    /// A call of several people, and what is done in a call.
    InCall(CallCommand),
    /// Sends a chat message; stored first, so that it survives a lost connection.
    Send(Box<Draft>),
    /// Everything else about calls.
    Ringing(RingingCommand),
    /// What is to hold from now on (`<part>/set`).
    Set(Setting),
    /// `control_log`: who ordered what over MQTT.
    ControlLog {
        /// At most this many, newest first, 1 to 100.
        limit: u32,
    },
    /// Everything else about chat.
    Chat(ChatCommand),
    /// Opens the door: this device's relay, or the peer's when this device has none.
    Unlock,
    /// Takes a JPEG of the camera now.
    Snapshot,
    /// The button of the door station, as if pressed: publishes `button/pressed`, then rings.
    Press,
    /// Begins, ends or calls off a visitor's message.
    VisitorMessage(VisitorAction),
    /// Announces something by the loudspeaker.
    Say(SayCommand),
    /// Begins or ends a recording, or lists them.
    Recording(RecordingCommand),
    /// With `[audio] duplex = "push_to_talk"`: somebody here talks, or nobody any more.
    Talk {
        /// Whether somebody does.
        on: bool,
    },
    /// How loud it is now: the microphone, if it is open, and everybody in the call.
    Levels,
    /// Reads the configuration again; what can change while the device runs does.
    Reload,
    /// The last lines of the log.
    Logs {
        /// At most so many, 1 to 500.
        limit: usize,
    },
    /// Logs calls more closely for a while.
    LogDetail {
        /// What is logged beside the usual.
        detail: LogDetail,
        /// For so long, seconds, 10 to 86,400.
        for_s: u32,
    },
    /// Test aid, refused unless `[control] test_commands = true`: makes one actor panic.
    Kill {
        /// The actor's name as in the health state.
        actor: String,
    },
}

/// What is done about a visitor's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitorAction {
    /// Tone, then record.
    Start,
    /// End it; what was recorded is sent.
    Stop,
    /// End it; nothing is kept.
    Cancel,
}

/// Why a command was refused. The code is part of the contract; the message is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct CommandError {
    /// Stable, machine-readable.
    pub code: ErrorCode,
    /// Names the field and the rule.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, too large, or a field breaks its rule; the message names it.
    InvalidPayload,
    /// No such verb.
    UnknownCommand,
    /// Not now: no call to answer, already in a call…
    WrongState,
    /// No such user, dialog or actor.
    NotFound,
    /// `[control] commands`, a `[[control.allow]]` rule or another setting does not permit it.
    NotAllowed,
    /// It came too late, or its `ts` cannot be true.
    Expired,
    /// More than `[control] rate_per_s` of one requester, or four times that of all; may be sent
    /// again with the same id.
    RateLimited,
    /// The hub, the camera, the engine… is not available, or the device shuts down.
    Unavailable,
    /// No outcome within 10 s; whether it was carried out is not known.
    Timeout,
    /// A fault of the device.
    Internal,
}

impl CommandError {
    /// An error of a kind with a message for people.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What a command gives back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A JSON object with details (call id, message id …).
    Json(serde_json::Value),
    /// A picture; published on the snapshot topic, described in the reply.
    Jpeg(bytes::Bytes),
}

/// A command on its way to the engine, with the way back.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Where the answer goes. A dropped receiver is fine.
    pub reply: oneshot::Sender<Result<Reply, CommandError>>,
}
