//! What is kept of calls and of the door: one record each, in the store and as an event.

use serde_json::{Value, json};

use super::bell;
use super::command::{CommandError, ErrorCode};
use super::event::{EventKind, unix_ms};
use super::wiring::Wiring;
use crate::store::{CallFilter, CallRecord, DoorAttempt};

/// Completes the record of a call, keeps it and tells it.
pub fn keep(wiring: &Wiring, mut record: CallRecord) {
    if let Some(of) = wiring.rings.take(&record.call) {
        let picture = bell::picture_of(&of.ring);
        record.details.step = Some(of.step);
        record.details.ring = Some(of.ring);
        if wiring.config.device.state_dir.join(&picture).exists() {
            record.details.snapshot = Some(picture);
        }
    }
    let wiring = wiring.clone();
    actix::spawn(async move {
        match wiring.store.user_by_id(record.peer).await {
            Ok(known) => {
                record.details.name = known.map(|user| user.name.unwrap_or(user.login));
            }
            Err(error) => tracing::warn!(%error, "the user directory cannot be read"),
        }
        let keep = wiring.config.calls.keep_records;
        if let Err(error) = wiring.store.log_call(record.clone(), keep).await {
            tracing::error!(%error, call = record.call, "the call's record was not kept");
        }
        wiring
            .board
            .publish(EventKind::CallRecord(Box::new(record)));
    });
}

/// Notes an attempt to open the door. The door does not wait for it.
pub fn door_attempt(
    wiring: &Wiring,
    by: &str,
    how: &'static str,
    call: Option<String>,
    refusal: Option<&str>,
) {
    let attempt = DoorAttempt {
        at: unix_ms(),
        by: by.to_owned(),
        how: how.to_owned(),
        call,
        opened: refusal.is_none(),
        reason: refusal.map(str::to_owned),
    };
    let wiring = wiring.clone();
    actix::spawn(async move {
        let keep = wiring.config.calls.keep_records;
        if let Err(error) = wiring.store.log_door(attempt, keep).await {
            tracing::error!(%error, "an attempt to open the door was not noted");
        }
    });
}

/// `calls`.
///
/// # Errors
/// `unavailable` when the store is away.
pub async fn calls(wiring: &Wiring, filter: CallFilter) -> Result<Value, CommandError> {
    let calls = wiring.store.calls(filter).await;
    Ok(json!({ "calls": calls.map_err(away)? }))
}

/// `door_log`.
///
/// # Errors
/// `unavailable` when the store is away.
pub async fn door_log(wiring: &Wiring, limit: u32) -> Result<Value, CommandError> {
    let attempts = wiring.store.door_log(limit).await;
    Ok(json!({ "attempts": attempts.map_err(away)? }))
}

/// `control_log`.
///
/// # Errors
/// `unavailable` when the store is away.
pub async fn control_log(wiring: &Wiring, limit: u32) -> Result<Value, CommandError> {
    let entries = wiring.store.control_log(limit).await;
    Ok(json!({ "entries": entries.map_err(away)? }))
}

fn away(error: crate::store::StoreError) -> CommandError {
    CommandError::new(ErrorCode::Unavailable, error.to_string())
}

/// `recordings`: what is kept, newest first.
///
/// # Errors
/// `internal` when looking for them failed.
pub async fn recordings(wiring: &Wiring, limit: u32) -> Result<Value, CommandError> {
    let folder = wiring.recordings.clone();
    // Each file is opened for its length, on a card that may be slow.
    let listed = tokio::task::spawn_blocking(move || folder.list(limit as usize)).await;
    let listed =
        listed.map_err(|error| CommandError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(json!({ "recordings": listed }))
}
