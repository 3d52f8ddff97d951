//! Signals and news of media on their way into the registry.

use std::time::Instant;

use actix::prelude::*;

use super::Calls;
use super::facts::{self, CallFacts, HOLD_KEY};
use super::messages::{FromLeg, LegNews, NetworkChanged, SignalArrived};
use super::outlet::{Outgoing, Outlet};
use crate::call::end::EndReason;
use crate::call::registry::Routed;
use crate::call::session::{Input, MediaState, UserInfo};
use crate::call::verdict::{Invitation, Verdict};
use crate::config::{AudioSink, AudioSource, VideoSink, VideoSource};
use crate::engine::event::{CallPhase, Direction};
use crate::media::peer::PeerEvent;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, SignalKind};

impl Handler<SignalArrived> for Calls {
    type Result = ();

    fn handle(&mut self, message: SignalArrived, ctx: &mut Self::Context) {
        let SignalArrived {
            from,
            is_own_copy,
            signal,
        } = message;
        let (kind, call) = (signal.kind, signal.session_id.clone());
        tracing::debug!(
            call,
            from,
            kind = kind.name(),
            is_own_copy,
            "a signal comes"
        );
        let now = Instant::now();
        if is_own_copy {
            let outputs = self.registry.own_signal(now, &call, kind);
            return self.perform_all(outputs, ctx);
        }
        let Some(me) = self.wiring.user() else {
            return;
        };
        let mut envelope = CallSignal::new(SignalKind::Call, &call);
        envelope.caller_id = Some(signal.caller_id.unwrap_or(from));
        envelope.opponents = signal.opponents.clone();
        envelope.call_type = signal.call_type;
        let routed = match self.registry.signal(now, me, from, signal) {
            Routed::Invited(invitation, signal) => {
                let verdict = self.verdict(&invitation);
                let drops_in = matches!(verdict, Verdict::AutoAnswer { .. });
                tracing::info!(call, from, ?verdict, "somebody calls");
                envelope.opponents = invitation.opponents;
                let mut facts = CallFacts::new(Direction::Incoming, from, envelope.clone());
                facts.limit_kbps = facts::max_bandwidth(&invitation.user_info);
                facts.told = invitation.user_info;
                facts.drops_in = drops_in;
                facts.give(self.wiring.manners.take(&call));
                let routed = self.registry.incoming(now, me, from, *signal, verdict);
                if matches!(routed, Routed::New(_)) {
                    self.note(&call, facts);
                    if drops_in {
                        self.sound_tone(&call, ctx);
                    }
                }
                routed
            }
            other => other,
        };
        match routed {
            Routed::Taken(outputs) | Routed::New(outputs) => self.perform_all(outputs, ctx),
            Routed::Refused(kind, info) => self.refuse(me, from, &envelope, kind, &info),
            Routed::Ignored(why) => self.ignored(&call, from, kind, why),
            // Answered above.
            Routed::Invited(..) => {}
        }
    }
}

impl Handler<FromLeg> for Calls {
    type Result = ();

    fn handle(&mut self, message: FromLeg, ctx: &mut Self::Context) {
        let FromLeg { call, with, news } = message;
        if let LegNews::Peer(event) = &news
            && is_of_the_connection(event)
        {
            tracing::debug!(call, with, ?event, "a connection tells");
        }
        let input = match news {
            LegNews::OfferReady => Input::OfferReady(with),
            LegNews::Unusable(reason) => {
                tracing::error!(call, with, reason, "call cannot go on");
                Input::Media(with, MediaState::Unusable)
            }
            LegNews::Peer(event) => match event {
                PeerEvent::LocalCandidate(candidate) => Input::LocalCandidate(with, candidate),
                PeerEvent::Connected => Input::Media(with, MediaState::Connected),
                PeerEvent::Disconnected => Input::Media(with, MediaState::Disconnected),
                PeerEvent::Failed { reason } => {
                    tracing::warn!(call, with, reason, "peer connection failed");
                    Input::Media(with, MediaState::Failed)
                }
                PeerEvent::FirstVideoFrame { .. } => return self.on_first_frame(&call),
                PeerEvent::FirstAudio { .. } => {
                    return self.publish(&call, CallPhase::FirstAudio, None, None);
                }
                PeerEvent::ChannelOpen => return self.on_channel_open(call, with, ctx),
                PeerEvent::ChannelText(text) => {
                    return self.on_channel_text(call, with, &text, ctx);
                }
                PeerEvent::Digit(digit) => return self.on_digit(call, with, digit, ctx),
                PeerEvent::Closed => return,
            },
        };
        self.feed(&call, input, ctx);
    }
}

