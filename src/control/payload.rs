//! The JSON of a command, checked against its schema: unknown fields, wrong types and lengths
//! are refused by name.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::telemetry::LogDetail;
use crate::engine::call_command::CallCommand;
use crate::engine::chat_command::{ChatCommand, Check, Draft};
use crate::engine::command::{Command, CommandError, ErrorCode, UserRef, VisitorAction};
use crate::engine::recording_command::RecordingCommand;
use crate::engine::ringing_command::{DoorLog, RingingCommand};
use crate::engine::say_command::SayCommand;
use crate::engine::setting_command::{PARTS, Setting};
use crate::protocol::call_signal::CallType;

/// The largest payload taken, in bytes.
pub(super) const PAYLOAD_MAX: usize = 64 * 1024;
/// The longest id, in characters.
const ID_MAX: usize = 128;
/// The longest reason of a rejection, in characters.
const REASON_MAX: usize = 200;
/// The most lines of a log in one answer.
const LOG_MAX: u32 = 100;
/// The most targets of a ring, as in `[calls] ring`.
const TARGETS_MAX: usize = 16;

/// The most lines of the log in one answer.
/// Seconds.
const LOG_DETAIL_S: std::ops::RangeInclusive<u32> = 10..=86_400;
const LOGS_MAX: usize = crate::base::telemetry::KEPT_LINES;

/// Refuses a payload.
pub(super) fn invalid(message: impl Into<String>) -> CommandError {
    // Field names come from the sender, who may choose long ones.
    let message: String = message.into();
    let message = match message.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message,
    };
    CommandError::new(ErrorCode::InvalidPayload, message)
}

/// What every order may carry beside its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Envelope {
    /// A string or a whole number, or null if there is none.
    pub(super) id: Value,
    /// When it was sent, Unix milliseconds.
    pub(super) ts: Option<u64>,
    /// After which it is not to be carried out, Unix milliseconds.
    pub(super) expires: Option<u64>,
}

/// The fields without the envelope, and the envelope.
pub(super) fn split(payload: &[u8]) -> Result<(Map<String, Value>, Envelope), CommandError> {
    if payload.len() > PAYLOAD_MAX {
        return Err(invalid(format!(
            "{} bytes are more than the most {PAYLOAD_MAX}",
            payload.len()
        )));
    }
    if payload.is_empty() {
        return Ok((Map::new(), Envelope::default()));
    }
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| invalid(format!("the payload is no JSON: {error}")))?;
    let Value::Object(mut fields) = value else {
        return Err(invalid("the payload must be a JSON object"));
    };
    // shift_remove keeps the order of the rest, and with it the first mistake the first.
    let id = fields.shift_remove("id").unwrap_or(Value::Null);
    let fits = match &id {
        Value::Null => true,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::String(text) => (1..=ID_MAX).contains(&text.chars().count()),
        _ => false,
    };
    if !fits {
        return Err(invalid(format!(
            "id: must be a string of 1 to {ID_MAX} characters or a whole number"
        )));
    }
    let mut time = |field: &str| match fields.shift_remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| {
            invalid(format!(
                "{field}: must be Unix milliseconds, a whole number"
            ))
        }),
    };
    let (ts, expires) = (time("ts")?, time("expires")?);
    Ok((fields, Envelope { id, ts, expires }))
}

