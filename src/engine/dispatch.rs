//! Commands to actors: each request is carried out beside the others and answered once.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::bell::{RingBell, StopRinging};
use super::call_command::{CallCommand, Conference, MediaDirection};
use super::calls::{Answer, Confer, Dial, HangUp, InCall, Operation, Reject};
use super::command::{Command, CommandError, ErrorCode, Reply, Request, VisitorAction};
use super::directory::{resolve, resolve_all};
use super::door::Unlock;
use super::event::EventKind;
use super::mailbox::Undelivered;
use super::messages;
use super::recording::{StartRecording, StopRecording};
use super::recording_command::{ListRecordings, RecordAction, RecordingCommand};
use super::ringing_command::{DoorLog, RingingCommand, Stop};
use super::saying::Say;
use super::supervisor::CrashRequest;
use super::talking::TalkNow;
use super::visitor_message::{EndVisitorMessage, StartVisitorMessage};
use super::wiring::Wiring;
use super::{apply_setting, call_settings, records};
use crate::call::end::EndReason;
use crate::call::ring_plan::StopReason;
use crate::protocol::address::UserRef;
use crate::protocol::call_signal::CallType;

/// How long an actor may take over a command.
pub(super) const LIMIT: Duration = Duration::from_secs(8);
/// How long the camera may take for a picture.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(5);

/// Carries out requests until every sender is gone. Must run inside an actix system.
pub async fn run(
    wiring: Wiring,
    mut requests: mpsc::Receiver<Request>,
    crashes: mpsc::Sender<CrashRequest>,
) {
    while let Some(request) = requests.recv().await {
        let (wiring, crashes) = (wiring.clone(), crashes.clone());
        actix::spawn(async move {
            let result = execute(&wiring, request.command, &crashes).await;
            // Whoever asked may have stopped waiting.
            let _ = request.reply.send(result);
        });
    }
}

async fn execute(
    wiring: &Wiring,
    command: Command,
    crashes: &mpsc::Sender<CrashRequest>,
) -> Result<Reply, CommandError> {
    let details = match command {
        Command::Press => {
            wiring.board.publish(EventKind::ButtonPressed {
                button: "bell".to_owned(),
            });
            ring(wiring, Vec::new()).await?
        }
        Command::Ring { targets } => ring(wiring, targets).await?,
        Command::Call { user, call_type } => {
            let user = resolve(wiring, &user).await?;
            dial(wiring, user, call_type).await?
        }
        Command::Answer => {
            json!({ "call": wiring.slots.calls.ask(Answer, LIMIT).await.map_err(away)?? })
        }
        Command::Reject { reason } => {
            json!({ "call": wiring.slots.calls.ask(Reject(reason), LIMIT).await.map_err(away)?? })
        }
        Command::Hangup => hang_up(wiring).await?,
        Command::Ringing(command) => about_calls(wiring, command).await?,
        Command::InCall(command) => in_call(wiring, command).await?,
        Command::Send(draft) => messages::send(wiring, *draft).await?,
        Command::Chat(command) => messages::execute(wiring, command).await?,
        Command::Unlock => wiring.slots.door.ask(Unlock, LIMIT).await.map_err(away)??,
        Command::Snapshot => {
            let picture = wiring
                .video
                .snapshot(SNAPSHOT_LIMIT)
                .await
                .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?;
            return Ok(Reply::Jpeg(picture));
        }
        Command::Set(setting) => apply_setting::apply(wiring, setting).await?,
        Command::ControlLog { limit } => records::control_log(wiring, limit).await?,
        Command::VisitorMessage(action) => visitor_message(wiring, action).await?,
        Command::Say(say) => wiring
            .slots
            .audio
            .ask(Say(say), LIMIT)
            .await
            .map_err(away)??,
        Command::Recording(command) => record(wiring, command).await?,
        Command::Talk { on } => wiring
            .slots
            .audio
            .ask(TalkNow(on), LIMIT)
            .await
            .map_err(away)??,
        Command::Levels => levels(wiring),
        Command::Reload => wiring.reloading.ask().await?,
        Command::Logs { limit } => json!({ "lines": logs(wiring, limit) }),
        Command::LogDetail { detail, for_s } => {
            let lasts = Duration::from_secs(for_s.into());
            wiring.log_details.set(&wiring.board, detail, lasts)?
        }
        Command::Kill { actor } => crash(wiring, actor, crashes).await?,
    };
    Ok(Reply::Json(details))
}

