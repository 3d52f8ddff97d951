//! The `Camera` actor: runs the video source while the device lives, and shows how it fares.

use actix::prelude::*;
use tokio::sync::mpsc;

use super::live::Sources;
use super::mailbox::MAILBOX_CAPACITY;
use super::media_settings;
use super::state::{SourceState, SourceStatus};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::media::{SourceEvent, VideoSource};

/// The actor. Its source feeds the fan-out, which outlives it: a call goes on when a new
/// incarnation brings new pictures.
pub struct Camera {
    _life: Life,
    wiring: Wiring,
    source: Option<VideoSource>,
}

supervised!(Camera);

impl Camera {
    /// Starts nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            source: None,
        }
    }
}

impl Actor for Camera {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let source = media_settings::name_of_camera(&self.wiring.config);
        self.wiring.board.update(|state| {
            state.camera = SourceState {
                source,
                muted: state.camera.muted,
                ..SourceState::default()
            };
        });
        let Some(settings) = media_settings::video_source(&self.wiring.config) else {
            return;
        };
        let (events, mut news) = mpsc::unbounded_channel();
        self.source = Some(VideoSource::start(
            settings,
            self.wiring.video.clone(),
            events,
        ));
        let board = self.wiring.board.clone();
        let follow = async move {
            while let Some(event) = news.recv().await {
                board.update(|state| show(&mut state.camera, event));
            }
        };
        ctx.spawn(follow.into_actor(self));
        ctx.add_stream(self.wiring.live.sources());
    }
}

impl StreamHandler<Sources> for Camera {
    fn handle(&mut self, wanted: Sources, _: &mut Self::Context) {
        if let Some(source) = &self.source {
            source.set_muted(wanted.camera_muted);
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.wiring
            .board
            .update(|state| state.camera.status = SourceStatus::Stopped);
    }
}

/// Puts a source's news into its state.
pub(super) fn show(shown: &mut SourceState, event: SourceEvent) {
    match event {
        SourceEvent::Running { encoder } => {
            shown.status = SourceStatus::Running;
            shown.encoder = encoder;
            shown.reason = None;
        }
        SourceEvent::Failed { reason } => {
            tracing::error!(source = shown.source, reason, "source failed");
            shown.status = SourceStatus::Failed;
            shown.reason = Some(reason);
        }
        SourceEvent::Stopped => shown.status = SourceStatus::Stopped,
    }
}
