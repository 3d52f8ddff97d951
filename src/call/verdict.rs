//! What becomes of an incoming call before anything rings (PC-17, PC-23).

use std::collections::BTreeMap;
use std::time::Duration;

use super::end::EndReason;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::CallType;

/// An incoming call, as a policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The session's id.
    pub call: String,
    /// Who calls.
    pub from: UserId,
    /// Everybody called, ourselves among them.
    pub opponents: Vec<UserId>,
    /// With pictures or without.
    pub call_type: CallType,
    /// The caller's custom parameters.
    pub user_info: BTreeMap<String, String>,
    /// Whether another call is open here, ringing or answered.
    pub is_busy: bool,
}

/// What to do with an [`Invitation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ring until somebody answers here; beside an open call if there is one.
    Ring,
    /// Answer without anybody's doing.
    AutoAnswer {
        /// Rings so long before.
        after: Duration,
    },
    /// Decline at once. The caller is told the reason.
    Refuse(EndReason),
    /// As if the call had not come; the caller's own timer ends it.
    Ignore,
}

/// Decides about incoming calls. Asked once per session, before it rings; it must answer at once,
/// so whatever it needs to know it has read before.
pub trait IncomingPolicy: Send + Sync {
    /// The decision.
    fn verdict(&self, invitation: &Invitation) -> Verdict;
}

/// Everybody may call; whoever calls during a call hears that we are busy.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingUnlessBusy;

impl IncomingPolicy for RingUnlessBusy {
    fn verdict(&self, invitation: &Invitation) -> Verdict {
        if invitation.is_busy {
            Verdict::Refuse(EndReason::Busy)
        } else {
            Verdict::Ring
        }
    }
}
