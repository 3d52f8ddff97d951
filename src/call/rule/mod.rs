//! Rules: what the device does by itself when something happens, without another server.
//!
//! `condition` and `template` are the two small languages of a rule, `path` is what both name
//! fields with, `book` holds the rules and judges an occasion, `loops` finds rules that set
//! themselves off, `topic` matches topics.
//!
//! Invariant: whatever the rules are and whatever their commands cause, a rule fires at most
//! [`book::FIRINGS_MAX`] times in [`book::FIRINGS_SPAN`], and not within its cool-down.
//! Must not enter: carrying commands out, what a command's fields may be.

pub mod book;
pub mod condition;
pub mod loops;
pub mod path;
pub mod template;
pub mod topic;

use std::time::Duration;

use serde_json::{Map, Value};

use self::condition::Condition;
use super::ring_plan;

/// One `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, unique.
    pub name: String,
    /// What it waits for.
    pub trigger: Trigger,
    /// At which hours.
    pub hours: Option<ring_plan::Condition>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What it does, in order.
    pub actions: Vec<Action>,
    /// So long after it fired it does not.
    pub cooldown: Duration,
}

/// What a rule waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An event of this device: its type, or the beginning of it (`call` for `call/ended`).
    Events(Vec<String>),
    /// A message on somebody else's topic, by a filter of MQTT.
    Topic(String),
}

/// A command, with placeholders in its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The command's verb.
    pub verb: String,
    /// Its fields.
    pub fields: Map<String, Value>,
}

/// What a rule has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    /// An event of this type.
    Event(&'a str),
    /// A message on this topic.
    Topic(&'a str),
}

impl Trigger {
    /// Whether it is this it waits for.
    pub fn fits(&self, cause: Cause<'_>) -> bool {
        match (self, cause) {
            (Self::Events(wanted), Cause::Event(kind)) => {
                wanted.iter().any(|one| includes(one, kind))
            }
            (Self::Topic(filter), Cause::Topic(topic)) => topic::matches(filter, topic),
            _ => false,
        }
    }
}

/// `call` includes `call/ended`, but not `caller`.
pub fn includes(wanted: &str, kind: &str) -> bool {
    kind.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