/// What people write or type stays out of the log.
fn is_of_the_connection(event: &PeerEvent) -> bool {
    matches!(
        event,
        PeerEvent::LocalCandidate(_)
            | PeerEvent::Connected
            | PeerEvent::Disconnected
            | PeerEvent::Failed { .. }
            | PeerEvent::FirstVideoFrame { .. }
            | PeerEvent::FirstAudio { .. }
            | PeerEvent::ChannelOpen
            | PeerEvent::Closed
    )
}

impl Handler<NetworkChanged> for Calls {
    type Result = ();

    fn handle(&mut self, _: NetworkChanged, ctx: &mut Self::Context) {
        let outputs = self.registry.network_changed(Instant::now());
        self.perform_all(outputs, ctx);
    }
}

impl Calls {
    /// What the device can, before what the policy wants (PC-06).
    fn verdict(&self, invitation: &Invitation) -> Verdict {
        let config = &self.wiring.config;
        let is_able = match invitation.call_type {
            CallType::Video => {
                config.camera.source != VideoSource::None || config.display.sink != VideoSink::Null
            }
            CallType::Audio => {
                config.audio.source != AudioSource::None || config.audio.sink != AudioSink::Null
            }
        };
        if is_able {
            self.wiring.incoming_policy.verdict(invitation)
        } else {
            Verdict::Refuse(EndReason::NotSupported)
        }
    }

    /// A `reject` is for everybody called (C.3 callee 6); anything else for the sender.
    fn refuse(
        &self,
        me: UserId,
        from: UserId,
        envelope: &CallSignal,
        kind: SignalKind,
        info: &UserInfo,
    ) {
        let others = envelope.opponents.iter().copied();
        let told = others.filter(|user| {
            kind == SignalKind::Reject
                && *user != me
                && *user != from
                && envelope.opponents.len() < crate::call::session::MAX_PEOPLE
        });
        for user in std::iter::once(from).chain(told) {
            Outlet::open(self.line(), user, envelope.clone())
                .send(Outgoing::saying(kind, info.clone()));
        }
    }

    /// Once for each call and reason: whoever sends thousands shall not fill the log.
    fn ignored(&mut self, call: &str, from: UserId, kind: SignalKind, why: &'static str) {
        let last = (call.to_owned(), from, why);
        if self.last_ignored.as_ref() != Some(&last) {
            tracing::info!(call, from, kind = kind.name(), why, "signal ignored");
            self.last_ignored = Some(last);
        }
    }

    pub(super) fn on_told(&mut self, call: &str, peer: UserId, kind: SignalKind, info: UserInfo) {
        self.publish_told(call, peer, kind, &info);
        if kind != SignalKind::Update {
            return;
        }
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let Some(participant) = facts.legs.get_mut(&peer) else {
            return;
        };
        if let Some(holds) = info.get(HOLD_KEY) {
            participant.holds = holds == "1";
        }
        if info.contains_key(facts::MAX_BANDWIDTH_KEY) {
            participant.limit_kbps = facts::max_bandwidth(&info);
        }
        facts.apply(&self.wiring.config.calls);
    }

    pub(super) fn send_signal(&self, to: UserId, signal: CallSignal) {
        let outgoing = Outgoing::saying(signal.kind, signal.user_info.clone());
        Outlet::open(self.line(), to, signal).send(outgoing);
    }
}
