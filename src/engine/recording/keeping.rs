//! What was before a recording, and what stays of recordings.

use std::time::Duration;

use actix::prelude::*;

use super::super::event::unix_ms;
use super::super::live::Sources;
use super::Recordings;
use crate::config::{AudioSource, VideoSource};
use crate::media::recording::{PreRoll, PreRollSettings};

/// How often room is made while something is recorded, and while nothing is.
const ROTATE_BUSY: Duration = Duration::from_secs(5);
const ROTATE_IDLE: Duration = Duration::from_secs(3_600);
/// Room is made before it is needed: what the largest bitrate writes until it is made again.
const HEADROOM: u64 = 32 << 20;
const DAY_MS: u64 = 86_400_000;

impl Recordings {
    /// Makes room from now on.
    pub(super) fn keep_room(&self, ctx: &mut Context<Self>) {
        if !self.wiring.config.recording.enabled {
            return;
        }
        ctx.spawn(self.rotate());
        ctx.run_interval(ROTATE_BUSY, |actor, ctx| {
            if actor.current.is_some() {
                ctx.spawn(actor.rotate());
            }
        });
        ctx.run_interval(ROTATE_IDLE, |actor, ctx| {
            ctx.spawn(actor.rotate());
        });
    }

    /// Makes room once.
    pub(super) fn rotate(&self) -> impl ActorFuture<Self, Output = ()> + use<> {
        let config = &self.wiring.config.recording;
        let folder = self.folder.clone();
        let oldest = unix_ms().saturating_sub(u64::from(config.keep_days) * DAY_MS);
        let bytes = u64::from(config.keep_mb) << 20;
        let free = (u64::from(config.min_free_mb) << 20) + HEADROOM;
        let rotated = tokio::task::spawn_blocking(move || folder.rotate(oldest, bytes, free));
        rotated.into_actor(self).map(|rotated, _, _| {
            if let Err(error) = rotated {
                tracing::error!(%error, "recordings are not rotated");
            }
        })
    }

    /// Keeps what happens before the next recording, if that is wanted.
    pub(super) fn keep_what_was_before(&mut self) {
        let config = &self.wiring.config;
        let recording = &config.recording;
        if !recording.enabled || recording.pre_roll_s == 0 {
            return;
        }
        let settings = PreRollSettings {
            length: Duration::from_secs(recording.pre_roll_s.into()),
            max_bytes: (recording.pre_roll_mb as usize) << 20,
            picture: config.camera.source != VideoSource::None,
            sound: config.audio.source != AudioSource::None,
        };
        match PreRoll::start(settings, &self.wiring.video, &self.wiring.audio) {
            Ok(pre_roll) => self.pre_roll = Some(pre_roll),
            Err(error) => tracing::error!(%error, "nothing is kept before recordings"),
        }
    }
}

impl StreamHandler<Sources> for Recordings {
    /// What was seen and heard before camera or microphone were switched off or exchanged is not
    /// brought up again later.
    fn handle(&mut self, _: Sources, _: &mut Self::Context) {
        if let Some(pre_roll) = &self.pre_roll {
            pre_roll.clear();
        }
    }

    /// The device ends.
    fn finished(&mut self, _: &mut Self::Context) {}
}
