//! The `Bell` actor: drives one ring at a time through its plan, with the calls of `Calls`.
//!
//! Invariant: who rings next is the plan's word alone (`call::ring_plan`); this actor dials, hangs
//! up, and tells what came of it. A ring left by a former life is ended, never forgotten.
//! Must not enter: signals, media, who may call this device.

mod around;
mod ledger;
mod line;
mod messages;
mod missed;
mod news;
mod pictures;
mod pressing;
mod report;
mod steps;
mod waiting;

use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, Shared};
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub use ledger::{RingLedger, RingOf};
pub use messages::{Reconsider, RingBell, StopRinging};
pub(super) use pictures::name as picture_of;

use super::calls::{Dial, HangUpCalls};
use super::command::{CommandError, ErrorCode};
use super::dispatch;
use super::event::RingPhase;
use super::mailbox::MAILBOX_CAPACITY;
use super::messages::{Occasion, wake};
use super::state::CallStatus;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::call::end::EndReason;
use crate::call::policy::BusyPolicy;
use crate::call::ring_plan::{Input, Outcome, Output, RingPlan, Step, StopReason, Unanswered};
use crate::protocol::address::UserId;
use around::Around;
use line::Line;
use news::{events, online};
use pressing::Pressed;
use waiting::Waiting;

/// How long `Calls` may take to begin the calls of a step; less than the heartbeat's patience.
const DIAL_LIMIT: Duration = Duration::from_secs(3);
/// Whoever pressed by command is answered in time, also after a wait for the connection.
const _: () = assert!(line::PATIENCE.as_secs() + DIAL_LIMIT.as_secs() < dispatch::LIMIT.as_secs());
/// How often the people behind tags and dialogs are asked for.
const REFRESH_EVERY: Duration = Duration::from_secs(300);

/// A picture on its way to the disk: its file, if there is a camera.
type Picture = Shared<LocalBoxFuture<'static, Option<std::path::PathBuf>>>;
type Answer = oneshot::Sender<Result<Value, CommandError>>;

/// One ring, from the button to its end.
struct Ring {
    id: String,
    plan: RingPlan,
    /// The step dialled last.
    dialled: Option<usize>,
    started: Instant,
    picture: Picture,
    /// Who pressed is answered once somebody rings, or nobody does.
    asker: Option<Answer>,
    /// Why the last step could not be dialled.
    trouble: Option<CommandError>,
}

/// The actor.
pub struct Bell {
    _life: Life,
    wiring: Wiring,
    line: Line,
    /// In the order they came.
    pressed: Vec<Pressed>,
    ring: Option<Ring>,
    waiting: Option<Waiting>,
    timer: Option<SpawnHandle>,
}

supervised!(Bell);

