//! What pressing the bell does: steps one after the other, each ringing several people at once,
//! until somebody answers, it is stopped, or nobody is left.
//!
//! The shell dials and hangs up as it is told and brings back what became of the calls. **At most
//! one answer wins; nobody rings who is not to be disturbed; once it is over nobody rings.**
//!
//! Whoever rings when a step ends and is in the next one too rings on by the same call, as long as
//! that call lasts for the whole of it ([`RingPlan::limit_calls`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::end::EndReason;
pub use super::ring_outcome::{Outcome, SkipReason, StopReason, Unanswered};
use crate::protocol::address::UserId;

/// One step: whom to ring, for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Everybody at once.
    pub targets: Vec<UserId>,
    /// Until the next step.
    pub rings_for: Duration,
    /// What its condition is called with [`Circumstances::holds`].
    pub condition: Option<Condition>,
}

/// When a step is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The schedule.
    pub schedule: String,
    /// Taken while the schedule does not hold, instead of while it does.
    pub is_negated: bool,
}

/// What the world is like as a step is taken.
pub trait Circumstances {
    /// Whether somebody is not to be rung now.
    fn is_quiet(&self, user: UserId) -> bool;
    /// Whether somebody is known not to be connected.
    fn is_offline(&self, user: UserId) -> bool;
    /// Whether a condition is fulfilled now.
    fn holds(&self, condition: &Condition) -> bool;
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The calls of a step are under way; whoever is not among them cannot be called.
    Dialled {
        /// The step of [`Output::Dial`].
        step: usize,
        /// Whom it named.
        users: Vec<UserId>,
        /// Who is called by which call.
        calls: Vec<(UserId, String)>,
    },
    /// A call was answered.
    Answered(String),
    /// A call is over.
    Ended(String, EndReason),
    /// Somebody wants it to end.
    Stop(StopReason),
    /// The button again.
    Pressed,
    /// Time has passed, or who is quiet has changed.
    Tick,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Call them, and tell [`Input::Dialled`]; with nobody to call there is nothing to tell.
    Dial {
        /// Which step, from 0.
        step: usize,
        /// Whom.
        users: Vec<UserId>,
        /// Who rings on in this step, by the call of an earlier one.
        kept: Vec<(UserId, String)>,
    },
    /// End these calls, saying why.
    HangUp(Vec<String>, EndReason),
    /// A step is not taken.
    Skipped {
        /// Which, from 0.
        step: usize,
        /// Why.
        reason: SkipReason,
    },
    /// These are not connected: the moment to wake their phones.
    Offline {
        /// Who.
        users: Vec<UserId>,
        /// Whether they are rung all the same, because nobody else is there.
        is_rung: bool,
    },
    /// The button was pressed while it rings: nothing begins anew.
    PressedAgain,
    /// It is over; nothing follows but clearing up.
    Finished(Outcome),
}

/// Where one person of the present step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// To be called since then; the shell has not yet told by which call.
    Dialling(Instant),
    /// Called.
    Rings(Call),
    /// Not any more.
    Out,
}

impl Target {
    fn call(&self) -> Option<&Call> {
        match self {
            Self::Rings(call) => Some(call),
            Self::Dialling(_) | Self::Out => None,
        }
    }

    fn rings_by(&self, id: &str) -> bool {
        self.call().is_some_and(|call| call.id == id)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    id: String,
    /// When it was to be begun, a moment before it was.
    since: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Ringing {
        step: usize,
        targets: BTreeMap<UserId, Target>,
        /// Not rung because they are offline; they are when they come back in time.
        absent: Vec<UserId>,
        until: Instant,
    },
    Over(Outcome),
}

/// One ring, from the button to its outcome.
#[derive(Clone, Debug)]
pub struct RingPlan {
    steps: Vec<Step>,
    leaves_message: bool,
    /// How long a call rings before it ends by itself.
    call_limit: Duration,
    state: State,
    /// Who said no: they are not asked twice.
    rejected: BTreeSet<UserId>,
    /// The best that was heard of anybody.
    heard: Option<Unanswered>,
}

impl RingPlan {
    /// The button was pressed. `leaves_message`: when nobody answers the visitor may speak.
    pub fn begin(
        now: Instant,
        steps: Vec<Step>,
        leaves_message: bool,
        around: &dyn Circumstances,
    ) -> (Self, Vec<Output>) {
        let mut plan = Self {
            steps,
            leaves_message,
            call_limit: Duration::MAX,
            state: State::Over(Outcome::Unanswered(Unanswered::OutOfHours)),
            rejected: BTreeSet::new(),
            heard: None,
        };
        let outputs = plan.take_step(now, 0, around, BTreeMap::new());
        (plan, outputs)
    }

