//! The `Calls` actor: performs what the call registry decides.
//!
//! Invariant: which call exists and what it does next is the registry's word alone; this actor
//! holds only what the registry has no use for (peer connections, times for the record).
//! Must not enter: decisions about signals, GStreamer, SDP.

mod conduct;
mod digits;
mod facts;
mod ledger;
mod leg;
mod measured;
mod messages;
mod orders;
mod outlet;
mod perform;
mod preview;
mod record;
mod report;
mod signals;
mod speaking;
mod tone;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::prelude::*;

pub use facts::PerKind;
pub use ledger::Ledger;
pub use messages::{
    Answer, Confer, Dial, FromLeg, HangUp, HangUpCalls, InCall, IsInCall, LegNews, NetworkChanged,
    Operation, Reject, SignalArrived, WhoIsInCall,
};

use super::command::{CommandError, ErrorCode};
use super::mailbox::MAILBOX_CAPACITY;
use super::messages::{Occasion, wake};
use super::preview::Previews;
use super::screen;
use super::self_view;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::call::end::EndReason;
use crate::call::policy::AnswerMedia;
use crate::call::registry::Registry;
use crate::call::session::{Input, Phase, UserInfo};
use crate::call::timers::Timers;
use crate::chat::ConnectionStatus;
use crate::engine::event::Direction;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};
use facts::CallFacts;

/// How often the media counters of a live call reach the board.
const MEDIA_EVERY: Duration = Duration::from_secs(1);

/// A change comes as a burst: link, address, route.
const NETWORK_SETTLES: Duration = Duration::from_millis(500);

/// The actor.
pub struct Calls {
    _life: Life,
    wiring: Wiring,
    registry: Registry,
    facts: HashMap<String, CallFacts>,
    previews: Previews,
    last_end: Option<String>,
    /// What was ignored last, so that it is logged once.
    last_ignored: Option<(String, UserId, &'static str)>,
    timer: Option<SpawnHandle>,
    /// Finds out who speaks.
    listening: Option<SpawnHandle>,
}

supervised!(Calls);

impl Calls {
    /// No calls.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        let seconds = |value: u32| Duration::from_secs(value.into());
        let timers = Timers {
            dialing_interval: seconds(wiring.config.calls.dialing_interval_s),
            answer_timeout: seconds(wiring.config.calls.answer_timeout_s),
            disconnect_timeout: seconds(wiring.config.calls.disconnect_timeout_s),
        };
        Self {
            _life: life,
            previews: Previews::new(wiring.clone()),
            wiring,
            registry: Registry::new(timers),
            facts: HashMap::new(),
            last_end: None,
            last_ignored: None,
            timer: None,
            listening: None,
        }
    }

    /// Feeds one session and performs what follows.
    fn feed(&mut self, call: &str, input: Input, ctx: &mut Context<Self>) {
        let outputs = self.registry.handle(Instant::now(), call, input);
        self.perform_all(outputs, ctx);
    }

    /// Tells of each change of the network, once it has settled.
    fn heed_network(&self) -> impl Future<Output = ()> + 'static {
        let mut changes = self.wiring.chat.network();
        let calls = self.wiring.slots.calls.clone();
        changes.mark_unchanged();
        async move {
            while changes.changed().await.is_ok() {
                tokio::time::sleep(NETWORK_SETTLES).await;
                changes.mark_unchanged();
                // An actor that is being replaced has no calls to restart.
                let _ = calls.tell(NetworkChanged);
            }
        }
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let deadlines = [self.registry.deadline(), self.previews.deadline()];
        let Some(at) = deadlines.into_iter().flatten().min() else {
            return;
        };
        let delay = at.saturating_duration_since(Instant::now());
        self.timer = Some(ctx.run_later(delay, |calls, ctx| {
            calls.timer = None;
            calls.previews.tick();
            let outputs = calls.registry.tick(Instant::now());
            calls.perform_all(outputs, ctx);
        }));
    }
}

