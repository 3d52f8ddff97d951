//! The negotiation of one peer, one step at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc::UnboundedSender, watch};
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidateInit, RTCSessionDescription, StatsSelector,
};

use super::bundle;
use super::channel;
use super::connection::{self, Calls, Connection, Media};
use super::one_way;
use super::receiving::{self, Receivers};
use super::sdp::{self, Description, SdpError};
use super::sending;
use super::settings::{ChannelPolicy, PeerError, PeerEvent, PeerSettings};
use super::shared::{Handler, Shared};
use super::stats::{PeerStats, bump};
use crate::media::VideoCodec;
use crate::media::fanout::{AudioFanout, CaptureHold, VideoFanout};
use crate::protocol::call_signal::{CallType, Candidate};
use crate::protocol::telephone_event::Digit;

/// How often the rate controller is told the time.
const PATH_TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at the connectivity checks.
const CHECKS_EVERY: u32 = 8;
/// Candidates that came before the description they belong to.
const MAX_EARLY_CANDIDATES: usize = 256;

pub(super) struct Core {
    settings: PeerSettings,
    video: VideoFanout,
    audio: AudioFanout,
    shared: Arc<Shared>,
    /// One step of the negotiation at a time.
    negotiation: Mutex<Negotiation>,
    /// Keeps the camera open until the end.
    camera: parking_lot::Mutex<Option<CaptureHold>>,
}

#[derive(Default)]
struct Negotiation {
    connection: Option<Connection>,
    early: Vec<Candidate>,
    has_remote: bool,
    offered: bool,
    closed: Option<watch::Receiver<bool>>,
}

