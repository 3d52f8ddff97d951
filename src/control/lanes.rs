//! What one requester orders is carried out in the order it came, where order matters: one after
//! the other within a lane, lanes beside each other.

use std::collections::{HashMap, VecDeque};

use super::requester::Requester;

/// Orders that must not overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Beginning, answering, ending calls, and what is done in them.
    Calls,
    /// Messages and dialogs.
    Chat,
    /// What holds from now on.
    Settings,
    /// The door waits for nothing else.
    Door,
    /// Reading and pictures: in any order.
    Free,
}

impl Lane {
    /// The lane of a command or setting.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "unlock" | "door/set" => Self::Door,
            "dnd" | "ring_target" | "auto_answer" | "policy/set" | "audio/set" | "camera/set"
            | "display/set" | "block" | "unblock" | "profile_update" | "log_detail" => {
                Self::Settings
            }
            "ring" | "press" | "stop_ringing" | "call" | "answer" | "reject" | "hangup"
            | "conference" | "invite" | "mute" | "hold" | "resume" | "bandwidth" | "tell"
            | "digits" | "reconnect" | "call/set" | "visitor_message" | "record" | "say"
            | "talk" => Self::Calls,
            "send"
            | "edit"
            | "remove"
            | "react"
            | "typing"
            | "mark_read"
            | "send_system"
            | "dialog_create"
            | "dialog_update"
            | "dialog_leave"
            | "dialog_delete"
            | "dialog_clear"
            | "dialog_subscribe"
            | "dialog_notifications"
            | "record_create"
            | "record_update"
            | "record_delete"
            | "push" => Self::Chat,
            _ => Self::Free,
        }
    }
}

type Key = (Requester, Lane);

/// Jobs that wait for those before them.
#[derive(Debug)]
pub(super) struct Lanes<J> {
    waiting: HashMap<Key, VecDeque<J>>,
}

impl<J> Default for Lanes<J> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
        }
    }
}

impl<J> Lanes<J> {
    /// Gives the job back if it may begin now; else it waits.
    pub(super) fn enter(&mut self, requester: &Requester, lane: Lane, job: J) -> Option<J> {
        if lane == Lane::Free {
            return Some(job);
        }
        match self.waiting.get_mut(&(requester.clone(), lane)) {
            Some(waiting) => {
                waiting.push_back(job);
                None
            }
            None => {
                let key = (requester.clone(), lane);
                self.waiting.insert(key, VecDeque::new());
                Some(job)
            }
        }
    }

    /// One is done; the next of its lane may begin.
    pub(super) fn leave(&mut self, requester: &Requester, lane: Lane) -> Option<J> {
        if lane == Lane::Free {
            return None;
        }
        let key = (requester.clone(), lane);
        let next = self.waiting.get_mut(&key)?.pop_front();
        if next.is_none() {
            self.waiting.remove(&key);
        }
        next
    }

    /// Those that wait in a lane, the next one first.
    pub(super) fn next(
        &mut self,
        requester: &Requester,
        lane: Lane,
    ) -> impl Iterator<Item = &mut J> {
        let waiting = self.waiting.get_mut(&(requester.clone(), lane));
        waiting.into_iter().flatten()
    }

    /// Forgets all that waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::requester::Way;
    use super::*;
    use crate::engine::setting_command::PARTS;

    fn requester(name: &str) -> Requester {
        Requester {
            way: Way::Property,
            name: name.into(),
        }
    }

    #[test]
    fn what_is_set_has_a_lane() {
        for part in PARTS {
            assert_ne!(Lane::of(&format!("{part}/set")), Lane::Free, "{part}");
        }
    }

    #[test]
    fn one_requesters_orders_of_a_lane_follow_each_other() {
        let mut lanes = Lanes::default();
        let (a, b) = (requester("a"), requester("b"));
        assert_eq!(lanes.enter(&a, Lane::Chat, 1), Some(1));
        assert_eq!(lanes.enter(&a, Lane::Chat, 2), None);
        assert_eq!(lanes.enter(&a, Lane::Chat, 3), None);
        assert_eq!(lanes.enter(&a, Lane::Door, 4), Some(4), "another lane");
        assert_eq!(lanes.enter(&b, Lane::Chat, 5), Some(5), "another requester");
        assert_eq!(lanes.next(&a, Lane::Chat).collect::<Vec<_>>(), [&2, &3]);
        assert_eq!(lanes.next(&b, Lane::Chat).count(), 0, "it runs");
        assert_eq!(lanes.leave(&a, Lane::Chat), Some(2));
        assert_eq!(lanes.leave(&a, Lane::Chat), Some(3));
        assert_eq!(lanes.leave(&a, Lane::Chat), None);
        assert_eq!(lanes.enter(&a, Lane::Chat, 6), Some(6));
    }

    #[test]
    fn what_only_reads_waits_for_nothing() {
        let mut lanes = Lanes::default();
        let a = requester("a");
        for n in 0..3 {
            assert_eq!(lanes.enter(&a, Lane::of("history"), n), Some(n));
        }
        assert_eq!(lanes.leave(&a, Lane::Free), None);
    }
}