impl Actor for Calls {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        // A former life's call is gone with its peer connections.
        self.end_orphans();
        self.show();
        ctx.spawn(self.heed_network().into_actor(self));
        ctx.spawn(screen::run(self.wiring.clone()).into_actor(self));
        ctx.spawn(self_view::run(self.wiring.clone()).into_actor(self));
        ctx.run_interval(MEDIA_EVERY, |calls, _| {
            if !calls.facts.is_empty() {
                calls.show();
            }
        });
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        // After a panic the state is not to be trusted; the next incarnation reads the ledger.
        if !std::thread::panicking() {
            let outputs = self
                .registry
                .hang_up_all(Instant::now(), EndReason::Shutdown);
            self.perform_all(outputs, ctx);
        }
        Running::Stop
    }
}

impl Handler<Dial> for Calls {
    type Result = Result<Vec<String>, CommandError>;

    fn handle(&mut self, dial: Dial, ctx: &mut Self::Context) -> Self::Result {
        let me = self.ready_to_dial(dial.joins)?;
        let calls = dial
            .users
            .into_iter()
            .map(|user| {
                let preview = self
                    .preview_for(user, dial.call_type)
                    .filter(|_| dial.joins);
                let call = self.dial(me, &[user], dial.call_type, UserInfo::new(), preview, ctx);
                // Whom the bell rings, the bell has woken.
                if !dial.joins {
                    self.wake(vec![user], &call, dial.call_type);
                }
                call
            })
            .collect();
        Ok(calls)
    }
}

impl Handler<Confer> for Calls {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, confer: Confer, ctx: &mut Self::Context) -> Self::Result {
        let me = self.ready_to_dial(false)?;
        let call = self.dial(me, &confer.users, confer.call_type, confer.info, None, ctx);
        self.wake(confer.users, &call, confer.call_type);
        Ok(call)
    }
}

impl Calls {
    /// Has phones woken that nobody looks at. The call does not wait for it.
    fn wake(&self, users: Vec<UserId>, call: &str, call_type: CallType) {
        let (wiring, call) = (self.wiring.clone(), call.to_owned());
        actix::spawn(async move {
            wake(&wiring, Occasion::Call, &users, Some(&call), call_type).await;
        });
    }

    /// Our user, if a call can be begun now.
    fn ready_to_dial(&self, joins: bool) -> Result<UserId, CommandError> {
        let me = self.wiring.user().ok_or_else(|| {
            CommandError::new(ErrorCode::Unavailable, "not logged in to the hub yet")
        })?;
        if !matches!(
            self.wiring.chat.client().status(),
            ConnectionStatus::Online { .. }
        ) {
            let message = "the chat connection that carries the invitation is down";
            return Err(CommandError::new(ErrorCode::Unavailable, message));
        }
        let is_dialing = |phase| matches!(phase, Phase::Preparing | Phase::Dialing);
        let present = self.registry.foremost();
        if let Some(session) = present.filter(|one| !(joins && is_dialing(one.phase()))) {
            let message = format!("already in call {}", session.id());
            return Err(CommandError::new(ErrorCode::WrongState, message));
        }
        Ok(me)
    }

    /// Begins one call with all of these. The invitation tells our name, the limit of the
    /// configuration, and what was asked for.
    fn dial(
        &mut self,
        me: UserId,
        users: &[UserId],
        call_type: CallType,
        info: UserInfo,
        preview: Option<bool>,
        ctx: &mut Context<Self>,
    ) -> String {
        let call = uuid::Uuid::new_v4().to_string();
        let mut envelope = CallSignal::new(SignalKind::Call, &call);
        envelope.caller_id = Some(me);
        envelope.opponents = users.to_vec();
        envelope.call_type = call_type;
        let first = users.first().copied().unwrap_or(me);
        let mut facts = CallFacts::new(Direction::Outgoing, first, envelope);
        let limit = self.wiring.config.calls.max_bandwidth_kbps;
        facts.tells = info;
        facts
            .tells
            .insert("name".to_owned(), self.wiring.config.device.name.clone());
        if limit > 0 {
            facts
                .tells
                .entry(facts::MAX_BANDWIDTH_KEY.to_owned())
                .or_insert_with(|| limit.to_string());
        }
        self.tell_preview(&mut facts.tells, preview);
        facts.preview = preview;
        facts.limit_kbps = facts::max_bandwidth(&facts.tells);
        self.note(&call, facts);
        let now = Instant::now();
        let outputs = self.registry.dial(now, me, call.clone(), users, call_type);
        self.perform_all(vec![outputs], ctx);
        call
    }
}