    /// Calls end by themselves when they have rung for so long, here and at the phone. One that
    /// would end within the next step is not kept for it: its phone is called anew and rings for
    /// the whole of it.
    pub fn limit_calls(&mut self, limit: Duration) {
        self.call_limit = limit;
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Over(outcome) => Some(outcome),
            State::Ringing { .. } => None,
        }
    }

    /// The present step, from 0, and who is rung in it.
    pub fn ringing(&self) -> Option<(usize, Vec<UserId>)> {
        let State::Ringing { step, targets, .. } = &self.state else {
            return None;
        };
        let rings = targets.iter().filter(|(_, target)| **target != Target::Out);
        Some((*step, rings.map(|(user, _)| *user).collect()))
    }

    /// Whether a call is one of those that ring now.
    pub fn is_ringing(&self, call: &str) -> bool {
        let State::Ringing { targets, .. } = &self.state else {
            return false;
        };
        calls_of(targets).any(|own| own == call)
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// When to come back with [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Ringing { until, .. } => Some(*until),
            State::Over(_) => None,
        }
    }

    /// Takes in what happened.
    pub fn handle(
        &mut self,
        now: Instant,
        around: &dyn Circumstances,
        input: Input,
    ) -> Vec<Output> {
        if let State::Over(outcome) = &self.state {
            return afterwards(outcome, input);
        }
        let mut outputs = match input {
            Input::Dialled { step, users, calls } => self.on_dialled(step, &users, calls),
            Input::Answered(call) => return self.on_answered(call),
            Input::Ended(call, reason) => {
                self.on_ended(&call, reason);
                Vec::new()
            }
            Input::Stop(reason) => return self.stop(reason),
            Input::Pressed => vec![Output::PressedAgain],
            Input::Tick => Vec::new(),
        };
        outputs.extend(self.spare_the_quiet(around));
        outputs.extend(self.go_on(now, around));
        outputs.extend(self.ring_the_woken(now, around));
        outputs
    }

    fn on_dialled(
        &mut self,
        of: usize,
        users: &[UserId],
        calls: Vec<(UserId, String)>,
    ) -> Vec<Output> {
        let State::Ringing { step, targets, .. } = &mut self.state else {
            return Vec::new();
        };
        let mut unwanted = Vec::new();
        for (user, call) in calls {
            match targets.get_mut(&user) {
                Some(target) if of == *step => match *target {
                    Target::Dialling(since) => *target = Target::Rings(Call { id: call, since }),
                    _ => unwanted.push(call),
                },
                _ => unwanted.push(call),
            }
        }
        if of == *step {
            for user in users {
                if let Some(target @ Target::Dialling(_)) = targets.get_mut(user) {
                    *target = Target::Out;
                    self.heard = self.heard.max(Some(Unanswered::Unavailable));
                }
            }
        }
        hang_up(unwanted, EndReason::Cancelled)
    }

    fn on_answered(&mut self, call: String) -> Vec<Output> {
        let State::Ringing { step, targets, .. } = &self.state else {
            return Vec::new();
        };
        let by = targets.iter().find(|(_, target)| target.rings_by(&call));
        let Some((&user, _)) = by else {
            return Vec::new();
        };
        let others = calls_of(targets).filter(|other| *other != call).collect();
        let outcome = Outcome::Answered {
            step: *step,
            user,
            call,
        };
        let mut outputs = hang_up(others, EndReason::AnsweredElsewhere);
        outputs.extend(self.finish(outcome));
        outputs
    }

    fn on_ended(&mut self, call: &str, reason: EndReason) {
        let State::Ringing { targets, .. } = &mut self.state else {
            return;
        };
        let ended = targets.iter_mut().find(|(_, target)| target.rings_by(call));
        if let Some((&user, target)) = ended {
            *target = Target::Out;
            if reason == EndReason::RemoteRejected {
                self.rejected.insert(user);
            }
            self.heard = self.heard.max(Some(Unanswered::of(reason)));
        }
    }

    fn stop(&mut self, reason: StopReason) -> Vec<Output> {
        let calls = self.present_calls();
        let mut outputs = hang_up(calls, reason.end());
        outputs.extend(self.finish(Outcome::Stopped(reason)));
        outputs
    }

    /// Somebody may have asked for quiet while it rings.
    fn spare_the_quiet(&mut self, around: &dyn Circumstances) -> Vec<Output> {
        let State::Ringing { targets, .. } = &mut self.state else {
            return Vec::new();
        };
        let mut spared = Vec::new();
        for (user, target) in targets {
            if *target != Target::Out && around.is_quiet(*user) {
                if let Target::Rings(call) = std::mem::replace(target, Target::Out) {
                    spared.push(call.id);
                }
                self.heard = self.heard.max(Some(Unanswered::DoNotDisturb));
            }
        }
        hang_up(spared, EndReason::Cancelled)
    }

    /// Somebody of this step who was offline has come back: a phone that was woken.
    fn ring_the_woken(&mut self, now: Instant, around: &dyn Circumstances) -> Vec<Output> {
        let State::Ringing {
            step,
            targets,
            absent,
            ..
        } = &mut self.state
        else {
            return Vec::new();
        };
        let (back, away): (Vec<UserId>, Vec<UserId>) = absent
            .iter()
            .copied()
            .partition(|user| !around.is_offline(*user) && !around.is_quiet(*user));
        *absent = away;
        if back.is_empty() {
            return Vec::new();
        }
        targets.extend(back.iter().map(|user| (*user, Target::Dialling(now))));
        vec![Output::Dial {
            step: *step,
            users: back,
            kept: Vec::new(),
        }]
    }

    /// The next step, if the present one has had its time or nobody of it is left.
    fn go_on(&mut self, now: Instant, around: &dyn Circumstances) -> Vec<Output> {
        let State::Ringing {
            step,
            targets,
            until,
            ..
        } = &self.state
        else {
            return Vec::new();
        };
        let is_anybody_left = targets.values().any(|target| *target != Target::Out);
        if is_anybody_left && now < *until {
            return Vec::new();
        }
        if is_anybody_left {
            self.heard = self.heard.max(Some(Unanswered::NoAnswer));
        }
        let next = step + 1;
        let ringing: BTreeMap<UserId, Call> = targets
            .iter()
            .filter_map(|(user, target)| target.call().map(|call| (*user, call.clone())))
            .collect();
        let mut ended: Vec<String> = ringing.values().map(|call| call.id.clone()).collect();
        let begun = self.take_step(now, next, around, ringing);
        ended.retain(|call| !self.is_ringing(call));
        let mut outputs = hang_up(ended, EndReason::NoAnswer);
        outputs.extend(begun);
        outputs
    }

    /// Takes the first step from `first` on that rings anybody. Whoever is of it and `ringing`
    /// rings on.
    fn take_step(
        &mut self,
        now: Instant,
        first: usize,
        around: &dyn Circumstances,
        mut ringing: BTreeMap<UserId, Call>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        for step in first..self.steps.len() {
            let available = match self.available(step, around) {
                Ok(available) => available,
                Err(reason) => {
                    self.heard = self.heard.max(match reason {
                        SkipReason::DoNotDisturb => Some(Unanswered::DoNotDisturb),
                        SkipReason::Nobody => Some(Unanswered::Unavailable),
                        _ => None,
                    });
                    outputs.push(Output::Skipped { step, reason });
                    continue;
                }
            };
            let (offline, online): (Vec<UserId>, Vec<UserId>) = available
                .into_iter()
                .partition(|user| around.is_offline(*user));
            let is_rung = online.is_empty() && !self.is_anybody_there(step + 1, around);
            if !offline.is_empty() {
                outputs.push(Output::Offline {
                    users: offline.clone(),
                    is_rung,
                });
            }
            let (users, absent) = if is_rung {
                (offline, Vec::new())
            } else {
                (online, offline)
            };
            if users.is_empty() {
                let reason = SkipReason::Offline;
                outputs.push(Output::Skipped { step, reason });
                continue;
            }
            let rings_for = self.steps[step].rings_for;
            ringing.retain(|user, call| {
                let rung = now.saturating_duration_since(call.since);
                users.contains(user) && rung.saturating_add(rings_for) <= self.call_limit
            });
            let kept = ringing.iter().map(|(user, call)| (*user, call.id.clone()));
            outputs.push(Output::Dial {
                step,
                kept: kept.collect(),
                users: users
                    .iter()
                    .copied()
                    .filter(|user| !ringing.contains_key(user))
                    .collect(),
            });
            let dialling = users.iter().map(|user| (*user, Target::Dialling(now)));
            let mut targets: BTreeMap<UserId, Target> = dialling.collect();
            let kept = ringing.into_iter();
            targets.extend(kept.map(|(user, call)| (user, Target::Rings(call))));
            self.state = State::Ringing {
                step,
                targets,
                absent,
                until: now + rings_for,
            };
            return outputs;
        }
        let reason = self.heard.unwrap_or(Unanswered::OutOfHours);
        let outcome = if self.leaves_message {
            Outcome::LeaveMessage(reason)
        } else {
            Outcome::Unanswered(reason)
        };
        outputs.extend(self.finish(outcome));
        outputs
    }

    /// Who may be rung in a step, connected or not.
    fn available(
        &self,
        step: usize,
        around: &dyn Circumstances,
    ) -> Result<Vec<UserId>, SkipReason> {
        let Step {
            targets, condition, ..
        } = &self.steps[step];
        if condition.as_ref().is_some_and(|when| !around.holds(when)) {
            return Err(SkipReason::OutOfHours);
        }
        if targets.is_empty() {
            return Err(SkipReason::Nobody);
        }
        let willing: BTreeSet<UserId> = targets
            .iter()
            .copied()
            .filter(|user| !self.rejected.contains(user))
            .collect();
        if willing.is_empty() {
            return Err(SkipReason::Rejected);
        }
        let available: Vec<UserId> = willing
            .into_iter()
            .filter(|user| !around.is_quiet(*user))
            .collect();
        if available.is_empty() {
            return Err(SkipReason::DoNotDisturb);
        }
        Ok(available)
    }

    /// Whether a step from `first` on would ring somebody who is connected.
    fn is_anybody_there(&self, first: usize, around: &dyn Circumstances) -> bool {
        (first..self.steps.len()).any(|step| {
            self.available(step, around)
                .is_ok_and(|users| users.iter().any(|user| !around.is_offline(*user)))
        })
    }

    fn present_calls(&self) -> Vec<String> {
        match &self.state {
            State::Ringing { targets, .. } => calls_of(targets).collect(),
            State::Over(_) => Vec::new(),
        }
    }

    fn finish(&mut self, outcome: Outcome) -> Vec<Output> {
        self.state = State::Over(outcome.clone());
        vec![Output::Finished(outcome)]
    }
}

