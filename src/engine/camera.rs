//! The `Camera` actor: runs the video source while the device lives, and shows how it fares.

use std::collections::BTreeMap;

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use tokio::sync::mpsc;

use super::camera_controls;
use super::chosen::{self, name_of_camera};
use super::live::Sources;
use super::mailbox::MAILBOX_CAPACITY;
use super::media_settings;
use super::state::{CameraState, Faring, SourceStatus};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::config::VideoSource;
use crate::media::{self, SourceEvent, VideoSourceSettings};

/// The actor. Its source feeds the fan-out, which outlives it: a call goes on when a new
/// incarnation, or another camera, brings new pictures.
pub struct Camera {
    _life: Life,
    wiring: Wiring,
    /// What runs, and the camera it is of.
    running: Option<(media::VideoSource, VideoSourceSettings)>,
    follower: Option<SpawnHandle>,
}

supervised!(Camera, drain = close);

impl Camera {
    /// Starts nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            running: None,
            follower: None,
        }
    }

    fn close(&mut self) -> LocalBoxFuture<'static, ()> {
        let running = self.running.take();
        Box::pin(async move {
            if let Some((source, _)) = running {
                source.closed().await;
            }
        })
    }

    /// Runs the camera of that name, unless it runs already.
    fn run(&mut self, wanted: Option<&str>, ctx: &mut Context<Self>) {
        let config = &self.wiring.config;
        let settings = media_settings::video_source(config, wanted);
        let is_running = match (&self.running, &settings) {
            (Some((_, present)), Some(wanted)) => present == wanted,
            _ => false,
        };
        if is_running {
            return;
        }
        // Closed before the next is opened: the two may share a bus that carries only one.
        self.running = None;
        if let Some(follower) = self.follower.take() {
            ctx.cancel_future(follower);
        }
        let camera = chosen::camera(config, wanted);
        let node = match camera {
            VideoSource::V4l2(path) => Some(path.clone()),
            _ => None,
        };
        let name = name_of_camera(camera);
        let source = name.clone();
        self.wiring.board.update(|state| {
            state.camera = CameraState {
                source,
                controls: std::mem::take(&mut state.camera.controls),
                // Other kinds have nothing that could be set; these are asked once they run.
                settable: node.is_none().then(BTreeMap::new),
                muted: state.camera.muted,
                max_kbps: state.camera.max_kbps,
                max_fps: state.camera.max_fps,
                max_height: state.camera.max_height,
                ..CameraState::default()
            };
        });
        let Some(settings) = settings else {
            return;
        };
        let (events, mut news) = mpsc::unbounded_channel();
        let source = media::VideoSource::start(settings.clone(), self.wiring.video.clone(), events);
        self.running = Some((source, settings));
        let (board, live) = (self.wiring.board.clone(), self.wiring.live.clone());
        let follow = async move {
            let mut runs = false;
            while let Some(event) = news.recv().await {
                let ran =
                    std::mem::replace(&mut runs, matches!(event, SourceEvent::Running { .. }));
                board.update(|state| show(state.camera.faring(), event));
                if let (Some(node), true) = (&node, runs && !ran) {
                    let kept = live.controls(&name);
                    if let Some(settable) = camera_controls::restore(node.clone(), kept).await {
                        board.update(|state| state.camera.settable = Some(settable));
                    }
                }
            }
        };
        self.follower = Some(ctx.spawn(follow.into_actor(self)));
    }
}

impl Actor for Camera {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.add_stream(self.wiring.live.sources());
    }
}

impl StreamHandler<Sources> for Camera {
    fn handle(&mut self, wanted: Sources, ctx: &mut Self::Context) {
        self.wiring.video.set_ceiling(wanted.ceiling);
        self.run(wanted.camera.as_deref(), ctx);
        if let Some((source, _)) = &self.running {
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
pub(super) fn show(shown: Faring<'_>, event: SourceEvent) {
    match event {
        SourceEvent::Running { encoder } => {
            *shown.status = SourceStatus::Running;
            *shown.encoder = encoder;
            *shown.reason = None;
        }
        SourceEvent::Failed { reason } => {
            tracing::error!(source = shown.source, reason, "source failed");
            *shown.status = SourceStatus::Failed;
            *shown.reason = Some(reason);
        }
        SourceEvent::Stopped => *shown.status = SourceStatus::Stopped,
    }
}
