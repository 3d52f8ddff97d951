//! The plan of the configuration with the people of this moment.

use std::time::Duration;

use crate::call::party::Party;
use crate::call::ring_plan::Step;
use crate::config::RingStep;
use crate::engine::command::{CommandError, ErrorCode};
use crate::engine::wiring::Wiring;
use crate::protocol::address::UserRef;

/// The plan with the numbers of its people, or one step with the named ones.
pub(super) async fn steps(
    wiring: &Wiring,
    targets: Vec<UserRef>,
) -> Result<Vec<Step>, CommandError> {
    let named = !targets.is_empty();
    let plan = if named {
        let ring = targets.into_iter().map(Party::User).collect();
        vec![RingStep {
            ring,
            rings_for: Duration::from_secs(wiring.config.calls.answer_timeout_s.into()),
            condition: None,
        }]
    } else {
        wiring.config.calls.plan()
    };
    if plan.is_empty() {
        let message = "nobody to ring: `[calls]` names nobody and no targets were given";
        return Err(CommandError::new(ErrorCode::InvalidPayload, message));
    }
    let me = wiring.user();
    let mut steps = Vec::new();
    let mut trouble = None;
    for step in plan {
        let mut users = match wiring.roster.resolved(wiring, &step.ring).await {
            Ok(users) => users,
            Err(error) => {
                tracing::warn!(%error, "a step of the bell names nobody who can be found");
                trouble = Some(error);
                continue;
            }
        };
        if named && me.is_some_and(|me| users.contains(&me)) {
            let message = "a device cannot call itself";
            return Err(CommandError::new(ErrorCode::InvalidPayload, message));
        }
        users.retain(|user| Some(*user) != me);
        steps.push(Step {
            targets: users,
            rings_for: step.rings_for,
            condition: step.condition,
        });
    }
    match trouble {
        Some(error) if steps.is_empty() => Err(error),
        _ => Ok(steps),
    }
}