/// Opens nothing: a microphone nobody hears has no level.
fn levels(wiring: &Wiring) -> serde_json::Value {
    let participants: Vec<_> = wiring.board.read(|state| {
        let all = state.call.participants.iter();
        all.map(|one| json!({ "user": one.user, "level": one.level }))
            .collect()
    });
    json!({
        "microphone": wiring.audio.level(Instant::now()),
        "participants": participants,
    })
}

async fn ring(wiring: &Wiring, targets: Vec<UserRef>) -> Result<serde_json::Value, CommandError> {
    let ring = RingBell { targets };
    wiring.slots.bell.ask(ring, LIMIT).await.map_err(away)?
}

/// The bell with the rest: a ring whose calls are ended must not go on to its next step.
async fn hang_up(wiring: &Wiring) -> Result<serde_json::Value, CommandError> {
    let stop = StopRinging {
        reason: StopReason::HungUp,
        detail: None,
    };
    let open = wiring.ledger.calls();
    let stopped = wiring.slots.bell.ask(stop, LIMIT).await.map_err(away)?;
    let ended = wiring
        .slots
        .calls
        .ask(HangUp(EndReason::HungUp), LIMIT)
        .await
        .map_err(away)?;
    match (stopped, ended) {
        (_, Ok(calls)) => Ok(json!({ "calls": calls })),
        (Some(ring), Err(_)) => Ok(json!({ "calls": open, "ring": ring })),
        (None, Err(error)) => Err(error),
    }
}

async fn about_calls(
    wiring: &Wiring,
    command: RingingCommand,
) -> Result<serde_json::Value, CommandError> {
    match command {
        RingingCommand::StopRinging(Stop { detail }) => {
            let stop = StopRinging {
                reason: StopReason::Cancelled,
                detail,
            };
            let stopped = wiring.slots.bell.ask(stop, LIMIT).await.map_err(away)?;
            let nothing = || CommandError::new(ErrorCode::WrongState, "the bell does not ring");
            Ok(json!({ "ring": stopped.ok_or_else(nothing)? }))
        }
        RingingCommand::Dnd(dnd) => call_settings::dnd(wiring, dnd).await,
        RingingCommand::RingTarget(target) => call_settings::ring_target(wiring, target).await,
        RingingCommand::AutoAnswer(wanted) => call_settings::auto_answer(wiring, wanted).await,
        RingingCommand::Calls(filter) => records::calls(wiring, filter).await,
        RingingCommand::DoorLog(DoorLog { limit }) => records::door_log(wiring, limit).await,
    }
}

async fn visitor_message(
    wiring: &Wiring,
    action: VisitorAction,
) -> Result<serde_json::Value, CommandError> {
    let visitors = &wiring.slots.visitor_messages;
    let id = match action {
        VisitorAction::Start => {
            let start = StartVisitorMessage {
                ring: None,
                reason: "control".to_owned(),
            };
            visitors.ask(start, LIMIT).await.map_err(away)??
        }
        VisitorAction::Stop | VisitorAction::Cancel => {
            let end = EndVisitorMessage {
                keep: action == VisitorAction::Stop,
            };
            visitors.ask(end, LIMIT).await.map_err(away)??
        }
    };
    Ok(json!({ "visitor_message": id }))
}

async fn record(
    wiring: &Wiring,
    command: RecordingCommand,
) -> Result<serde_json::Value, CommandError> {
    let recordings = &wiring.slots.recordings;
    match command {
        RecordingCommand::Record(record) => match record.action {
            RecordAction::Start => {
                let start = StartRecording {
                    seconds: record.seconds,
                    side: record.side.unwrap_or_default(),
                };
                let begun = recordings.ask(start, LIMIT).await.map_err(away)??;
                Ok(json!({ "recording": begun.recording, "files": begun.files }))
            }
            RecordAction::Stop => {
                let id = recordings.ask(StopRecording, LIMIT).await.map_err(away)??;
                Ok(json!({ "recording": id }))
            }
        },
        RecordingCommand::List(ListRecordings { limit }) => {
            records::recordings(wiring, limit).await
        }
    }
}

