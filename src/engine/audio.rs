//! The `Audio` actor: runs the microphone while the device lives, and shows how it fares.

use actix::prelude::*;
use tokio::sync::mpsc;

use super::live::Sources;
use super::mailbox::MAILBOX_CAPACITY;
use super::state::{SourceState, SourceStatus};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use super::{camera, media_settings};
use crate::media::AudioSource;

/// The actor.
pub struct Audio {
    _life: Life,
    wiring: Wiring,
    source: Option<AudioSource>,
}

supervised!(Audio);

impl Audio {
    /// Starts nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            source: None,
        }
    }
}

impl Actor for Audio {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let source = media_settings::name_of_microphone(&self.wiring.config);
        self.wiring.board.update(|state| {
            state.audio = SourceState {
                source,
                muted: state.audio.muted,
                ..SourceState::default()
            };
        });
        let Some(settings) = media_settings::audio_source(&self.wiring.config) else {
            return;
        };
        let (events, mut news) = mpsc::unbounded_channel();
        self.source = Some(AudioSource::start(
            settings,
            self.wiring.audio.clone(),
            events,
        ));
        let board = self.wiring.board.clone();
        let follow = async move {
            while let Some(event) = news.recv().await {
                board.update(|state| camera::show(&mut state.audio, event));
            }
        };
        ctx.spawn(follow.into_actor(self));
        ctx.add_stream(self.wiring.live.sources());
    }
}

impl StreamHandler<Sources> for Audio {
    fn handle(&mut self, wanted: Sources, _: &mut Self::Context) {
        if let Some(source) = &self.source {
            source.set_muted(wanted.microphone_muted);
        }
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.wiring
            .board
            .update(|state| state.audio.status = SourceStatus::Stopped);
    }
}