/// What still comes when all is over: calls that came too late are ended.
fn afterwards(outcome: &Outcome, input: Input) -> Vec<Output> {
    let reason = match outcome {
        Outcome::Answered { .. } => EndReason::AnsweredElsewhere,
        Outcome::Stopped(reason) => reason.end(),
        Outcome::Unanswered(_) | Outcome::LeaveMessage(_) => EndReason::NoAnswer,
    };
    match input {
        Input::Dialled { calls, .. } => {
            hang_up(calls.into_iter().map(|(_, call)| call).collect(), reason)
        }
        Input::Answered(late) => match outcome {
            Outcome::Answered { call, .. } if *call == late => Vec::new(),
            _ => hang_up(vec![late], reason),
        },
        _ => Vec::new(),
    }
}

fn calls_of(targets: &BTreeMap<UserId, Target>) -> impl Iterator<Item = String> + '_ {
    let calls = targets.values().filter_map(Target::call);
    calls.map(|call| call.id.clone())
}

fn hang_up(calls: Vec<String>, reason: EndReason) -> Vec<Output> {
    if calls.is_empty() {
        return Vec::new();
    }
    vec![Output::HangUp(calls, reason)]
}

#[cfg(test)]
#[path = "ring_plan_tests.rs"]
mod tests;