impl Core {
    pub(super) fn new(
        settings: PeerSettings,
        video: VideoFanout,
        audio: AudioFanout,
        events: UnboundedSender<PeerEvent>,
    ) -> Self {
        let receivers = Receivers::new(&settings);
        let hears = one_way::receives(&settings);
        let shared = Arc::new(Shared::new(events, receivers, &settings, hears));
        let shows = settings.call_type == CallType::Video && one_way::sends(&settings);
        let camera = shows.then(|| video.hold_capture());
        Self {
            settings,
            video,
            audio,
            shared,
            negotiation: Mutex::default(),
            camera: parking_lot::Mutex::new(camera),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn stats(&self) -> PeerStats {
        let mut stats = self.shared.stats.read();
        self.shared
            .network
            .lock()
            .stats(Instant::now())
            .write(&mut stats);
        let codec = self
            .shared
            .negotiated
            .borrow()
            .video
            .as_ref()
            .and_then(|section| {
                let (_, codec) = section.codecs.first()?;
                Some(*codec)
            });
        stats.encoder = codec.and_then(|codec| self.video.encoding(codec));
        stats
    }

    pub(super) async fn create_offer(&self, restart: bool) -> Result<String, PeerError> {
        let mut negotiation = self.open().await?;
        if negotiation.connection.is_none() {
            if restart {
                return Err(PeerError::NoOffer);
            }
            let preferred = self.settings.preferred_codec;
            let video = match self.settings.call_type {
                CallType::Video => vec![preferred, preferred.other()],
                CallType::Audio => Vec::new(),
            };
            let media = Media {
                audio: one_way::has_sound(&self.settings),
                digits: one_way::has_digits(&self.settings),
                video,
                begins_dtls: true,
            };
            self.connect(&mut negotiation, media).await?;
            if self.settings.channel == ChannelPolicy::Offer {
                let link = negotiation.link()?;
                let opened = link.create_data_channel(channel::LABEL, None).await;
                let channel = opened.map_err(refused("opening the data channel"))?;
                self.shared.serve_channel(channel);
            }
        }
        let link = negotiation.link()?;
        if restart {
            link.restart_ice()
                .await
                .map_err(refused("restarting ICE"))?;
        }
        let offer = link
            .create_offer(None)
            .await
            .map_err(refused("making the offer"))?;
        link.set_local_description(offer.clone())
            .await
            .map_err(refused("setting the offer"))?;
        negotiation.offered = true;
        // A restart keeps the roles that were agreed.
        Ok(if restart {
            offer.sdp
        } else {
            sdp::with_dtls_begun_here(&offer.sdp)
        })
    }

    pub(super) async fn accept_offer(&self, sdp: &str) -> Result<String, PeerError> {
        let offered = sdp::read(sdp)?;
        one_way::check(&self.settings, &offered)?;
        let mut negotiation = self.open().await?;
        if negotiation.connection.is_none() {
            let media = self.answerable(&offered)?;
            self.connect(&mut negotiation, media).await?;
        }
        let link = negotiation.link()?;
        let one_transport = bundle::on_one_transport(&sdp::with_crlf(sdp));
        let readable = sdp::with_digits_of_sound(&one_transport);
        let offer = RTCSessionDescription::offer(readable).map_err(unusable)?;
        link.set_remote_description(offer).await.map_err(unusable)?;
        let answer = link
            .create_answer(None)
            .await
            .map_err(refused("making the answer"))?;
        link.set_local_description(answer.clone())
            .await
            .map_err(refused("setting the answer"))?;
        let agreed = sdp::read(&answer.sdp)?;
        self.negotiated(&mut negotiation, agreed).await;
        Ok(answer.sdp)
    }

    pub(super) async fn set_answer(&self, sdp: &str) -> Result<(), PeerError> {
        let answered = sdp::read(sdp)?;
        let mut negotiation = self.open().await?;
        if !negotiation.offered {
            return Err(PeerError::NoOffer);
        }
        let link = negotiation.link()?;
        let readable = sdp::with_digits_of_sound(&sdp::with_crlf(sdp));
        let answer = RTCSessionDescription::answer(readable).map_err(unusable)?;
        link.set_remote_description(answer)
            .await
            .map_err(unusable)?;
        negotiation.offered = false;
        let mut agreed = answered;
        if let Some(audio) = &mut agreed.audio {
            audio.direction = audio.direction.reversed();
        }
        if let Some(video) = &mut agreed.video {
            video.direction = video.direction.reversed();
        }
        self.negotiated(&mut negotiation, agreed).await;
        Ok(())
    }

    pub(super) fn send_digits(&self, digits: &[Digit]) -> Result<(), PeerError> {
        let takes_them = {
            let agreed = self.shared.negotiated.borrow();
            let sends = agreed
                .audio
                .as_ref()
                .is_some_and(|audio| audio.direction.send);
            sends && agreed.digits.is_some()
        };
        if !takes_them || self.shared.ended.is_cancelled() {
            return Err(PeerError::NoDigits);
        }
        self.shared.keys.lock().push(Instant::now(), digits)?;
        self.shared.key_waits.notify_one();
        Ok(())
    }

    pub(super) async fn local_sdp(&self) -> Option<String> {
        let negotiation = self.negotiation.lock().await;
        let connection = negotiation.connection.as_ref()?;
        let description = connection.link.local_description().await?;
        Some(if negotiation.has_remote {
            description.sdp
        } else {
            sdp::with_dtls_begun_here(&description.sdp)
        })
    }

    pub(super) async fn add_candidates(&self, candidates: Vec<Candidate>) {
        let mut negotiation = self.negotiation.lock().await;
        if negotiation.has_remote {
            negotiation.add(candidates).await;
        } else {
            let room = MAX_EARLY_CANDIDATES.saturating_sub(negotiation.early.len());
            negotiation.early.extend(candidates.into_iter().take(room));
        }
    }

    pub(super) async fn close(&self) {
        self.shared.ended.cancel();
        self.camera.lock().take();
        let closed = self.negotiation.lock().await.closed.clone();
        match closed {
            Some(mut closed) => {
                // An error means that the closing task is gone, and the connection with it.
                let _ = closed.wait_for(|closed| *closed).await;
            }
            None => self.shared.tell(PeerEvent::Closed),
        }
    }

    async fn open(&self) -> Result<tokio::sync::MutexGuard<'_, Negotiation>, PeerError> {
        let negotiation = self.negotiation.lock().await;
        if self.shared.ended.is_cancelled() {
            return Err(PeerError::Closed);
        }
        Ok(negotiation)
    }

    /// What we answer an offer with. Only the codec to be used is registered with the library, so
    /// that the answer names exactly one and both sides send the same.
    fn answerable(&self, offered: &Description) -> Result<Media, PeerError> {
        let mut video = Vec::new();
        if self.settings.call_type == CallType::Video
            && let Some(section) = &offered.video
        {
            let has = |wanted: VideoCodec| section.codecs.iter().any(|(_, codec)| *codec == wanted);
            let preferred = self.settings.preferred_codec;
            video.push(if has(preferred) {
                preferred
            } else {
                preferred.other()
            });
        }
        let audio = offered.audio.is_some() && one_way::has_sound(&self.settings);
        if !audio && video.is_empty() {
            return Err(SdpError::NoCodec("video").into());
        }
        Ok(Media {
            audio,
            digits: offered.digits.is_some() && one_way::has_digits(&self.settings),
            video,
            begins_dtls: !offered.begins_dtls,
        })
    }

    async fn connect(&self, negotiation: &mut Negotiation, media: Media) -> Result<(), PeerError> {
        let handler = Arc::new(Handler {
            shared: Arc::clone(&self.shared),
        });
        let shared = Arc::clone(&self.shared);
        let key_frame_requested = Box::new(move || {
            bump(&shared.stats.plis_received);
            shared.key_frame_requested.notify_one();
        });
        let shared = Arc::clone(&self.shared);
        let starts_over = Box::new(move || shared.starts_over.notify_one());
        let connection = connection::connect(
            &self.settings,
            &media,
            handler,
            Calls {
                key_frame_requested,
                starts_over,
            },
            &self.shared.network,
            self.settings.dscp.then(|| self.shared.marking.clone()),
        )
        .await?;
        let ended = &self.shared.ended;
        if let Some(local) = connection.video.clone() {
            let sending = sending::video(local, self.video.clone(), Arc::clone(&self.shared));
            tokio::spawn(ended.clone().run_until_cancelled_owned(sending));
        }
        if let Some(local) = connection.audio.clone() {
            let sending = sending::audio(local, self.audio.clone(), Arc::clone(&self.shared));
            tokio::spawn(ended.clone().run_until_cancelled_owned(sending));
        }
        let watching = watch_path(Arc::clone(&connection.link), Arc::clone(&self.shared));
        tokio::spawn(ended.clone().run_until_cancelled_owned(watching));
        negotiation.closed = Some(self.close_at_the_end(&connection));
        negotiation.connection = Some(connection);
        Ok(())
    }

    /// The library's driver outlives its handle unless told to close, so one task always does.
    fn close_at_the_end(&self, connection: &Connection) -> watch::Receiver<bool> {
        let link = Arc::clone(&connection.link);
        let shared = Arc::clone(&self.shared);
        let (done, closed) = watch::channel(false);
        tokio::spawn(async move {
            shared.ended.cancelled().await;
            shared.receivers.lock().clear();
            if let Err(error) = link.close().await {
                tracing::debug!(%error, "the connection did not close cleanly");
            }
            shared.tell(PeerEvent::Closed);
            done.send_replace(true);
        });
        closed
    }

    async fn negotiated(&self, negotiation: &mut Negotiation, agreed: Description) {
        self.shared.stats.reached(|stages| &mut stages.negotiated);
        receiving::prepare(&self.shared, &agreed);
        let sound = agreed.audio.as_ref().and_then(|audio| audio.codecs.first());
        if let Some((payload_type, ())) = sound {
            self.shared.marking.set_audio(*payload_type, agreed.digits);
        }
        self.shared.negotiated.send_replace(agreed);
        negotiation.has_remote = true;
        let early = std::mem::take(&mut negotiation.early);
        negotiation.add(early).await;
    }
}

/// Gives the rate controller a sense of time, and asks for the round trip of connectivity checks
/// as long as no report has told one, as when nothing is sent. Never ends by itself.
async fn watch_path(link: Arc<dyn PeerConnection>, shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(PATH_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for n in 0_u32.. {
        ticks.tick().await;
        let now = Instant::now();
        let is_measured = {
            let mut network = shared.network.lock();
            network.tick(now);
            network.has_round_trip()
        };
        if !is_measured && n % CHECKS_EVERY == 0 && *shared.connected.borrow() {
            let report = link.get_stats(now, StatsSelector::None).await;
            let checked = report
                .candidate_pairs()
                .filter(|pair| pair.packets_received > 0)
                .map(|pair| pair.current_round_trip_time)
                .find(|seconds| *seconds > 0.0);
            if let Some(Ok(checked)) = checked.map(Duration::try_from_secs_f64) {
                shared.network.lock().checked(checked);
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}

impl Negotiation {
    fn link(&self) -> Result<&Arc<dyn PeerConnection>, PeerError> {
        self.connection
            .as_ref()
            .map(|connection| &connection.link)
            .ok_or(PeerError::NoOffer)
    }

    async fn add(&self, candidates: Vec<Candidate>) {
        let Ok(link) = self.link() else { return };
        for candidate in candidates {
            let init = RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: Some(candidate.sdp_mid),
                sdp_mline_index: Some(candidate.sdp_m_line_index),
                ..Default::default()
            };
            if let Err(error) = link.add_ice_candidate(init).await {
                tracing::warn!(%error, "a candidate of the far side is ignored");
            }
        }
    }
}

fn refused(operation: &'static str) -> impl FnOnce(webrtc::error::Error) -> PeerError {
    move |error| PeerError::Transport {
        operation,
        reason: error.to_string(),
    }
}

fn unusable(error: webrtc::error::Error) -> PeerError {
    PeerError::Sdp(SdpError::Refused(error.to_string()))
}
