//! What happened, told to whoever listens. An event is a fact of the past and is never retained.

mod topic;

use std::collections::BTreeMap;

use serde::Serialize;

use super::recording::RecordedSide;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::{Attachment, Contact};
use crate::store::CallRecord;

/// An event with its envelope: a unique id (consumers are idempotent by it) and the time.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Event {
    /// 24 hex digits.
    pub id: String,
    /// Unix milliseconds.
    pub ts: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// Stamps an event with a fresh id and the present time.
    pub fn now(kind: EventKind) -> Self {
        Self {
            id: crate::base::object_id::ObjectId::generate().to_string(),
            ts: unix_ms(),
            kind,
        }
    }
}

/// The present time in Unix milliseconds; 0 before 1970.
pub fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}

/// The kinds of event. [`EventKind::topic`] is the part of the topic after `event/`.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum EventKind {
    /// `call/<phase>`: a call came, rings, was answered, connected, ended…
    Call {
        /// Where in its life.
        phase: CallPhase,
        /// The call's session id.
        call: String,
        /// `incoming` or `outgoing`.
        direction: Direction,
        /// The other side.
        peer: UserId,
        /// Why it ended (`call/ended` only): `hung_up`, `remote_hung_up`, `rejected`,
        /// `remote_rejected`, `busy`, `no_answer`, `answered_elsewhere`, `connection_lost` ….
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Seconds from connected to the end (`call/ended` only).
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_s: Option<f64>,
        /// The caller's custom parameters (`call/ringing` of an incoming call only); values
        /// longer than 1,024 bytes are left out.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        info: BTreeMap<String, String>,
    },
    /// `call/participant`: somebody in the call moved on.
    CallParticipant {
        /// The call's session id.
        call: String,
        /// Who.
        peer: UserId,
        /// `dialing`, `ringing`, `connecting`, `connected`, `interrupted`, `ended`.
        status: &'static str,
        /// Why it ended, as in `call/ended`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// `call/told`: somebody in the call sent custom parameters.
    CallTold {
        /// The call's session id.
        call: String,
        /// Who.
        peer: UserId,
        /// With which signal: `accept`, `reject`, `hangUp`, `update`.
        signal: &'static str,
        /// The parameters; values longer than 1,024 bytes are left out.
        info: BTreeMap<String, String>,
    },
    /// `call/digit`: somebody in the call pressed a key of a telephone.
    CallDigit {
        /// The call's session id.
        call: String,
        /// Who.
        peer: UserId,
        /// `0` to `9`, `*`, `#`, `A` to `D`; left out where `[door]` has a code, which it may be
        /// part of.
        #[serde(skip_serializing_if = "Option::is_none")]
        digit: Option<char>,
    },
    /// `call/refused`: somebody called and was not let through; told once a minute and caller.
    CallRefused {
        /// The call's session id.
        call: String,
        /// Who called.
        peer: UserId,
        /// `not_allowed`, `do_not_disturb`, `quiet_hours`, `busy` or `too_often`.
        reason: &'static str,
        /// Refusals of this caller since the last event about one.
        untold: u32,
    },
    /// `call/auto_answer`: a call is about to be answered without anybody's doing: the notice to
    /// who is in the room, the moment for a lamp.
    CallAutoAnswer {
        /// The call's session id.
        call: String,
        /// Who calls.
        peer: UserId,
        /// In how many seconds.
        after_s: u64,
        /// What the caller gets: `video`, `audio`, `listen_only` or `knock`.
        media: &'static str,
    },
    /// `call/tone`: the tone that says so was played here; from now on the caller gets what it is
    /// to get.
    CallTone {
        /// The call's session id.
        call: String,
        /// Who calls.
        peer: UserId,
        /// Why nobody can have heard it.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// `call/preview`: who is rung sees the visitor before answering (told at the door), or the
    /// caller's picture is shown (told where it rings).
    CallPreview {
        /// The call's session id.
        call: String,
        /// Who is rung and looks, or who calls and is looked at.
        peer: UserId,
        /// `started`, `ended` or `refused`.
        phase: &'static str,
        /// Why. Of `refused`: `not_allowed`, `busy`, `too_often`, `bad_offer`; of `ended` at the
        /// door: `ringing_over`, `stopped`, `replaced`, `no_path`, `lost`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// `call/record`: what is kept of a call that is over.
    CallRecord(Box<CallRecord>),
    /// `ring/<phase>`: the bell, from the button to its end.
    Ring {
        /// Where in its life.
        phase: RingPhase,
        /// The rest of it.
        #[serde(flatten)]
        told: RingTold,
    },
    /// `chat/message`: a message arrived. Each message once, also one that was missed and fetched
    /// later.
    ChatMessage {
        /// The message's id.
        message: String,
        /// Who wrote it.
        from: UserId,
        /// The dialog.
        dialog: Option<String>,
        /// The text.
        text: String,
        /// The rest of it.
        #[serde(flatten)]
        details: Box<MessageDetails>,
    },
    /// `chat/edited`: a message has another text.
    ChatEdited {
        /// The message's id.
        message: String,
        /// Who edited it.
        from: UserId,
        /// The dialog.
        dialog: Option<String>,
        /// The new text.
        text: String,
    },
    /// `chat/removed`: a message was taken back for everybody.
    ChatRemoved {
        /// The message's id.
        message: String,
        /// Who removed it.
        from: UserId,
        /// The dialog.
        dialog: Option<String>,
    },
    /// `chat/reaction`: reactions to a message changed.
    ChatReaction {
        /// The message's id.
        message: String,
        /// Whose reactions.
        from: UserId,
        /// The dialog.
        dialog: Option<String>,
        /// Now there.
        added: Vec<String>,
        /// Gone.
        removed: Vec<String>,
    },
    /// `chat/destroyed`: a self-destroying message has disappeared from the history.
    ChatDestroyed {
        /// The message's id.
        message: String,
    },
    /// `chat/typing`: somebody types, or stopped.
    ChatTyping {
        /// Who.
        from: UserId,
        /// The dialog; null for private ones.
        dialog: Option<String>,
        /// Whether it began.
        composing: bool,
    },
    /// `chat/system`: a system message of another application.
    ChatSystem {
        /// Who sent it.
        from: UserId,
        /// Its text.
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Its parameters.
        params: serde_json::Map<String, serde_json::Value>,
    },
    /// `chat/dialog`: a dialog is new or has changed; `dialogs` shows it.
    ChatDialog {
        /// The dialog.
        dialog: String,
    },
    /// `chat/upload`: how far a file to be sent is.
    ChatUpload {
        /// The message it belongs to.
        message: String,
        /// `uploading`, `done` or `refused`.
        status: &'static str,
        /// Bytes carried.
        bytes: u64,
        /// Bytes in all.
        size: u64,
        /// Why it is refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// `chat/saved`: an attachment was fetched.
    ChatSaved {
        /// Its message.
        message: String,
        /// Its number in the message, from 0.
        attachment: usize,
        /// Where it is.
        file: String,
        /// Its bytes.
        bytes: u64,
    },
    /// `chat/activity`: somebody watched with `last_activity` came or went.
    ChatActivity {
        /// Who.
        user: UserId,
        /// Seconds since the last activity; 0 is online.
        seconds: u64,
    },
    /// `chat/marker`: one of our messages was delivered or read.
    ChatMarker {
        /// The message's id.
        message: String,
        /// Who reports it.
        from: UserId,
        /// `delivered` or `read`.
        marker: &'static str,
    },
    /// `chat/sent`: the hub has acknowledged one of our messages.
    ChatSent {
        /// The message's id.
        message: String,
    },
    /// `chat/refused`: the hub refuses one of our messages; it is kept, not sent again.
    ChatRefused {
        /// The message's id.
        message: String,
        /// The hub's words.
        reason: String,
    },
    /// `chat/command`: somebody ordered something by writing to the device.
    ChatCommand {
        /// Who.
        from: UserId,
        /// `snapshot`, `status`, `dnd` or `record`.
        command: &'static str,
        /// Whether it was done.
        ok: bool,
        /// Why not: `not_allowed`, `too_old`, or in words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// `door/unlocked`: the door was opened.
    DoorUnlocked {
        /// Who opened it: `control` or a user's number.
        by: String,
        /// By which way: `control`, `call`, `data_channel`, `code` or `chat`.
        how: &'static str,
        /// The call in which it was opened, if any.
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
    },
    /// `door/refused`: somebody who may not open the door asked to.
    DoorRefused {
        /// Who asked.
        by: String,
        /// By which way: `control`, `call`, `data_channel`, `code` or `chat`.
        how: &'static str,
        /// Why not.
        reason: String,
    },
    /// `visitor_message/<phase>`: a visitor leaves a message, or one left gets on.
    VisitorMessage {
        /// Where in its life.
        phase: VisitorPhase,
        /// The message's id.
        visitor_message: String,
        /// The ring nobody answered, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        ring: Option<String>,
        /// The rest.
        #[serde(flatten)]
        told: VisitorTold,
    },
    /// `announcement/<phase>`: what was to be said by `say`.
    Announcement {
        /// Where in its life.
        phase: AnnouncementPhase,
        /// Its id, as `say` was answered.
        announcement: String,
        /// Why it was not heard to its end: `replaced`, `stopped`, or in words (`failed`).
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// `recording/<phase>`: a recording on command, by rule or of a call.
    Recording {
        /// Where in its life.
        phase: RecordingPhase,
        /// The recording's id: when it began, in UTC.
        recording: String,
        /// `door` or `remote`.
        side: RecordedSide,
        /// The rest.
        #[serde(flatten)]
        told: RecordingTold,
    },
    /// `button/pressed`: a button was pressed, by hand or by the command `press`.
    ButtonPressed {
        /// Which button.
        button: String,
    },
    /// `button/released`: of a button on a line; an order knows no such thing.
    ButtonReleased {
        /// Which button.
        button: String,
        /// How long it was held, milliseconds; 0 if it was held since before the start.
        held_ms: u64,
    },
    /// `control/refused`: an order over MQTT that somebody should look into: a retained one, or
    /// one of somebody who may not. At most ten a second.
    ControlRefused {
        /// Where it was ordered, without the base.
        topic: String,
        /// Who, as far as is known.
        requester: String,
        /// How that is known: `topic`, `property`, `response_topic`, `none`.
        way: String,
        /// `retained` or `not_allowed`.
        code: String,
        /// Why.
        reason: String,
    },
    /// `rule/fired`: a rule was set off, and what it does has been tried.
    RuleFired {
        /// Its name.
        rule: String,
        /// The event, or somebody else's topic.
        cause: String,
        /// Commands that failed, each with why.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<String>,
    },
    /// `health/restarted`: the supervisor brought an actor back.
    ActorRestarted {
        /// Its name.
        actor: String,
        /// How it ended.
        reason: String,
    },
}

/// What is told of a ring; which fields there are depends on the phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RingTold {
    /// The ring's id: 24 hex digits.
    pub ring: String,
    /// Which step of the plan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// `ring/offline`: whether they are rung all the same, because nobody else is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<bool>,
    /// `ring/answered`: the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Why. Of `skipped`: `out_of_hours`, `do_not_disturb`, `offline`, `rejected`, `nobody`; of
    /// `unanswered`: `no_answer`, `rejected`, `busy`, `not_supported`, `unavailable`,
    /// `do_not_disturb`, `out_of_hours`, `in_call`; of `stopped`: `cancelled` (by
    /// `stop_ringing`), `hung_up`, `shutdown`, `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// In the words of who stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Seconds from the button to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

/// Phases of a ring that are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingPhase {
    /// The button was pressed; `users` are those of the first step.
    Started,
    /// It was pressed during a call, whose end the ring waits for.
    Waiting,
    /// A step begins with its `users`.
    Step,
    /// Somebody of the present step has come back online and rings, too.
    Joined,
    /// A step is not taken.
    Skipped,
    /// Some `users` are not connected: the moment to wake their phones.
    Offline,
    /// The button was pressed again; nothing begins anew.
    Repeated,
    /// Somebody took it: the one of `users`.
    Answered,
    /// Nobody took it.
    Unanswered,
    /// It was stopped.
    Stopped,
}

/// What a message has beside its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MessageDetails {
    /// When it was written, Unix seconds.
    pub date_sent: u64,
    /// What goes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Those of them that are contacts, read: `name`, `phone`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Custom parameters.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub custom: serde_json::Map<String, serde_json::Value>,
    /// When it is to disappear, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destroy_at: Option<u64>,
}

/// Phases of a visitor's message that are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitorPhase {
    /// The visitor hears the tone; a recording follows.
    Started,
    /// Camera and microphone are recorded.
    Recording,
    /// The recording is on the disk and will be sent.
    Stored,
    /// The hub has all messages that carry it.
    Sent,
    /// There is no recording, or the hub refuses its message.
    Failed,
    /// Nothing was kept: called off, answered, or too short.
    Cancelled,
}

/// What is known about a visitor's message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VisitorTold {
    /// Why. Of `stored`: `limit`, `stopped`, `button`, `answered`, `recorder`, `shutdown`; of
    /// `cancelled`: `cancelled`, `too_short`, `answered`; of `failed` in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The chat messages that carry it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// Phases of a recording that are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingPhase {
    /// The first picture or sound is in.
    Started,
    /// A file is there; `reason` tells whether it goes on in the next.
    Finished,
    /// Nothing more comes.
    Failed,
}

/// What is known about a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RecordingTold {
    /// The file's name in `[recording] folder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Seconds recorded (`finished`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Bytes of the file (`finished`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why it ended (`finished`): `segment` and `format_changed` when it goes on in the next file,
    /// `stopped`, `call_ended`, `limit`, `size`, `disk_full`, `disk_failed`, `shutdown`, or `recovered` after a
    /// power cut; or why there is none, in words (`failed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Phases of a call that are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallPhase {
    /// A call comes in, or ours is ringing at the other side.
    Ringing,
    /// Somebody took it.
    Answered,
    /// Media flows.
    Connected,
    /// The first picture of the other side was decoded.
    FirstFrame,
    /// The first sound of the other side was decoded.
    FirstAudio,
    /// It is over.
    Ended,
}

/// Who started a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The other side.
    Incoming,
    /// We.
    Outgoing,
}

/// Where an announcement is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncementPhase {
    /// It begins.
    #[default]
    Started,
    /// It was heard, or something else took its place.
    Ended,
    /// It could not be played.
    Failed,
}
