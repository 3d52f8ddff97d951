//! The picture before the answer: what rings here and there, told to [`Previews`].
//!
//! [`Previews`]: crate::engine::preview::Previews

use actix::prelude::*;

use super::Calls;
use crate::call::session::{LegPhase, Phase, UserInfo};
use crate::config::{AudioSource, VideoSource};
use crate::engine::event::Direction;
use crate::engine::preview::{FromPreview, PreviewArrived};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::CallType;
use crate::protocol::preview::{OFFERED_KEY, SOUND_KEY, YES};

impl Calls {
    /// Whether a target of the bell gets the picture before answering; `None` where there is
    /// nothing on offer.
    pub(super) fn preview_for(&self, user: UserId, call_type: CallType) -> Option<bool> {
        let config = &self.wiring.config;
        let preview = &config.calls.preview;
        let is_there = preview.enabled
            && call_type == CallType::Video
            && config.camera.source != VideoSource::None;
        let is_allowed =
            || preview.allow.is_empty() || self.wiring.roster.includes(&preview.allow, user);
        is_there.then(is_allowed)
    }

    /// What an invitation says about it.
    pub(super) fn tell_preview(&self, info: &mut UserInfo, preview: Option<bool>) {
        if preview != Some(true) {
            return;
        }
        info.insert(OFFERED_KEY.to_owned(), YES.to_owned());
        let config = &self.wiring.config;
        if config.calls.preview.audio && config.audio.source != AudioSource::None {
            info.insert(SOUND_KEY.to_owned(), YES.to_owned());
        }
    }

    pub(super) fn preview_on_leg(&mut self, call: &str, peer: UserId, phase: LegPhase) {
        let offered = self.facts.get(call).and_then(|facts| facts.preview);
        let Some(is_allowed) = offered else {
            return;
        };
        match phase {
            LegPhase::Dialing => self.previews.rings(call, peer, is_allowed),
            _ => self.previews.rings_no_more(call, peer),
        }
    }

    pub(super) fn preview_on_phase(&mut self, call: &str, phase: Phase) {
        let Some(facts) = self.facts.get(call) else {
            return;
        };
        if facts.direction != Direction::Incoming {
            return;
        }
        if phase != Phase::Ringing {
            return self.previews.look_no_more(call);
        }
        let says = |key: &str| facts.told.get(key).is_some_and(|value| value == YES);
        let is_wanted = self.wiring.config.calls.preview.show
            && facts.call_type() == CallType::Video
            && says(OFFERED_KEY);
        if is_wanted {
            let (caller, has_sound) = (facts.peer, says(SOUND_KEY));
            self.previews.look(call, caller, has_sound);
        }
    }
}

impl Handler<PreviewArrived> for Calls {
    type Result = ();

    fn handle(&mut self, message: PreviewArrived, ctx: &mut Self::Context) {
        self.previews.arrived(message);
        self.arm_timer(ctx);
        self.show();
    }
}

impl Handler<FromPreview> for Calls {
    type Result = ();

    fn handle(&mut self, message: FromPreview, ctx: &mut Self::Context) {
        self.previews.on_news(message);
        self.arm_timer(ctx);
        self.show();
    }
}
