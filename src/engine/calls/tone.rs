//! The tone that tells the room that somebody drops in.

use actix::prelude::*;

use super::Calls;
use crate::config::AudioSink;
use crate::engine::event::EventKind;
use crate::media::announcement::{self, Announcement, AnnouncementError, Tone};

impl Calls {
    /// Plays it, if the configuration wants it and there is a loudspeaker. Until it has been
    /// played, or it is clear that it cannot be, the call sends nothing.
    pub(super) fn sound_tone(&mut self, call: &str, ctx: &mut Context<Self>) {
        let config = &self.wiring.config;
        if !config.calls.incoming.auto_answer_tone || config.audio.sink == AudioSink::Null {
            return;
        }
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        let (playback, done) = Announcement::Tone(Tone::Notice).play(&[&self.wiring.loudspeaker]);
        facts.tone = Some(playback);
        let call = call.to_owned();
        let played = announcement::played(done);
        ctx.spawn(
            played
                .into_actor(self)
                .map(move |outcome, calls, _| calls.tone_played(&call, outcome)),
        );
    }

    fn tone_played(&mut self, call: &str, outcome: Result<(), AnnouncementError>) {
        let Some(facts) = self.facts.get_mut(call) else {
            return;
        };
        if facts.tone.take().is_none() {
            // Somebody answered meanwhile.
            return;
        }
        facts.apply(&self.wiring.config.calls);
        let peer = facts.peer;
        let error = outcome.err().map(|error| error.to_string());
        if let Some(error) = &error {
            tracing::warn!(call, peer, error, "nobody heard that somebody drops in");
        }
        self.wiring.board.publish(EventKind::CallTone {
            call: call.to_owned(),
            peer,
            error,
        });
    }
}
