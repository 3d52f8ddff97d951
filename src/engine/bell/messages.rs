//! What the `Bell` actor can be told and asked.

use actix::prelude::*;
use serde_json::Value;

use crate::call::ring_plan::StopReason;
use crate::engine::command::CommandError;
use crate::protocol::address::UserRef;

/// The bell: ring these users, or whom the plan names. Gives the ring's id and its first calls.
#[derive(Message)]
#[rtype(result = "Result<Value, CommandError>")]
pub struct RingBell {
    /// Instead of the plan; empty means the plan.
    pub targets: Vec<UserRef>,
}

/// Stop ringing. Gives the ring's id, if there was one.
#[derive(Message)]
#[rtype(result = "Option<String>")]
pub struct StopRinging {
    /// Why.
    pub reason: StopReason,
    /// In the words of who stopped it.
    pub detail: Option<String>,
}

/// What was changed while the device runs concerns the bell.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reconsider;