async fn dial(
    wiring: &Wiring,
    user: u64,
    call_type: CallType,
) -> Result<serde_json::Value, CommandError> {
    if wiring.user() == Some(user) {
        return Err(CommandError::new(
            ErrorCode::InvalidPayload,
            "a device cannot call itself",
        ));
    }
    let dial = Dial {
        users: vec![user],
        call_type,
        joins: false,
    };
    let calls = wiring.slots.calls.ask(dial, LIMIT).await.map_err(away)??;
    Ok(json!({ "call": calls.first() }))
}

async fn in_call(wiring: &Wiring, command: CallCommand) -> Result<serde_json::Value, CommandError> {
    let operation = match command {
        CallCommand::Confer(conference) => return confer(wiring, conference).await,
        CallCommand::Invite(user) => Operation::Invite(resolve(wiring, &user).await?),
        CallCommand::Mute(mute) => {
            let (audio, video) = (mute.audio, mute.video);
            match (mute.direction, mute.user) {
                (MediaDirection::Send, _) => Operation::Mute { audio, video },
                (MediaDirection::Receive, user) => {
                    let user = match user {
                        Some(user) => Some(resolve(wiring, &user).await?),
                        None => None,
                    };
                    Operation::Ignore { user, audio, video }
                }
            }
        }
        CallCommand::Hold(held) => Operation::Hold(held),
        CallCommand::Limit(kbps) => Operation::Limit((kbps > 0).then_some(kbps)),
        CallCommand::Tell(info) => Operation::Tell(info),
        CallCommand::Reconnect => Operation::Reconnect,
        CallCommand::Digits(keys) => Operation::Digits {
            digits: keys
                .read()
                .map_err(|rule| CommandError::new(ErrorCode::InvalidPayload, rule))?,
            user: match keys.user {
                Some(user) => Some(resolve(wiring, &user).await?),
                None => None,
            },
        },
    };
    let asked = wiring.slots.calls.ask(InCall(operation), LIMIT).await;
    asked.map_err(away)?
}

async fn confer(
    wiring: &Wiring,
    conference: Conference,
) -> Result<serde_json::Value, CommandError> {
    let mut users = resolve_all(wiring, &conference.users).await?;
    users.sort_unstable();
    users.dedup();
    if wiring.user().is_some_and(|me| users.contains(&me)) {
        return Err(CommandError::new(
            ErrorCode::InvalidPayload,
            "a device cannot call itself",
        ));
    }
    let confer = Confer {
        users,
        call_type: conference
            .call_type
            .unwrap_or(wiring.config.calls.call_type),
        info: conference.info,
    };
    let call = wiring
        .slots
        .calls
        .ask(confer, LIMIT)
        .await
        .map_err(away)??;
    Ok(json!({ "call": call }))
}

async fn crash(
    wiring: &Wiring,
    actor: String,
    crashes: &mpsc::Sender<CrashRequest>,
) -> Result<serde_json::Value, CommandError> {
    if !wiring.config.control.test_commands {
        let message = "kill needs `[control] test_commands = true`";
        return Err(CommandError::new(ErrorCode::NotAllowed, message));
    }
    let (done, answer) = oneshot::channel();
    let request = CrashRequest {
        actor: actor.clone(),
        done,
    };
    let told = match crashes.send(request).await {
        Ok(()) => answer.await.unwrap_or(false),
        Err(_) => false,
    };
    if !told {
        let message = format!("no running actor is called {actor:?}");
        return Err(CommandError::new(ErrorCode::NotFound, message));
    }
    Ok(json!({ "actor": actor }))
}

/// The last lines of the log. No secret is logged; should one be all the same, it stays here.
fn logs(wiring: &Wiring, limit: usize) -> Vec<String> {
    let config = &wiring.config;
    let secrets = config.secrets();
    let hide = |line: String| {
        secrets
            .iter()
            .fold(line, |line, secret| line.replace(secret.expose(), "***"))
    };
    let lines = crate::base::telemetry::recent(limit);
    lines.into_iter().map(hide).collect()
}

pub(super) fn away(error: Undelivered) -> CommandError {
    let code = match error {
        Undelivered::Timeout(_) => ErrorCode::Timeout,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}