impl Handler<Answer> for Calls {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, _: Answer, ctx: &mut Self::Context) -> Self::Result {
        if let Some(call) = self.let_in() {
            return Ok(call);
        }
        let call = self.ringing()?;
        // Whoever answers means to be seen and heard, whatever an automatic answer would give.
        self.give_all(&call);
        self.feed(&call, Input::Answer, ctx);
        Ok(call)
    }
}

impl Handler<Reject> for Calls {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, reject: Reject, ctx: &mut Self::Context) -> Self::Result {
        let call = self.ringing()?;
        self.feed(&call, Input::Reject(reject.0), ctx);
        Ok(call)
    }
}

impl Handler<HangUp> for Calls {
    type Result = Result<Vec<String>, CommandError>;

    fn handle(&mut self, message: HangUp, ctx: &mut Self::Context) -> Self::Result {
        let outputs = self.registry.hang_up_all(Instant::now(), message.0);
        if outputs.is_empty() {
            return Err(CommandError::new(
                ErrorCode::WrongState,
                "there is no call to end",
            ));
        }
        let calls = outputs.iter().map(|(call, _)| call.clone()).collect();
        self.perform_all(outputs, ctx);
        Ok(calls)
    }
}

impl Handler<HangUpCalls> for Calls {
    type Result = Vec<String>;

    fn handle(&mut self, message: HangUpCalls, ctx: &mut Self::Context) -> Self::Result {
        let HangUpCalls { calls, reason } = message;
        let outputs = self.registry.hang_up(Instant::now(), &calls, reason);
        let ended = outputs.iter().map(|(call, _)| call.clone()).collect();
        self.perform_all(outputs, ctx);
        ended
    }
}

impl Handler<WhoIsInCall> for Calls {
    type Result = Option<(String, UserId)>;

    fn handle(&mut self, _: WhoIsInCall, _: &mut Self::Context) -> Self::Result {
        let session = self.registry.answered()?;
        Some((session.id().to_owned(), session.peer()))
    }
}

impl Handler<IsInCall> for Calls {
    type Result = bool;

    fn handle(&mut self, question: IsInCall, _: &mut Self::Context) -> Self::Result {
        self.is_answered_by(&question.call, question.user)
    }
}

impl Calls {
    /// Whether this user is in this call, and it is answered there.
    fn is_answered_by(&self, call: &str, user: UserId) -> bool {
        let session = self.registry.get(call);
        let leg = session.and_then(|session| session.leg(user));
        leg.is_some_and(|leg| leg.phase().is_answered())
    }

    /// Lets in whoever knocks in the answered call: from now on the other side sees and hears.
    fn let_in(&mut self) -> Option<String> {
        let call = self.registry.answered()?.id().to_owned();
        let is_knocking = self.facts.get(&call)?.knocks;
        is_knocking.then(|| {
            self.give_all(&call);
            self.show();
            call
        })
    }

    fn give_all(&mut self, call: &str) {
        if let Some(facts) = self.facts.get_mut(call) {
            facts.give(AnswerMedia::Video);
            // Whoever answers knows.
            facts.tone = None;
            facts.apply(&self.wiring.config.calls);
        }
    }

    fn ringing(&self) -> Result<String, CommandError> {
        self.registry
            .ringing()
            .map(|session| session.id().to_owned())
            .ok_or_else(|| CommandError::new(ErrorCode::WrongState, "no call is ringing"))
    }
}
