//! Who speaks in a call of several people: asked of their connections several times a second,
//! while there is such a call.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::Calls;
use super::facts::CallFacts;

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(200);

impl Calls {
    /// Begins to listen with a call's second other participant, and ends with it.
    pub(super) fn heed_speakers(&mut self, ctx: &mut Context<Self>) {
        let is_wanted = self.facts.values().any(CallFacts::is_of_several);
        if !is_wanted {
            if let Some(listening) = self.listening.take() {
                ctx.cancel_future(listening);
            }
        } else if self.listening.is_none() {
            self.listening = Some(ctx.run_interval(EVERY, |calls, _| calls.listen()));
        }
    }

    fn listen(&mut self) {
        let now = Instant::now();
        let mut is_news = false;
        for facts in self
            .facts
            .values_mut()
            .filter(|facts| facts.is_of_several())
        {
            let all = facts.legs.iter();
            let levels: Vec<_> = all
                .filter_map(|(user, participant)| Some((*user, participant.leg.loudness()?)))
                .collect();
            let before = facts.speaker.speaker();
            let speaker = facts.speaker.hear(now, &levels);
            if speaker == before {
                continue;
            }
            is_news = true;
            // On the screen, too, where the layout makes a difference between them.
            if let Some(display) = &self.wiring.display {
                display.set_speaker(speaker);
            }
        }
        if is_news {
            self.show();
        }
    }
}
