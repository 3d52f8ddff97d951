//! Which commands are running or were answered lately, so that the same id is not executed again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use crate::engine::journal::REMEMBERED_MAX;

/// How long an answer is remembered.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// How many commands run at once.
pub(super) const RUNNING_MAX: usize = 64;
/// How many requesters may wait for one command.
const WAITERS_MAX: usize = 64;

/// Where a reply goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) topic: String,
    pub(super) correlation: Option<Bytes>,
    /// Whether the reply says which device it is from.
    pub(super) names_device: bool,
}

/// What makes two requests the same: what is ordered and the id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) verb: String,
    /// The id as JSON, so that `1` and `"1"` differ.
    pub(super) id: String,
}

/// A hash of the payload: an id used again for something else is a mistake of the sender.
pub(super) type Fingerprint = [u8; 32];

/// Names a running command.
pub(super) type Ticket = u64;

/// What the window knows of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// Nothing; it has been entered and is to be executed.
    New(Ticket),
    /// It is running; the requester will get its answer.
    Running,
    /// It was answered so.
    Answered(Value),
    /// Its id belongs to a request with other fields.
    Different,
    /// Too much is running already.
    Full,
}

/// A command that has ended.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) body: Value,
    pub(super) waiters: Vec<ReplyTo>,
    pub(super) key: Option<(Key, Fingerprint)>,
}

#[derive(Debug)]
struct Running {
    key: Option<(Key, Fingerprint)>,
    id: Value,
    waiters: Vec<ReplyTo>,
}

#[derive(Debug)]
struct Answered {
    fingerprint: Fingerprint,
    body: Value,
    at: Instant,
}

/// The window. Bounded in number and time.
#[derive(Debug, Default)]
pub(super) struct Window {
    next: Ticket,
    running: HashMap<Ticket, Running>,
    by_key: HashMap<Key, Ticket>,
    answered: HashMap<Key, Answered>,
    order: VecDeque<Key>,
}

