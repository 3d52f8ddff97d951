//! The rule that begins a message when a ring ends without an answer.
//!
//! It looks at the calls of a ring from outside, and is the one place to change when whoever rings
//! says so itself.

use std::collections::{BTreeMap, VecDeque};

/// Ends remembered of calls whose ring is not known yet.
const REMEMBERED: usize = 64;

/// Calls of rings that are not over.
#[derive(Debug, Default)]
pub(super) struct AfterRing {
    rings: Vec<Ring>,
    /// A call may end before its ring is told of.
    ended_early: VecDeque<(String, String)>,
}

#[derive(Debug)]
struct Ring {
    id: String,
    /// Each call with the reason of its end.
    calls: BTreeMap<String, Option<String>>,
}

impl AfterRing {
    /// A bell rings these. Gives the ring if it is over already, and unanswered.
    pub(super) fn began(&mut self, calls: &[String]) -> Option<String> {
        let id = calls.first()?.clone();
        let calls = calls.iter().map(|call| {
            let known = self.ended_early.iter().find(|(ended, _)| ended == call);
            (call.clone(), known.map(|(_, reason)| reason.clone()))
        });
        let ring = Ring {
            id,
            calls: calls.collect(),
        };
        self.rings.push(ring);
        self.unanswered()
    }

    /// One of our calls ended. Gives the ring this was the last of, if nobody answered it.
    pub(super) fn ended(&mut self, call: &str, reason: &str) -> Option<String> {
        let known = self
            .rings
            .iter_mut()
            .find_map(|ring| ring.calls.get_mut(call));
        match known {
            Some(end) => *end = Some(reason.to_owned()),
            None => {
                if self.ended_early.len() == REMEMBERED {
                    self.ended_early.pop_front();
                }
                self.ended_early
                    .push_back((call.to_owned(), reason.to_owned()));
            }
        }
        self.unanswered()
    }

    fn unanswered(&mut self) -> Option<String> {
        let is_over = |ring: &Ring| ring.calls.values().all(Option::is_some);
        let at = self.rings.iter().position(is_over)?;
        let ring = self.rings.swap_remove(at);
        let nobody = ring
            .calls
            .values()
            .flatten()
            .all(|reason| nobody_came(reason));
        nobody.then_some(ring.id)
    }
}

/// Whether a call's end means that this one did not come to the door. A ring called off here, or
/// answered by anybody, is no such end.
fn nobody_came(reason: &str) -> bool {
    matches!(
        reason,
        "no_answer" | "remote_rejected" | "busy" | "not_supported" | "connect_failed"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_ring_is_unanswered_when_the_last_of_its_calls_is() {
        let mut rule = AfterRing::default();
        assert_eq!(rule.began(&calls(&["a", "b", "c"])), None);
        assert_eq!(rule.ended("b", "busy"), None);
        assert_eq!(rule.ended("a", "no_answer"), None);
        assert_eq!(rule.ended("x", "no_answer"), None, "no call of the ring");
        assert_eq!(rule.ended("c", "remote_rejected").as_deref(), Some("a"));
        assert_eq!(rule.ended("c", "no_answer"), None, "only once");
    }

    #[test]
    fn an_answer_or_a_ring_called_off_leaves_nothing_to_be_said() {
        for reason in [
            "remote_hung_up",
            "answered_elsewhere",
            "hung_up",
            "shutdown",
        ] {
            let mut rule = AfterRing::default();
            rule.began(&calls(&["a", "b"]));
            rule.ended("a", "no_answer");
            assert_eq!(rule.ended("b", reason), None, "{reason}");
        }
    }

    #[test]
    fn a_call_that_ends_before_its_ring_is_told_of_counts() {
        let mut rule = AfterRing::default();
        assert_eq!(rule.ended("a", "busy"), None);
        assert_eq!(rule.began(&calls(&["a"])).as_deref(), Some("a"));
        assert_eq!(rule.began(&[]), None);
    }
}
