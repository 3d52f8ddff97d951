//! What must hold when nothing is left to happen.

use super::World;
use crate::call::end::EndReason;
use crate::call::session::{LegPhase, Phase};

impl World {
    /// What must hold whenever nothing is left to happen.
    pub(super) fn check_rest(&self) {
        for party in &self.parties {
            for session in party.registry.iter() {
                assert_eq!(
                    session.phase(),
                    Phase::Connected,
                    "it rests at {}",
                    party.me
                );
                for leg in session.legs() {
                    let phase = leg.phase();
                    let is_settled = phase == LegPhase::Connected || !phase.is_live();
                    assert!(is_settled, "a leg of {} rests as {phase:?}", party.me);
                    if phase != LegPhase::Connected {
                        continue;
                    }
                    let other = self.parties.iter().find(|other| other.me == leg.peer());
                    let mirrored = other
                        .and_then(|other| other.registry.get(session.id()))
                        .and_then(|session| session.leg(party.me))
                        .map(|leg| leg.phase());
                    assert_eq!(
                        mirrored,
                        Some(LegPhase::Connected),
                        "{} and {} do not agree about {}",
                        party.me,
                        leg.peer(),
                        session.id()
                    );
                }
            }
        }
        self.check_reasons();
    }

    /// No two sides both believe that the other one left first.
    pub(super) fn check_reasons(&self) {
        for party in &self.parties {
            for ((call, peer), (reason, is_ours)) in &party.ended {
                let other = self.parties.iter().find(|other| other.me == *peer);
                let theirs = other.and_then(|other| other.ended.get(&(call.clone(), party.me)));
                let Some((their_reason, they_started)) = theirs else {
                    continue;
                };
                assert!(
                    !(is_told(*reason, *is_ours) && is_told(*their_reason, *they_started)),
                    "{call}: {} ended as {reason}, {peer} as {their_reason}",
                    party.me
                );
            }
        }
    }
}

/// Whether a leg ended because the other side said so.
fn is_told(reason: EndReason, is_ours: bool) -> bool {
    match reason {
        EndReason::RemoteHungUp
        | EndReason::RemoteRejected
        | EndReason::Busy
        | EndReason::NotSupported
        | EndReason::Cancelled => true,
        EndReason::AnsweredElsewhere => !is_ours,
        _ => false,
    }
}
