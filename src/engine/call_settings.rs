//! Commands that change what holds for calls while the device runs.

use serde_json::{Value, json};

use super::bell::Reconsider;
use super::command::CommandError;
use super::directory::resolve;
use super::event::unix_ms;
use super::ringing_command::{AutoAnswer, Dnd, RingTarget};
use super::wiring::Wiring;
use crate::call::live::Until;

/// `dnd`: of this device, or of somebody the bell rings.
///
/// # Errors
/// `not_found` for an unknown user, `unavailable` when it cannot be kept.
pub async fn dnd(wiring: &Wiring, dnd: Dnd) -> Result<Value, CommandError> {
    let end = dnd.end(unix_ms());
    let until = dnd.on.then_some(Until { end });
    let user = match &dnd.user {
        Some(user) => Some(resolve(wiring, user).await?),
        None => None,
    };
    wiring
        .live
        .change(wiring, |live| match (user, until) {
            (None, until) => live.dnd = until,
            (Some(user), Some(until)) => {
                live.quiet_users.insert(user, until);
            }
            (Some(user), None) => {
                live.quiet_users.remove(&user);
            }
        })
        .await?;
    reconsider(wiring);
    Ok(json!({ "on": dnd.on, "until": end, "user": user }))
}

/// `ring_target`.
///
/// # Errors
/// As [`dnd`].
pub async fn ring_target(wiring: &Wiring, target: RingTarget) -> Result<Value, CommandError> {
    let user = resolve(wiring, &target.user).await?;
    wiring
        .live
        .change(wiring, |live| {
            if target.enabled {
                live.ring_off.remove(&user);
            } else {
                live.ring_off.insert(user);
            }
        })
        .await?;
    reconsider(wiring);
    Ok(json!({ "user": user, "enabled": target.enabled }))
}

/// `auto_answer`.
///
/// # Errors
/// `unavailable` when it cannot be kept.
pub async fn auto_answer(wiring: &Wiring, wanted: AutoAnswer) -> Result<Value, CommandError> {
    wiring
        .live
        .change(wiring, |live| live.auto_answer_off = !wanted.on)
        .await?;
    Ok(json!({ "on": wanted.on }))
}

/// Somebody may be ringing who is not to any more.
pub(super) fn reconsider(wiring: &Wiring) {
    // A bell between two lives reads the settings when it comes back.
    let _ = wiring.slots.bell.tell(Reconsider);
}
