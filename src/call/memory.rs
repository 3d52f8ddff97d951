//! Calls that are over: they never ring again, and whoever missed our farewell gets it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::end::EndReason;
use super::exchange::UserInfo;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::SignalKind;

/// Calls remembered; older ones can ring again under their id.
const MOST: usize = 64;
/// A signal that comes sooner crossed our farewell; and no more than one answer in this time.
const CROSSED: Duration = Duration::from_secs(2);
/// A sender that does not understand is answered this often.
const ANSWERS: u32 = 12;

/// The calls that ended last.
#[derive(Debug, Default)]
pub struct Memory {
    calls: VecDeque<Remembered>,
}

#[derive(Debug)]
struct Remembered {
    id: String,
    /// Whom we told, and may tell again.
    members: Vec<UserId>,
    farewell: Option<(SignalKind, UserInfo)>,
    quiet_until: Instant,
    answers: u32,
}

impl Memory {
    /// A call is over. The farewell is what its members were told, if anything.
    pub fn keep(
        &mut self,
        now: Instant,
        id: String,
        members: Vec<UserId>,
        farewell: Option<(SignalKind, UserInfo)>,
    ) {
        if self.calls.len() == MOST {
            self.calls.pop_front();
        }
        self.calls.push_back(Remembered {
            id,
            members,
            farewell,
            quiet_until: now + CROSSED,
            answers: 0,
        });
    }

    /// Whether this call is over.
    pub fn has(&self, id: &str) -> bool {
        self.calls.iter().any(|call| call.id == id)
    }

    /// What to answer a member that seems not to know that the call is over.
    pub fn remind(
        &mut self,
        now: Instant,
        id: &str,
        from: UserId,
        kind: SignalKind,
    ) -> Option<(SignalKind, UserInfo)> {
        let expects = matches!(
            kind,
            SignalKind::Call | SignalKind::Accept | SignalKind::IceRestart
        );
        let call = self.calls.iter_mut().find(|call| call.id == id)?;
        let is_due = now >= call.quiet_until && call.answers < ANSWERS;
        if !expects || !is_due || !call.members.contains(&from) {
            return None;
        }
        call.quiet_until = now + CROSSED;
        call.answers += 1;
        call.farewell.clone()
    }
}

/// What the members of a call that ended for this reason were told.
pub fn farewell(reason: EndReason, was_ringing: bool) -> Option<(SignalKind, UserInfo)> {
    let kind = match reason {
        EndReason::RemoteHungUp
        | EndReason::RemoteRejected
        | EndReason::Cancelled
        | EndReason::EndedByCaller
        | EndReason::AnsweredElsewhere
        | EndReason::Missed => return None,
        _ if was_ringing => SignalKind::Reject,
        _ => SignalKind::HangUp,
    };
    Some((kind, reason.user_info()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected() -> Option<(SignalKind, UserInfo)> {
        farewell(EndReason::Rejected, true)
    }

    #[test]
    fn a_member_that_calls_on_is_told_again_but_not_in_a_flood() {
        let now = Instant::now();
        let mut memory = Memory::default();
        memory.keep(now, "s".into(), vec![1], rejected());
        let call = SignalKind::Call;
        assert_eq!(memory.remind(now, "s", 1, call), None, "it crossed");
        let later = now + CROSSED;
        assert_eq!(memory.remind(later, "s", 1, call), rejected());
        assert_eq!(memory.remind(later, "s", 1, call), None);
        let told = (0..1_000)
            .filter(|n| memory.remind(later + CROSSED * *n, "s", 1, call).is_some())
            .count();
        assert!(told < ANSWERS as usize);
    }

    #[test]
    fn strangers_and_mere_candidates_are_not_answered() {
        let now = Instant::now();
        let later = now + CROSSED;
        let mut memory = Memory::default();
        memory.keep(now, "s".into(), vec![1], rejected());
        assert_eq!(memory.remind(later, "s", 2, SignalKind::Call), None);
        assert_eq!(
            memory.remind(later, "s", 1, SignalKind::IceCandidates),
            None
        );
        assert_eq!(memory.remind(later, "other", 1, SignalKind::Call), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Instant::now();
        let mut memory = Memory::default();
        for n in 0..1_000 {
            memory.keep(now, n.to_string(), vec![1], None);
        }
        assert!(!memory.has("935"));
        assert!(memory.has("936"));
    }
}