impl Bell {
    /// Silent.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            line: Line::down(Instant::now()),
            pressed: Vec::new(),
            ring: None,
            waiting: None,
            timer: None,
        }
    }

    /// Feeds the plan and performs what follows.
    fn feed(&mut self, input: Input, ctx: &mut Context<Self>) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let around = Around::new(&self.wiring);
        let outputs = ring.plan.handle(Instant::now(), &around, input);
        self.perform(outputs, ctx);
        self.arm(ctx);
    }

    fn perform(&mut self, outputs: Vec<Output>, ctx: &mut Context<Self>) {
        for output in outputs {
            match output {
                Output::Dial { step, users, kept } => self.dial(step, users, &kept, ctx),
                Output::HangUp(calls, reason) => {
                    // Calls of an absent actor are ended by its next life.
                    let _ = self.wiring.slots.calls.tell(HangUpCalls { calls, reason });
                }
                Output::Skipped { step, reason } => self.tell(RingPhase::Skipped, |told| {
                    told.step = Some(step + 1);
                    told.reason = Some(reason.name());
                }),
                Output::Offline { users, is_rung } => {
                    if !is_rung {
                        self.wake(users.clone(), None);
                    }
                    self.tell(RingPhase::Offline, |told| {
                        told.users = users;
                        told.rung = Some(is_rung);
                    });
                }
                Output::PressedAgain => self.tell(RingPhase::Repeated, |_| {}),
                Output::Finished(outcome) => self.finish(outcome, None, ctx),
            }
        }
        self.show();
    }

    /// Has phones woken that nobody looks at. The ring does not wait for it.
    fn wake(&self, users: Vec<UserId>, call: Option<String>) {
        let wiring = self.wiring.clone();
        let call_type = wiring.config.calls.call_type;
        actix::spawn(async move {
            let call = call.as_deref();
            wake(&wiring, Occasion::Bell, &users, call, call_type).await;
        });
    }

    /// Nothing else is handled until the calls are begun, so that no news of them comes before
    /// they are known.
    fn dial(
        &mut self,
        step: usize,
        users: Vec<UserId>,
        kept: &[(UserId, String)],
        ctx: &mut Context<Self>,
    ) {
        let before = self
            .ring
            .as_mut()
            .and_then(|ring| ring.dialled.replace(step));
        let phase = if before == Some(step) {
            RingPhase::Joined
        } else {
            RingPhase::Step
        };
        let rings_on = kept.iter().map(|(user, _)| *user);
        let rung: Vec<UserId> = rings_on.chain(users.iter().copied()).collect();
        self.tell(phase, |told| {
            told.step = Some(step + 1);
            told.users = rung;
        });
        if let Some(ring) = &self.ring {
            for (_, call) in kept {
                self.wiring.rings.dialled(call, &ring.id, step + 1);
            }
        }
        if users.is_empty() {
            return;
        }
        let calls = self.wiring.slots.calls.clone();
        let dial = Dial {
            users: users.clone(),
            call_type: self.wiring.config.calls.call_type,
            joins: true,
        };
        let dialling = async move { calls.ask(dial, DIAL_LIMIT).await };
        ctx.wait(dialling.into_actor(self).map(move |result, bell, ctx| {
            let begun = match result {
                Ok(Ok(calls)) => Ok(calls),
                Ok(Err(error)) => Err(error),
                Err(error) => Err(CommandError::new(ErrorCode::Unavailable, error.to_string())),
            };
            bell.on_dialled(step, users, begun, ctx);
        }));
    }

    fn on_dialled(
        &mut self,
        step: usize,
        users: Vec<UserId>,
        begun: Result<Vec<String>, CommandError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let calls: Vec<(UserId, String)> = match begun {
            Ok(calls) => users.iter().copied().zip(calls).collect(),
            Err(error) => {
                tracing::warn!(ring = ring.id, step, %error, "a step cannot be dialled");
                ring.trouble = Some(error);
                Vec::new()
            }
        };
        for (_, call) in &calls {
            self.wiring.rings.dialled(call, &ring.id, step + 1);
        }
        if !calls.is_empty()
            && let Some(asker) = ring.asker.take()
        {
            let ids: Vec<&String> = calls.iter().map(|(_, call)| call).collect();
            // Who asked may have stopped waiting.
            let _ = asker.send(Ok(json!({ "ring": ring.id, "calls": ids })));
        }
        for (user, call) in &calls {
            self.wake(vec![*user], Some(call.clone()));
        }
        self.feed(Input::Dialled { step, users, calls }, ctx);
    }

    /// Begins a ring, or lets it wait, as the calls there are allow.
    fn begin(&mut self, id: String, steps: Vec<Step>, asker: Answer, ctx: &mut Context<Self>) {
        if let Some(ring) = self.ring.as_ref().map(|ring| ring.id.clone()) {
            // Somebody pressed while the first press was being looked into.
            let _ = asker.send(Ok(json!({ "ring": ring, "calls": [], "repeated": true })));
            return self.feed(Input::Pressed, ctx);
        }
        let is_in_call = self.wiring.board.read(|state| state.call.status) != CallStatus::Idle;
        match (is_in_call, self.wiring.config.calls.ring_in_call) {
            (false, _) => self.start(id, steps, Some(asker), ctx),
            (true, BusyPolicy::Reject) => {
                self.tell_of(&id, RingPhase::Unanswered, |told| {
                    told.reason = Some("in_call");
                });
                let message = "this device is in a call, and `[calls] ring_in_call` is `reject`";
                let _ = asker.send(Err(CommandError::new(ErrorCode::WrongState, message)));
            }
            (true, BusyPolicy::Replace) => {
                let _ = self.wiring.slots.calls.tell(HangUpCalls {
                    calls: self.wiring.ledger.calls(),
                    reason: EndReason::Replaced,
                });
                self.start(id, steps, Some(asker), ctx);
            }
            (true, BusyPolicy::Wait) => self.wait(id, steps, asker, ctx),
        }
    }

    fn start(
        &mut self,
        id: String,
        steps: Vec<Step>,
        asker: Option<Answer>,
        ctx: &mut Context<Self>,
    ) {
        let picture = pictures::take(self.wiring.clone(), id.clone())
            .boxed_local()
            .shared();
        actix::spawn(picture.clone().map(drop));
        let users = steps.first().map(|step| step.targets.clone());
        self.tell_of(&id, RingPhase::Started, |told| {
            told.users = users.unwrap_or_default();
        });
        self.wiring.rings.begun(&id);
        let visitors = &self.wiring.config.visitor_message;
        let leaves_message = visitors.enabled && visitors.after_ring;
        let around = Around::new(&self.wiring);
        let (mut plan, outputs) = RingPlan::begin(Instant::now(), steps, leaves_message, &around);
        let patience = self.wiring.config.calls.answer_timeout_s;
        plan.limit_calls(Duration::from_secs(patience.into()));
        self.ring = Some(Ring {
            id,
            plan,
            dialled: None,
            started: Instant::now(),
            picture,
            asker,
            trouble: None,
        });
        self.perform(outputs, ctx);
        self.arm(ctx);
    }

    fn finish(&mut self, outcome: Outcome, detail: Option<String>, ctx: &mut Context<Self>) {
        let Some(ring) = self.ring.take() else {
            return;
        };
        self.wiring.rings.over();
        self.report_end(&ring, &outcome, detail);
        let missed = match outcome {
            Outcome::Answered { .. } | Outcome::Stopped(_) => None,
            Outcome::Unanswered(reason) | Outcome::LeaveMessage(reason) => Some(reason),
        };
        if let Some(asker) = ring.asker {
            let refusal = ring.trouble.clone().unwrap_or_else(|| {
                nobody_rings(missed.map_or(StopReason::Cancelled.name(), Unanswered::name))
            });
            let _ = asker.send(Err(refusal));
        }
        if let Outcome::LeaveMessage(reason) = outcome {
            self.let_visitor_speak(&ring.id, reason);
        }
        if let Some(reason) = missed {
            self.notify_missed_ring(&ring.id, reason.name(), Some(ring.picture), ctx);
        }
    }

    fn stop(&mut self, message: StopRinging, ctx: &mut Context<Self>) -> Option<String> {
        let StopRinging { reason, detail } = message;
        let pressed = self.stop_presses();
        let silent = self.waiting.take().map(|waiting| waiting.id);
        let silent = silent.or(pressed.filter(|_| self.ring.is_none()));
        if let Some(id) = silent {
            self.tell_of(&id, RingPhase::Stopped, |told| {
                told.reason = Some(reason.name());
                told.detail = detail;
            });
            self.show();
            return Some(id);
        }
        let ring = self.ring.as_mut()?;
        let id = ring.id.clone();
        let around = Around::new(&self.wiring);
        let outputs = ring
            .plan
            .handle(Instant::now(), &around, Input::Stop(reason));
        for output in outputs {
            match output {
                Output::Finished(outcome) => self.finish(outcome, detail.clone(), ctx),
                other => self.perform(vec![other], ctx),
            }
        }
        self.show();
        self.arm(ctx);
        Some(id)
    }

    /// Wakes up when the plan, the quiet hours or what was set for a while asks for it.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let now = Instant::now();
        let plan = self.ring.as_ref().and_then(|ring| ring.plan.deadline());
        let waiting = self.waiting.as_ref().map(|waiting| waiting.until);
        let delays = [plan, waiting]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_duration_since(now));
        let clock = around::next_change(&self.wiring);
        let Some(delay) = delays.chain(clock).min() else {
            return;
        };
        self.timer = Some(ctx.run_later(delay, |bell, ctx| {
            bell.timer = None;
            bell.wiring.live.show(&bell.wiring);
            bell.consider_waiting(ctx);
            bell.feed(Input::Tick, ctx);
            bell.arm(ctx);
        }));
    }
}

