//! The `Calls` actor: performs what the call registry decides.
//!
//! Invariant: which call exists and what it does next is the registry's word alone; this actor
//! holds only what the registry has no use for (peer connections, times for the record).
//! Must not enter: decisions about signals, GStreamer, SDP.

mod ledger;
mod leg;
mod messages;
mod perform;
mod report;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::prelude::*;

pub use ledger::Ledger;
pub use messages::{
    Answer, Dial, FromLeg, HangUp, HangUpCalls, LegNews, Reject, SignalArrived, WhoIsInCall,
};

use super::command::{CommandError, ErrorCode};
use super::mailbox::MAILBOX_CAPACITY;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::call::end::EndReason;
use crate::call::policy::AnswerMedia;
use crate::call::registry::{Registry, Routed};
use crate::call::session::{Input, MediaState, Phase};
use crate::call::timers::Timers;
use crate::chat::ConnectionStatus;
use crate::media::peer::PeerEvent;
use crate::protocol::call_signal::{CallSignal, SignalKind};
use leg::OutgoingSignal;
use report::CallFacts;

/// How often the media counters of a live call reach the board.
const MEDIA_EVERY: Duration = Duration::from_secs(1);

/// The actor.
pub struct Calls {
    _life: Life,
    wiring: Wiring,
    registry: Registry,
    facts: HashMap<String, CallFacts>,
    last_end: Option<String>,
    timer: Option<SpawnHandle>,
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
            wiring,
            registry: Registry::new(timers),
            facts: HashMap::new(),
            last_end: None,
            timer: None,
        }
    }

    /// Feeds one session and performs what follows.
    fn feed(&mut self, call: &str, input: Input, ctx: &mut Context<Self>) {
        let outputs = self.registry.handle(Instant::now(), call, input);
        self.perform_all(outputs, ctx);
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = self.registry.deadline() else {
            return;
        };
        let delay = at.saturating_duration_since(Instant::now());
        self.timer = Some(ctx.run_later(delay, |calls, ctx| {
            calls.timer = None;
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

impl Handler<SignalArrived> for Calls {
    type Result = ();

    fn handle(&mut self, message: SignalArrived, ctx: &mut Self::Context) {
        let SignalArrived {
            from,
            is_own_copy,
            signal,
        } = message;
        let (kind, call) = (signal.kind, signal.session_id.clone());
        let now = Instant::now();
        if is_own_copy {
            let outputs = self.registry.own_signal(now, &call, kind);
            return self.perform_all(outputs, ctx);
        }
        let call_type = signal.call_type;
        let routed = match self.registry.signal(now, from, signal) {
            Routed::Invited(invitation, signal) => {
                let verdict = self.wiring.incoming_policy.verdict(&invitation);
                tracing::info!(call, from, ?verdict, "somebody calls");
                self.registry.incoming(now, from, *signal, verdict)
            }
            other => other,
        };
        match routed {
            Routed::Invited(..) => {}
            Routed::Taken(outputs) => self.perform_all(outputs, ctx),
            Routed::New(outputs) => {
                self.open(&call, from, call_type, super::event::Direction::Incoming);
                self.perform_all(vec![outputs], ctx);
            }
            Routed::Refused(reason) => {
                let mut refusal = CallSignal::new(SignalKind::Reject, call);
                refusal.caller_id = Some(from);
                refusal.opponents = self.wiring.user().into_iter().collect();
                refusal.call_type = call_type;
                refusal.user_info = reason.user_info();
                self.send_signal(from, refusal);
            }
            Routed::Ignored(why) => {
                tracing::debug!(call, from, kind = kind.name(), why, "signal ignored");
            }
        }
    }
}

impl Handler<FromLeg> for Calls {
    type Result = ();

    fn handle(&mut self, message: FromLeg, ctx: &mut Self::Context) {
        let FromLeg { call, news } = message;
        let input = match news {
            LegNews::OfferReady => Input::OfferReady,
            LegNews::Unusable(reason) => {
                tracing::error!(call, reason, "call cannot go on");
                Input::Media(MediaState::Unusable)
            }
            LegNews::Peer(event) => match event {
                PeerEvent::LocalCandidate(candidate) => Input::LocalCandidate(candidate),
                PeerEvent::Connected => Input::Media(MediaState::Connected),
                PeerEvent::Disconnected => Input::Media(MediaState::Disconnected),
                PeerEvent::Failed { reason } => {
                    tracing::warn!(call, reason, "peer connection failed");
                    Input::Media(MediaState::Failed)
                }
                PeerEvent::FirstVideoFrame { .. } => return self.on_first_frame(&call),
                _ => return,
            },
        };
        self.feed(&call, input, ctx);
    }
}

impl Handler<Dial> for Calls {
    type Result = Result<Vec<String>, CommandError>;

    fn handle(&mut self, dial: Dial, ctx: &mut Self::Context) -> Self::Result {
        if self.wiring.user().is_none() {
            return Err(CommandError::new(
                ErrorCode::Unavailable,
                "not logged in to the hub yet",
            ));
        }
        if !matches!(
            self.wiring.chat.client().status(),
            ConnectionStatus::Online { .. }
        ) {
            let message = "the chat connection that carries the invitation is down";
            return Err(CommandError::new(ErrorCode::Unavailable, message));
        }
        if let Some(session) = self.registry.foremost() {
            let message = format!("already in call {}", session.id());
            return Err(CommandError::new(ErrorCode::WrongState, message));
        }
        let now = Instant::now();
        let calls: Vec<String> = dial
            .users
            .into_iter()
            .map(|user| {
                let call = uuid::Uuid::new_v4().to_string();
                self.registry.dial(now, call.clone(), user, dial.call_type);
                self.open(
                    &call,
                    user,
                    dial.call_type,
                    super::event::Direction::Outgoing,
                );
                call
            })
            .collect();
        self.perform_all(Vec::new(), ctx);
        Ok(calls)
    }
}

impl Handler<Answer> for Calls {
    type Result = Result<String, CommandError>;

    fn handle(&mut self, _: Answer, ctx: &mut Self::Context) -> Self::Result {
        if let Some(call) = self.let_in() {
            return Ok(call);
        }
        let call = self.ringing()?;
        if let Some(facts) = self.facts.get_mut(&call) {
            // Whoever answers means to be seen and heard, whatever an automatic answer would give.
            facts.knocks = false;
            facts.leg.queue(leg::LegOperation::Give(AnswerMedia::Video));
        }
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
    type Result = Option<(String, crate::protocol::address::UserId)>;

    fn handle(&mut self, _: WhoIsInCall, _: &mut Self::Context) -> Self::Result {
        let session = self.registry.foremost()?;
        let is_answered = matches!(
            session.phase(),
            Phase::Connecting | Phase::Connected | Phase::Interrupted
        );
        is_answered.then(|| (session.id().to_owned(), session.peer()))
    }
}

impl Calls {
    /// Lets in whoever knocks in an answered call: from now on the other side sees and hears.
    fn let_in(&mut self) -> Option<String> {
        let in_call = |call: &str| {
            let phase = self.registry.iter().find(|one| one.id() == call)?.phase();
            matches!(
                phase,
                Phase::Connecting | Phase::Connected | Phase::Interrupted
            )
            .then_some(())
        };
        let call = self
            .facts
            .iter()
            .find(|(call, facts)| facts.knocks && in_call(call).is_some())
            .map(|(call, _)| call.clone())?;
        let facts = self.facts.get_mut(&call)?;
        facts.knocks = false;
        facts.leg.queue(leg::LegOperation::Give(AnswerMedia::Video));
        self.show();
        Some(call)
    }

    fn ringing(&self) -> Result<String, CommandError> {
        self.registry
            .ringing()
            .map(|session| session.id().to_owned())
            .ok_or_else(|| CommandError::new(ErrorCode::WrongState, "no call is ringing"))
    }
}
