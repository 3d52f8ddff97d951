//! Commands to actors: each request is carried out beside the others and answered once.

use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::calls::{Answer, Dial, HangUp, Reject};
use super::command::{Command, CommandError, ErrorCode, Reply, Request, VisitorAction};
use super::directory::{resolve, resolve_all};
use super::door::Unlock;
use super::event::EventKind;
use super::mailbox::Undelivered;
use super::messages;
use super::supervisor::CrashRequest;
use super::visitor_message::{EndVisitorMessage, RingBegan, StartVisitorMessage};
use super::wiring::Wiring;
use crate::call::end::EndReason;
use crate::protocol::address::UserRef;
use crate::protocol::call_signal::CallType;

/// How long an actor may take over a command.
const LIMIT: Duration = Duration::from_secs(8);
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
            json!({ "calls": dial(wiring, vec![user], call_type).await? })
        }
        Command::Answer => {
            json!({ "call": wiring.slots.calls.ask(Answer, LIMIT).await.map_err(away)?? })
        }
        Command::Reject { reason } => {
            json!({ "call": wiring.slots.calls.ask(Reject(reason), LIMIT).await.map_err(away)?? })
        }
        Command::Hangup => {
            let ended = wiring
                .slots
                .calls
                .ask(HangUp(EndReason::HungUp), LIMIT)
                .await;
            json!({ "calls": ended.map_err(away)?? })
        }
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
        Command::VisitorMessage(action) => visitor_message(wiring, action).await?,
        Command::Kill { actor } => crash(wiring, actor, crashes).await?,
    };
    Ok(Reply::Json(details))
}

async fn ring(wiring: &Wiring, targets: Vec<UserRef>) -> Result<serde_json::Value, CommandError> {
    let configured = &wiring.config.calls.ring;
    let targets = if targets.is_empty() {
        configured
    } else {
        &targets
    };
    if targets.is_empty() {
        let message = "nobody to ring: `[calls] ring` is empty and no targets were given";
        return Err(CommandError::new(ErrorCode::InvalidPayload, message));
    }
    let users = resolve_all(wiring, targets).await?;
    let calls = dial(wiring, users, wiring.config.calls.call_type).await?;
    // Undelivered while that actor restarts: then nobody leaves a message after this ring.
    let _ = wiring.slots.visitor_messages.tell(RingBegan(calls.clone()));
    Ok(json!({ "calls": calls }))
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

async fn dial(
    wiring: &Wiring,
    users: Vec<u64>,
    call_type: CallType,
) -> Result<Vec<String>, CommandError> {
    if wiring.user().is_some_and(|me| users.contains(&me)) {
        return Err(CommandError::new(
            ErrorCode::InvalidPayload,
            "a device cannot call itself",
        ));
    }
    let calls = wiring
        .slots
        .calls
        .ask(Dial { users, call_type }, LIMIT)
        .await
        .map_err(away)??;
    Ok(calls)
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

fn away(error: Undelivered) -> CommandError {
    let code = match error {
        Undelivered::Timeout(_) => ErrorCode::Timeout,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, error.to_string())
}
