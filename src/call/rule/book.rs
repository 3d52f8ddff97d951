//! All rules together: which fire on an occasion, and why the others do not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::path::Facts;
use super::{Cause, Rule, Trigger, template};
use crate::call::schedule::Schedule;

/// A rule fires at most so often …
pub const FIRINGS_MAX: usize = 30;
/// … in so long.
pub const FIRINGS_SPAN: Duration = Duration::from_secs(60);

/// The rules, their schedules, and when each fired.
#[derive(Debug, Default)]
pub struct RuleBook {
    rules: Vec<Rule>,
    schedules: Vec<Schedule>,
    /// The last firings of each rule, oldest first, at most [`FIRINGS_MAX`].
    fired: Vec<VecDeque<Instant>>,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// What.
    pub cause: Cause<'a>,
    /// With which fields, and in which state of the device.
    pub facts: Facts<'a>,
    /// When, Unix milliseconds: for the schedules.
    pub unix_ms: u64,
}

/// What a rule makes of an occasion.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It waits for something else.
    NotConcerned,
    /// It waits for this, but does not fire.
    Held(Held),
    /// It fires: its commands in order, each ready or with what it lacks.
    Fires(Vec<Order>),
}

/// Why a rule does not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its schedule does not hold, or holds where it must not.
    Hours(String),
    /// A condition does not hold; what the field is instead.
    Condition {
        /// The condition.
        condition: String,
        /// What was found.
        found: String,
    },
    /// It fired a moment ago.
    CoolDown,
    /// It fired too often.
    TooOften,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hours(rule) => f.write_str(rule),
            Self::Condition { condition, found } => write!(f, "not `{condition}`: {found}"),
            Self::CoolDown => f.write_str("it is in its cool-down"),
            Self::TooOften => write!(
                f,
                "it fired {FIRINGS_MAX} times within {} s",
                FIRINGS_SPAN.as_secs()
            ),
        }
    }
}

/// A command of a rule that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The verb.
    pub verb: String,
    /// Its fields, or which field of the occasion is missing.
    pub fields: Result<Map<String, Value>, String>,
}

impl RuleBook {
    /// Rules that have not fired yet.
    pub fn new(rules: Vec<Rule>, schedules: Vec<Schedule>) -> Self {
        Self {
            fired: rules.iter().map(|_| VecDeque::new()).collect(),
            rules,
            schedules,
        }
    }

    /// Other rules in the place of these. One that is the same by name keeps the memory of its
    /// firings, so that reloading is no way around a cool-down.
    pub fn replace(&mut self, rules: Vec<Rule>, schedules: Vec<Schedule>) {
        let mut next = Self::new(rules, schedules);
        for (rule, fired) in next.rules.iter().zip(&mut next.fired) {
            let before = self.rules.iter().position(|one| one.name == rule.name);
            if let Some(before) = before.and_then(|at| self.fired.get_mut(at)) {
                *fired = std::mem::take(before);
            }
        }
        *self = next;
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Topics of others the rules wait for.
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self
            .rules
            .iter()
            .filter_map(|rule| match &rule.trigger {
                Trigger::Topic(filter) => Some(filter.clone()),
                Trigger::Events(_) => None,
            })
            .collect();
        topics.sort();
        topics.dedup();
        topics
    }

    /// What each rule makes of an occasion, in the order of the file. Nothing is remembered.
    pub fn judge(&self, now: Instant, occasion: Occasion<'_>) -> Vec<(&Rule, Judgement)> {
        self.rules
            .iter()
            .zip(&self.fired)
            .map(|(rule, fired)| (rule, self.judge_one(rule, fired, now, occasion)))
            .collect()
    }

    /// The commands of the rules that fire, and remembers that they did.
    pub fn fire(&mut self, now: Instant, occasion: Occasion<'_>) -> Vec<(String, Vec<Order>)> {
        let judged: Vec<Judgement> = self
            .judge(now, occasion)
            .into_iter()
            .map(|(_, judgement)| judgement)
            .collect();
        let mut firing = Vec::new();
        for ((rule, fired), judgement) in self.rules.iter().zip(&mut self.fired).zip(judged) {
            if let Judgement::Fires(orders) = judgement {
                if fired.len() == FIRINGS_MAX {
                    fired.pop_front();
                }
                fired.push_back(now);
                firing.push((rule.name.clone(), orders));
            }
        }
        firing
    }

    fn judge_one(
        &self,
        rule: &Rule,
        fired: &VecDeque<Instant>,
        now: Instant,
        occasion: Occasion<'_>,
    ) -> Judgement {
        if !rule.trigger.fits(occasion.cause) {
            return Judgement::NotConcerned;
        }
        if let Some(hours) = &rule.hours {
            let schedule = self.schedules.iter().find(|one| one.name == hours.schedule);
            let holds = schedule.is_some_and(|schedule| schedule.holds(occasion.unix_ms));
            if holds == hours.is_negated {
                let (name, verb) = (
                    &hours.schedule,
                    if holds { "holds" } else { "does not hold" },
                );
                let rule = format!("the schedule `{name}` {verb}");
                return Judgement::Held(Held::Hours(rule));
            }
        }
        if let Some(condition) = rule
            .conditions
            .iter()
            .find(|one| !one.holds(occasion.facts))
        {
            return Judgement::Held(Held::Condition {
                condition: condition.to_string(),
                found: condition.found(occasion.facts),
            });
        }
        let since = |at: &Instant| now.saturating_duration_since(*at);
        if fired.back().is_some_and(|last| since(last) < rule.cooldown) {
            return Judgement::Held(Held::CoolDown);
        }
        let is_full = fired.len() == FIRINGS_MAX;
        if is_full
            && fired
                .front()
                .is_some_and(|first| since(first) < FIRINGS_SPAN)
        {
            return Judgement::Held(Held::TooOften);
        }
        let orders = rule.actions.iter().map(|action| Order {
            verb: action.verb.clone(),
            fields: template::fill(&action.fields, occasion.facts),
        });
        Judgement::Fires(orders.collect())
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
