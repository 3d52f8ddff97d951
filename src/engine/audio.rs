//! The `Audio` actor: runs microphone and loudspeaker while the device lives, and shows how they
//! fare.

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use tokio::sync::{mpsc, watch};

use super::live::Sources;
use super::mailbox::MAILBOX_CAPACITY;
use super::saying::Saying;
use super::state::{
    AudioState, ProcessingState, SourceState, SourceStatus, SpeakerState, SpeakerStatus,
};
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use super::{camera, media_settings, talking, volume};
use crate::call::duplex::{Duplex, Talk};
use crate::media::{AudioDevice, AudioEvent, LoudspeakerStatus};

/// The actor.
pub struct Audio {
    _life: Life,
    pub(super) wiring: Wiring,
    pub(super) saying: Saying,
    pub(super) device: Option<AudioDevice>,
    pub(super) talk: Talk,
    pub(super) talk_timer: Option<SpawnHandle>,
    volume: watch::Sender<volume::Wanted>,
}

supervised!(Audio, drain = close);

impl Audio {
    /// Starts nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            saying: Saying::default(),
            device: None,
            talk: Talk::default(),
            talk_timer: None,
            volume: watch::Sender::default(),
        }
    }

    fn close(&mut self) -> LocalBoxFuture<'static, ()> {
        let device = self.device.take();
        Box::pin(async move {
            if let Some(device) = device {
                device.closed().await;
            }
        })
    }
}

impl Actor for Audio {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let source = media_settings::name_of_microphone(&self.wiring.config);
        self.wiring.board.update(|state| {
            state.audio.microphone = SourceState {
                source,
                muted: state.audio.microphone.muted,
                ..SourceState::default()
            };
            state.audio.speaker = SpeakerState::default();
            state.audio.processing = ProcessingState::default();
            state.audio.talking = false;
        });
        let (events, mut news) = mpsc::unbounded_channel();
        self.device = Some(AudioDevice::start(
            media_settings::audio_device(&self.wiring.config),
            &self.wiring.audio,
            &self.wiring.loudspeaker,
            &self.wiring.outgoing,
            events,
        ));
        let now = self.wiring.loudspeaker.status();
        self.wiring
            .board
            .update(|state| show(&mut state.audio, AudioEvent::Loudspeaker(now)));
        ctx.add_stream(futures::stream::poll_fn(move |cx| news.poll_recv(cx)));
        let setting = volume::run(self.wiring.clone(), self.volume.subscribe());
        ctx.spawn(setting.into_actor(self));
        ctx.add_stream(self.wiring.live.sources());
        ctx.add_stream(talking::calls(&self.wiring));
    }
}

impl StreamHandler<AudioEvent> for Audio {
    fn handle(&mut self, event: AudioEvent, _: &mut Self::Context) {
        if event == AudioEvent::Loudspeaker(LoudspeakerStatus::Playing) {
            // A card that was plugged in anew knows nothing of its volume.
            self.volume.send_modify(|_| {});
        }
        self.wiring
            .board
            .update(|state| show(&mut state.audio, event));
    }

    /// A device with nothing to run tells nothing, which is no reason to end.
    fn finished(&mut self, _: &mut Self::Context) {}
}

impl StreamHandler<Sources> for Audio {
    fn handle(&mut self, wanted: Sources, ctx: &mut Self::Context) {
        if let Some(device) = &self.device {
            device.set_muted(wanted.microphone_muted);
            device.set_half_duplex(wanted.duplex == Duplex::Half);
        }
        self.talk.set_duplex(wanted.duplex);
        self.heed_talk(ctx);
        self.volume.send_replace(volume::Wanted {
            percent: wanted.volume,
            muted: wanted.speaker_muted,
        });
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.wiring
            .board
            .update(|state| state.audio.microphone.status = SourceStatus::Stopped);
    }
}

/// Puts the device's news into its state.
fn show(shown: &mut AudioState, event: AudioEvent) {
    match event {
        AudioEvent::Microphone(event) => camera::show(shown.microphone.faring(), event),
        AudioEvent::Loudspeaker(status) => {
            let (status, reason) = match status {
                LoudspeakerStatus::Absent => (SpeakerStatus::Absent, None),
                LoudspeakerStatus::Closed => (SpeakerStatus::Closed, None),
                LoudspeakerStatus::Playing => (SpeakerStatus::Playing, None),
                LoudspeakerStatus::Failed(reason) => (SpeakerStatus::Failed, Some(reason)),
            };
            shown.speaker.status = status;
            shown.speaker.reason = reason;
        }
        AudioEvent::Processing { active, lack } => {
            shown.processing = ProcessingState {
                echo_cancel: active.echo_cancel,
                noise_suppression: active.noise_suppression,
                gain_control: active.gain_control,
                high_pass: active.high_pass,
                lack,
            };
        }
    }
}
