//! The `Audio` actor: runs microphone and loudspeaker while the device lives, or others in their
//! place, and shows how they fare.

use std::time::Duration;

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use tokio::sync::mpsc;

use super::live::Sources;
use super::mailbox::MAILBOX_CAPACITY;
use super::ring_tone::{self, Sounding};
use super::saying::Saying;
use super::state::{
    AudioState, ProcessingState, SourceState, SourceStatus, SpeakerState, SpeakerStatus,
};
use super::supervised::{Life, supervised};
use super::volume::{self, Volume};
use super::wiring::Wiring;
use super::{camera, chosen, media_settings, talking};
use crate::call::duplex::{Duplex, Talk};
use crate::config::AudioSink;
use crate::media::{AudioDevice, AudioDeviceSettings, AudioEvent, LoudspeakerStatus};

/// How long a card may take to close before the next is opened.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The actor. What it runs feeds the fan-out and is fed by the mix, which outlive it: a call goes on
/// with another card.
pub struct Audio {
    _life: Life,
    pub(super) wiring: Wiring,
    pub(super) saying: Saying,
    pub(super) device: Option<AudioDevice>,
    pub(super) sounding: Sounding,
    pub(super) talk: Talk,
    pub(super) talk_timer: Option<SpawnHandle>,
    volume: Volume,
    /// Carries out what `volume` is told, once the actor runs.
    setting: Option<LocalBoxFuture<'static, ()>>,
    wanted: Sources,
    /// What `device` was made of.
    settings: Option<AudioDeviceSettings>,
    /// What it tells.
    news: Option<SpawnHandle>,
    /// The device before is on its way out, and the next one follows.
    is_switching: bool,
    /// The device before may still be heard.
    is_closing: bool,
}

supervised!(Audio, drain = close);

impl Audio {
    /// Starts nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        let (volume, setting) = Volume::new(wiring.loudspeaker.clone(), wiring.board.clone());
        Self {
            _life: life,
            wiring,
            saying: Saying::default(),
            device: None,
            sounding: Sounding::default(),
            talk: Talk::default(),
            talk_timer: None,
            volume,
            setting: Some(Box::pin(setting)),
            wanted: Sources::default(),
            settings: None,
            news: None,
            is_switching: false,
            is_closing: false,
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

    /// Makes what runs be what is wanted.
    fn run(&mut self, ctx: &mut Context<Self>) {
        let (microphone, loudspeaker) = (&self.wanted.microphone, &self.wanted.loudspeaker);
        let config = &self.wiring.config;
        let wanted =
            media_settings::audio_device(config, microphone.as_deref(), loudspeaker.as_deref());
        if self.is_switching || self.settings.as_ref() == Some(&wanted) {
            return;
        }
        self.settings = None;
        if let Some(news) = self.news.take() {
            ctx.cancel_future(news);
        }
        let Some(device) = self.device.take() else {
            self.open(wanted, ctx);
            return;
        };
        // Closed before the next is opened: half of it may be the same card.
        (self.is_switching, self.is_closing) = (true, true);
        let closed = closed_or_left(device.closed(), CLOSE_LIMIT);
        let settled = closed.into_actor(self).then(|(), actor, _| {
            actor.is_closing = false;
            // Before it is heard for the first time.
            actor.heed_volume();
            actor.volume.settled().into_actor(actor)
        });
        ctx.spawn(settled.map(|(), actor, ctx| {
            actor.is_switching = false;
            actor.run(ctx);
        }));
    }

    fn open(&mut self, settings: AudioDeviceSettings, ctx: &mut Context<Self>) {
        self.wiring.board.update(|state| {
            let audio = &mut state.audio;
            audio.microphone = SourceState {
                source: std::mem::take(&mut audio.microphone.source),
                muted: audio.microphone.muted,
                ..SourceState::default()
            };
            audio.speaker = SpeakerState {
                sink: std::mem::take(&mut audio.speaker.sink),
                ..SpeakerState::default()
            };
            audio.processing = ProcessingState::default();
        });
        let (events, mut news) = mpsc::unbounded_channel();
        self.device = Some(AudioDevice::start(
            settings.clone(),
            &self.wiring.audio,
            &self.wiring.loudspeaker,
            &self.wiring.outgoing,
            events,
        ));
        self.settings = Some(settings);
        let now = self.wiring.loudspeaker.status();
        self.wiring
            .board
            .update(|state| show(&mut state.audio, AudioEvent::Loudspeaker(now)));
        self.news = Some(ctx.add_stream(futures::stream::poll_fn(move |cx| news.poll_recv(cx))));
        self.heed_wishes(ctx);
    }

    /// Tells the device what it is to keep to itself.
    fn heed_wishes(&mut self, ctx: &mut Context<Self>) {
        if let Some(device) = &self.device {
            device.set_muted(self.wanted.microphone_muted);
            device.set_half_duplex(self.wanted.duplex == Duplex::Half);
        }
        self.talk.set_duplex(self.wanted.duplex);
        self.heed_talk(ctx);
        self.heed_volume();
    }

    fn heed_volume(&self) {
        let sink = chosen::loudspeaker(&self.wiring.config, self.wanted.loudspeaker.as_deref());
        self.volume.set(volume::Wanted {
            pcm: match sink {
                AudioSink::Alsa(pcm) => Some(pcm.clone()),
                AudioSink::Null => None,
            },
            percent: self.wanted.volume,
            ringing: self.wanted.ring_volume,
            muted: self.wanted.speaker_muted,
            is_elsewhere: self.is_closing,
        });
    }
}

/// Over when the card is closed; where its driver hangs, after `limit`, so that it can be switched
/// away from.
async fn closed_or_left(closed: impl Future<Output = ()>, limit: Duration) {
    if tokio::time::timeout(limit, closed).await.is_err() {
        tracing::error!("a sound card does not close; the next is opened all the same");
    }
}

impl Actor for Audio {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.wiring.board.update(|state| {
            state.audio.talking = false;
            state.audio.tone = None;
        });
        if let Some(setting) = self.setting.take() {
            ctx.spawn(setting.into_actor(self));
        }
        ctx.add_stream(self.wiring.live.sources());
        ctx.add_stream(talking::calls(&self.wiring));
        ctx.add_stream(ring_tone::wanted(&self.wiring));
    }
}

impl StreamHandler<AudioEvent> for Audio {
    fn handle(&mut self, event: AudioEvent, _: &mut Self::Context) {
        if event == AudioEvent::Loudspeaker(LoudspeakerStatus::Playing) {
            // A card that was plugged in anew knows nothing of its volume.
            self.volume.again();
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
        self.wanted = wanted;
        self.run(ctx);
        self.heed_wishes(ctx);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_card_that_never_closes_is_left() {
        let limit = Duration::from_millis(10);
        let left = closed_or_left(std::future::pending(), limit);
        let waited = tokio::time::timeout(Duration::from_secs(60), left).await;
        assert_eq!(waited, Ok(()));
    }
}