/// What whoever pressed is told when it rings nowhere.
fn nobody_rings(reason: &str) -> CommandError {
    let message = format!("nobody can be rung now: {reason}");
    CommandError::new(ErrorCode::WrongState, message)
}

impl Actor for Bell {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.end_orphan(ctx);
        let wiring = self.wiring.clone();
        let remembering = async move {
            wiring.roster.remember(&wiring).await;
            wiring.live.remember(&wiring).await;
        };
        // Before anything else is handled, or a night's quiet would be broken by a restart.
        ctx.wait(remembering.into_actor(self).map(|(), bell, ctx| {
            bell.show();
            bell.arm(ctx);
        }));
        ctx.add_stream(events(&self.wiring.board));
        ctx.add_stream(online(&self.wiring.board));
        ctx.run_interval(REFRESH_EVERY, |bell, ctx| bell.look_around(ctx));
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        // After a panic the plan is not to be trusted; the next life reads the ledger.
        if !std::thread::panicking() {
            let reason = StopReason::Shutdown;
            self.stop(
                StopRinging {
                    reason,
                    detail: None,
                },
                ctx,
            );
        }
        Running::Stop
    }
}

impl Handler<StopRinging> for Bell {
    type Result = Option<String>;

    fn handle(&mut self, message: StopRinging, ctx: &mut Self::Context) -> Self::Result {
        self.stop(message, ctx)
    }
}

impl Handler<Reconsider> for Bell {
    type Result = ();

    fn handle(&mut self, _: Reconsider, ctx: &mut Self::Context) {
        self.feed(Input::Tick, ctx);
        self.arm(ctx);
    }
}