/// Whether there is such a verb, hidden ones included.
pub(super) fn is_verb(verb: &str) -> bool {
    verb == "kill" || crate::config::device::VERBS.contains(&verb)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ring {
    /// Whom, at most 16; as `[calls]` plans without.
    #[serde(default)]
    targets: Vec<UserRef>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    user: UserRef,
    /// Default `[calls] call_type`.
    call_type: Option<CallType>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reject {
    /// Told to the caller, 1 to 200 characters.
    reason: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VisitorMessage {
    action: VisitorAction,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Talk {
    /// Whether somebody talks.
    on: bool,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    /// Which part, as in `health`.
    actor: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Logs {
    /// How many lines, 1 to 500.
    #[serde(default = "some_lines")]
    limit: usize,
}

fn some_lines() -> usize {
    100
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogDetailOrder {
    /// What is logged beside the usual: `calls` every signal and candidate, `media` what WebRTC
    /// itself logs as well; `normal` ends it.
    detail: LogDetail,
    /// For so long, seconds, 10 to 86,400.
    #[serde(default = "ten_minutes")]
    for_s: u32,
}

fn ten_minutes() -> u32 {
    600
}

/// The command of a verb with its fields.
///
/// # Errors
/// `invalid_payload` naming the field and the rule, or `unknown_command`.
pub(super) fn parse(
    verb: &str,
    fields: Map<String, Value>,
    call_type: CallType,
) -> Result<Command, CommandError> {
    let plain = |command: Command| read::<Nothing>(&fields).map(|_| command);
    match verb {
        "ring" => {
            let Ring { targets } = read(&fields)?;
            if targets.len() > TARGETS_MAX {
                return Err(invalid(format!(
                    "targets: {} are more than the most {TARGETS_MAX}",
                    targets.len()
                )));
            }
            Ok(Command::Ring { targets })
        }
        "call" => {
            let call: Call = read(&fields)?;
            Ok(Command::Call {
                user: call.user,
                call_type: call.call_type.unwrap_or(call_type),
            })
        }
        "answer" => plain(Command::Answer),
        "reject" => {
            let Reject { reason } = read(&fields)?;
            if let Some(reason) = &reason {
                length("reason", reason, REASON_MAX)?;
            }
            Ok(Command::Reject { reason })
        }
        "hangup" => plain(Command::Hangup),
        "conference" | "invite" | "mute" | "hold" | "resume" | "bandwidth" | "tell" | "digits"
        | "reconnect" => {
            let command = in_call(verb, &fields)?;
            command.check().map_err(invalid)?;
            Ok(Command::InCall(command))
        }
        "send" => {
            let draft: Draft = read(&fields)?;
            draft.check().map_err(invalid)?;
            Ok(Command::Send(Box::new(draft)))
        }
        "unlock" => plain(Command::Unlock),
        "snapshot" => plain(Command::Snapshot),
        "press" => plain(Command::Press),
        "control_log" => {
            let DoorLog { limit } = read(&fields)?;
            if !(1..=LOG_MAX).contains(&limit) {
                return Err(invalid(format!(
                    "limit: must be 1 to {LOG_MAX}, not {limit}"
                )));
            }
            Ok(Command::ControlLog { limit })
        }
        "talk" => {
            let Talk { on } = read(&fields)?;
            Ok(Command::Talk { on })
        }
        "levels" => plain(Command::Levels),
        "reload" => plain(Command::Reload),
        "logs" => {
            let Logs { limit } = read(&fields)?;
            if !(1..=LOGS_MAX).contains(&limit) {
                return Err(invalid(format!(
                    "limit: must be 1 to {LOGS_MAX}, not {limit}"
                )));
            }
            Ok(Command::Logs { limit })
        }
        "log_detail" => {
            let LogDetailOrder { detail, for_s } = read(&fields)?;
            if !LOG_DETAIL_S.contains(&for_s) {
                return Err(invalid(format!(
                    "for_s: must be {} to {}, not {for_s}",
                    LOG_DETAIL_S.start(),
                    LOG_DETAIL_S.end()
                )));
            }
            Ok(Command::LogDetail { detail, for_s })
        }
        "visitor_message" => {
            let VisitorMessage { action } = read(&fields)?;
            Ok(Command::VisitorMessage(action))
        }
        "say" => {
            let say: SayCommand = read(&fields)?;
            say.check().map_err(invalid)?;
            Ok(Command::Say(say))
        }
        "record" | "recordings" => {
            let command = match verb {
                "record" => RecordingCommand::Record(read(&fields)?),
                _ => RecordingCommand::List(read(&fields)?),
            };
            command.check().map_err(invalid)?;
            Ok(Command::Recording(command))
        }
        "kill" => {
            let Kill { actor } = read(&fields)?;
            length("actor", &actor, 64)?;
            Ok(Command::Kill { actor })
        }
        "stop_ringing" | "dnd" | "ring_target" | "auto_answer" | "calls" | "door_log" => {
            let command = calls(verb, &fields)?;
            command.check().map_err(invalid)?;
            Ok(Command::Ringing(command))
        }
        verb => {
            let command = chat(verb, &fields)?;
            command.check().map_err(invalid)?;
            Ok(Command::Chat(command))
        }
    }
}

/// The setting of a part with its fields.
///
/// # Errors
/// `invalid_payload` naming the field and the rule, or `unknown_command`.
pub(super) fn setting(part: &str, fields: &Map<String, Value>) -> Result<Setting, CommandError> {
    let setting = match part {
        "policy" => Setting::Policy(read(fields)?),
        "call" => Setting::Call(read(fields)?),
        "audio" => Setting::Audio(read(fields)?),
        "camera" => Setting::Camera(read(fields)?),
        "display" => Setting::Display(read(fields)?),
        "door" => Setting::Door(read(fields)?),
        _ => {
            let message = format!(
                "there is no such part to set; there are {}",
                PARTS.join(", ")
            );
            return Err(CommandError::new(ErrorCode::UnknownCommand, message));
        }
    };
    setting.check().map_err(invalid)?;
    Ok(setting)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// Whom: a user's number or login.
    user: UserRef,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bandwidth {
    /// Of pictures to each participant, 64 to 100,000; 0 for no limit.
    kbps: u32,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tell {
    /// Custom parameters, at most 16 of 1,024 characters.
    info: std::collections::BTreeMap<String, String>,
}

/// The command of a verb about a call, with its fields.
fn in_call(verb: &str, fields: &Map<String, Value>) -> Result<CallCommand, CommandError> {
    let plain = |command: CallCommand| read::<Nothing>(fields).map(|_| command);
    Ok(match verb {
        "conference" => CallCommand::Confer(read(fields)?),
        "invite" => CallCommand::Invite(read::<Person>(fields)?.user),
        "mute" => CallCommand::Mute(read(fields)?),
        "hold" => plain(CallCommand::Hold(true))?,
        "resume" => plain(CallCommand::Hold(false))?,
        "bandwidth" => CallCommand::Limit(read::<Bandwidth>(fields)?.kbps),
        "tell" => CallCommand::Tell(read::<Tell>(fields)?.info),
        "digits" => CallCommand::Digits(read(fields)?),
        _ => plain(CallCommand::Reconnect)?,
    })
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// An own message.
    message: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialog {
    /// The dialog's id.
    dialog: String,
}

/// The command about calls of a verb with its fields.
fn calls(verb: &str, fields: &Map<String, Value>) -> Result<RingingCommand, CommandError> {
    Ok(match verb {
        "stop_ringing" => RingingCommand::StopRinging(read(fields)?),
        "dnd" => RingingCommand::Dnd(read(fields)?),
        "ring_target" => RingingCommand::RingTarget(read(fields)?),
        "auto_answer" => RingingCommand::AutoAnswer(read(fields)?),
        "calls" => RingingCommand::Calls(read(fields)?),
        _ => RingingCommand::DoorLog(read(fields)?),
    })
}

/// The chat command of a verb with its fields.
fn chat(verb: &str, fields: &Map<String, Value>) -> Result<ChatCommand, CommandError> {
    let dialog = || read::<Dialog>(fields).map(|one| one.dialog);
    Ok(match verb {
        "edit" => ChatCommand::Edit(read(fields)?),
        "remove" => ChatCommand::Remove(read(fields)?),
        "react" => ChatCommand::React(read(fields)?),
        "typing" => ChatCommand::Typing(read(fields)?),
        "mark_read" => ChatCommand::MarkRead(read(fields)?),
        "history" => ChatCommand::History(read(fields)?),
        "search" => ChatCommand::Search(read(fields)?),
        "send_status" => ChatCommand::SendStatus(read::<Message>(fields)?.message),
        "unread" => read::<Nothing>(fields).map(|_| ChatCommand::Unread)?,
        "dialogs" => ChatCommand::Dialogs(read(fields)?),
        "dialog_create" => ChatCommand::CreateDialog(read(fields)?),
        "dialog_update" => ChatCommand::UpdateDialog(Box::new(read(fields)?)),
        "dialog_leave" => ChatCommand::LeaveDialog(dialog()?),
        "dialog_delete" => ChatCommand::DeleteDialog(read(fields)?),
        "dialog_clear" => ChatCommand::ClearDialog(read(fields)?),
        "dialog_subscribe" => ChatCommand::Subscribe(dialog()?),
        "dialog_occupants" => ChatCommand::Occupants(dialog()?),
        "dialog_notifications" => ChatCommand::Notifications(read(fields)?),
        "send_system" => ChatCommand::SendSystem(read(fields)?),
        "last_activity" => ChatCommand::LastActivity(read(fields)?),
        "download" => ChatCommand::Download(read(fields)?),
        "users" => ChatCommand::Users(read(fields)?),
        "block" => ChatCommand::Block(read(fields)?),
        "unblock" => ChatCommand::Unblock(read(fields)?),
        "blocked" => read::<Nothing>(fields).map(|_| ChatCommand::Blocked)?,
        "profile_update" => ChatCommand::UpdateProfile(read(fields)?),
        "report_user" => ChatCommand::ReportUser(read(fields)?),
        "push" => ChatCommand::Push(Box::new(read(fields)?)),
        "report_message" => ChatCommand::ReportMessage(read(fields)?),
        "record_create" => ChatCommand::CreateRecord(Box::new(read(fields)?)),
        "records" => ChatCommand::ListRecords(Box::new(read(fields)?)),
        "record_update" => ChatCommand::UpdateRecord(Box::new(read(fields)?)),
        "record_delete" => ChatCommand::DeleteRecords(read(fields)?),
        _ => {
            return Err(CommandError::new(
                ErrorCode::UnknownCommand,
                "there is no such command",
            ));
        }
    })
}

fn length(field: &str, text: &str, most: usize) -> Result<(), CommandError> {
    match text.chars().count() {
        0 => Err(invalid(format!("{field}: must not be empty"))),
        length if length > most => Err(invalid(format!(
            "{field}: {length} characters are more than the most {most}"
        ))),
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(fields: &Map<String, Value>) -> Result<T, CommandError> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let path = error.path().to_string();
        let rule = error.into_inner().to_string();
        // At the top there is no path, and serde's text names the field itself.
        invalid(if path == "." || rule.contains(&format!("`{path}`")) {
            rule
        } else {
            format!("{path}: {rule}")
        })
    })
}
