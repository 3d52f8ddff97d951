//! Push-to-talk: whose words are sent in a call, and for how long at the most.

use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::StreamExt;
use serde_json::json;

use super::audio::Audio;
use super::command::{CommandError, ErrorCode};
use super::state::CallStatus;
use super::wiring::Wiring;

/// Somebody talks, or nobody any more.
pub(super) struct TalkNow(pub bool);

impl Message for TalkNow {
    type Result = Result<serde_json::Value, CommandError>;
}

impl Handler<TalkNow> for Audio {
    type Result = Result<serde_json::Value, CommandError>;

    fn handle(&mut self, TalkNow(on): TalkNow, ctx: &mut Self::Context) -> Self::Result {
        let most = Duration::from_secs(self.wiring.config.audio.talk_max_s.into());
        if on {
            self.talk
                .begin(Instant::now(), most)
                .map_err(|why| CommandError::new(ErrorCode::WrongState, why.to_string()))?;
        } else {
            self.talk.end();
        }
        self.heed_talk(ctx);
        Ok(json!({ "talking": self.talk.is_on(), "most_s": on.then_some(most.as_secs()) }))
    }
}

/// Whether there is a call: ringing, dialled or talked in.
pub(super) struct InCall(bool);

/// Now, and each time it changes.
pub(super) fn calls(wiring: &Wiring) -> impl Stream<Item = InCall> + use<> {
    let first = (wiring.board.watch(), None);
    futures::stream::unfold(first, |(mut states, told)| async move {
        let is_news = |now: bool| told != Some(now);
        let changed = states.wait_for(|state| is_news(state.call.status != CallStatus::Idle));
        let now = changed.await.ok()?.call.status != CallStatus::Idle;
        Some((now, (states, Some(now))))
    })
    .map(InCall)
}

impl StreamHandler<InCall> for Audio {
    fn handle(&mut self, InCall(is_in_call): InCall, ctx: &mut Self::Context) {
        self.talk.set_in_call(is_in_call);
        self.heed_talk(ctx);
        if !is_in_call {
            self.say_no_more_to_the_call(ctx);
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Audio {
    /// Brings microphone, state and timer in line with who may talk.
    pub(super) fn heed_talk(&mut self, ctx: &mut Context<Self>) {
        if let Some(device) = &self.device {
            device.set_silent(self.talk.is_silent());
        }
        let talking = self.talk.is_on();
        self.wiring
            .board
            .update(|state| state.audio.talking = talking);
        if let Some(timer) = self.talk_timer.take() {
            ctx.cancel_future(timer);
        }
        self.talk_timer = self.talk.deadline().map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            ctx.run_later(left, |audio, ctx| {
                audio.talk_timer = None;
                audio.talk.tick(Instant::now());
                audio.heed_talk(ctx);
            })
        });
    }
}