impl Window {
    /// Enters a request. Without a key it is always new.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        key: Option<(Key, Fingerprint)>,
        id: Value,
        reply_to: ReplyTo,
    ) -> Seen {
        self.forget(now);
        if let Some((key, fingerprint)) = &key {
            if let Some(answered) = self.answered.get(key) {
                if answered.fingerprint != *fingerprint {
                    return Seen::Different;
                }
                return Seen::Answered(answered.body.clone());
            }
            let running = self.by_key.get(key).and_then(|t| self.running.get_mut(t));
            if let Some(running) = running {
                if running.key.as_ref().map(|(_, known)| known) != Some(fingerprint) {
                    return Seen::Different;
                }
                // A redelivered request names the same place, which gets one answer.
                if !running.waiters.contains(&reply_to) {
                    if running.waiters.len() >= WAITERS_MAX {
                        return Seen::Full;
                    }
                    running.waiters.push(reply_to);
                }
                return Seen::Running;
            }
        }
        if self.running.len() >= RUNNING_MAX {
            return Seen::Full;
        }
        let ticket = self.next;
        self.next += 1;
        if let Some((key, _)) = &key {
            self.by_key.insert(key.clone(), ticket);
        }
        let running = Running {
            key,
            id,
            waiters: vec![reply_to],
        };
        self.running.insert(ticket, running);
        Seen::New(ticket)
    }

    /// Takes over an answer of before a restart.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        key: Key,
        fingerprint: Fingerprint,
        body: Value,
        age: Duration,
    ) {
        // A machine that runs for less than the age cannot say so; then it counts from now on.
        let at = now.checked_sub(age).unwrap_or(now);
        self.order.push_back(key.clone());
        let answered = Answered {
            fingerprint,
            body,
            at,
        };
        self.answered.insert(key, answered);
        self.forget(now);
    }

    /// Whether a request of this name and id is running or answered.
    pub(super) fn knows(&mut self, now: Instant, key: &Key) -> bool {
        self.forget(now);
        self.answered.contains_key(key) || self.by_key.contains_key(key)
    }

    /// Ends a running command: `body` makes the reply from the id; everybody who waits is
    /// returned with it.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        ticket: Ticket,
        body: impl FnOnce(&Value) -> Value,
    ) -> Option<Ended> {
        let running = self.running.remove(&ticket)?;
        let body = body(&running.id);
        let key = running.key.clone();
        if let Some((key, fingerprint)) = running.key {
            self.by_key.remove(&key);
            self.order.push_back(key.clone());
            let answered = Answered {
                fingerprint,
                body: body.clone(),
                at: now,
            };
            self.answered.insert(key, answered);
            self.forget(now);
        }
        Some(Ended {
            body,
            waiters: running.waiters,
            key,
        })
    }

    /// The running commands.
    pub(super) fn running(&self) -> Vec<Ticket> {
        self.running.keys().copied().collect()
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let expired = self.answered.get(oldest).is_none_or(|answered| {
                now.saturating_duration_since(answered.at) >= REMEMBERED_FOR
            });
            if !expired && self.order.len() <= REMEMBERED_MAX {
                return;
            }
            self.answered.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(topic: &str) -> ReplyTo {
        ReplyTo {
            topic: topic.into(),
            correlation: None,
            names_device: false,
        }
    }

    fn key(id: usize) -> Option<(Key, Fingerprint)> {
        let key = Key {
            verb: "ring".into(),
            id: id.to_string(),
        };
        Some((key, [0; 32]))
    }

    fn new(seen: Seen) -> Ticket {
        match seen {
            Seen::New(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_window_remembers_no_more_and_no_longer_than_it_says() {
        let mut window = Window::default();
        let now = Instant::now();
        for n in 0..REMEMBERED_MAX + 1 {
            let ticket = new(window.enter(now, key(n), Value::Null, to("a")));
            window.answer(now, ticket, |_| Value::from(n)).unwrap();
        }
        assert_eq!(window.answered.len(), REMEMBERED_MAX);
        let again = window.enter(now, key(REMEMBERED_MAX), Value::Null, to("a"));
        assert_eq!(again, Seen::Answered(Value::from(REMEMBERED_MAX)));
        let ticket = new(window.enter(now, key(0), Value::Null, to("a")));
        window.answer(now, ticket, |_| Value::Null).unwrap();
        let later = now + REMEMBERED_FOR;
        new(window.enter(later, key(1), Value::Null, to("a")));
        assert!(window.answered.is_empty() && window.order.is_empty());
    }

    #[test]
    fn everybody_who_asked_while_it_ran_is_answered_once() {
        let mut window = Window::default();
        let now = Instant::now();
        let ticket = new(window.enter(now, key(1), Value::from(1), to("a")));
        assert_eq!(
            window.enter(now, key(1), Value::from(1), to("b")),
            Seen::Running
        );
        assert_eq!(
            window.enter(now, key(1), Value::from(1), to("a")),
            Seen::Running
        );
        let ended = window.answer(now, ticket, Clone::clone).unwrap();
        assert_eq!(ended.body, Value::from(1));
        assert_eq!(ended.waiters, vec![to("a"), to("b")]);
        assert!(window.answer(now, ticket, Clone::clone).is_none());
    }

    #[test]
    fn what_was_answered_before_a_restart_is_known_until_it_is_old() {
        let mut window = Window::default();
        let now = Instant::now() + REMEMBERED_FOR;
        let (known, print) = key(1).unwrap();
        let age = REMEMBERED_FOR - Duration::from_secs(1);
        window.remember(now, known, print, Value::from("done"), age);
        let again = window.enter(now, key(1), Value::from(1), to("a"));
        assert_eq!(again, Seen::Answered(Value::from("done")));
        let later = now + Duration::from_secs(1);
        new(window.enter(later, key(1), Value::from(1), to("a")));
    }

    #[test]
    fn running_commands_are_bounded() {
        let mut window = Window::default();
        let now = Instant::now();
        for _ in 0..RUNNING_MAX {
            new(window.enter(now, None, Value::Null, to("a")));
        }
        assert_eq!(window.enter(now, None, Value::Null, to("a")), Seen::Full);
    }
}
