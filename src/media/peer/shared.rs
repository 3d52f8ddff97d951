//! What a peer's tasks, threads and callbacks have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceConnectionState, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState,
};

use super::channel;
use super::marking::Marking;
use super::measurement::Network;
use super::receiving::{self, Receivers};
use super::sdp::Description;
use super::settings::{ChannelPolicy, PeerEvent, PeerSettings, TrackKind};
use super::stats::Counters;
use crate::media::rate::{self, Bounds};
use crate::media::rtp::digits::DigitSender;
use crate::protocol::call_signal::Candidate;

pub(super) struct Shared {
    pub(super) stats: Arc<Counters>,
    events: UnboundedSender<PeerEvent>,
    /// Whether media can flow.
    pub(super) connected: watch::Sender<bool>,
    /// What was agreed, from our view; empty until then.
    pub(super) negotiated: watch::Sender<Description>,
    /// The far side asked for a key frame.
    pub(super) key_frame_requested: Notify,
    /// What waited for the network was thrown away.
    pub(super) starts_over: Notify,
    pub(super) video_muted: watch::Sender<bool>,
    pub(super) audio_muted: AtomicBool,
    /// Telephone keys on their way to the far side.
    pub(super) keys: Mutex<DigitSender>,
    /// There are more of them.
    pub(super) key_waits: Notify,
    /// What comes in is thrown away: indexed like [`TrackKind`].
    deaf: [AtomicBool; 2],
    /// Kilobits per second of pictures the far side takes.
    limit: watch::Sender<Option<u32>>,
    /// Kilobits per second of pictures nobody here gets more of.
    ceiling: Mutex<Option<u32>>,
    /// Kilobits per second of pictures: where the network allows, and at the least.
    range_kbps: (u32, u32),
    /// What is measured of the packets.
    pub(super) network: Arc<Mutex<Network>>,
    pub(super) receivers: Mutex<Receivers>,
    /// How what is sent is marked.
    pub(super) marking: Marking,
    /// Whether what comes in is of any interest.
    hears: bool,
    /// Whether a data channel is served.
    has_channel: bool,
    /// To the newest one.
    channel: Mutex<Option<Sender<String>>>,
    /// Ends everything.
    pub(super) ended: CancellationToken,
}

impl Shared {
    pub(super) fn new(
        events: UnboundedSender<PeerEvent>,
        receivers: Receivers,
        settings: &PeerSettings,
        hears: bool,
    ) -> Self {
        let range_kbps = (settings.full_bitrate_kbps, settings.min_bitrate_kbps);
        let bounds = bounds(range_kbps, settings.max_bitrate_kbps);
        let start = rate::path_needed(settings.start_bitrate_kbps);
        Self {
            stats: Arc::clone(receivers.stats()),
            events,
            connected: watch::Sender::new(false),
            negotiated: watch::Sender::default(),
            key_frame_requested: Notify::new(),
            starts_over: Notify::new(),
            video_muted: watch::Sender::new(false),
            audio_muted: AtomicBool::new(false),
            keys: Mutex::default(),
            key_waits: Notify::new(),
            deaf: Default::default(),
            limit: watch::Sender::new(settings.max_bitrate_kbps),
            ceiling: Mutex::default(),
            range_kbps,
            network: Arc::new(Mutex::new(Network::new(bounds, start))),
            receivers: Mutex::new(receivers),
            marking: Marking::default(),
            hears,
            has_channel: settings.channel != ChannelPolicy::Off,
            channel: Mutex::default(),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn tell(&self, event: PeerEvent) {
        // An owner that no longer listens is about to drop the peer.
        let _ = self.events.send(event);
    }

    /// Serves a data channel beside everything else, until the end.
    pub(super) fn serve_channel(self: &Arc<Self>, channel: Arc<dyn DataChannel>) {
        let serving = channel::serve(channel, Arc::clone(self));
        tokio::spawn(self.ended.clone().run_until_cancelled_owned(serving));
    }

    pub(super) fn set_channel(&self, says: Sender<String>) {
        *self.channel.lock() = Some(says);
    }

    pub(super) fn say(&self, text: String) {
        let channel = self.channel.lock().clone();
        if channel.is_none_or(|channel| channel.try_send(text).is_err()) {
            tracing::info!("what was to be said on the data channel is lost");
        }
    }

    pub(super) fn set_muted(&self, kind: TrackKind, muted: bool) {
        match kind {
            TrackKind::Audio => self.audio_muted.store(muted, Ordering::Relaxed),
            TrackKind::Video => {
                self.video_muted.send_replace(muted);
            }
        }
    }

    pub(super) fn set_limit(&self, kbps: Option<u32>) {
        self.limit.send_replace(kbps);
        self.rebound();
    }

    /// Lowers what the network is tried for, so that it is known what it carries when the ceiling
    /// is lifted.
    pub(super) fn set_ceiling(&self, kbps: Option<u32>) {
        *self.ceiling.lock() = kbps;
        self.rebound();
    }

    fn rebound(&self) {
        let limits = [*self.limit.borrow(), *self.ceiling.lock()];
        let most = limits.into_iter().flatten().min();
        self.network
            .lock()
            .set_bounds(bounds(self.range_kbps, most));
    }

    /// Kilobits per second of pictures this peer takes now: of what it wants and what its network
    /// carries the less.
    pub(super) fn picture_kbps(&self) -> u32 {
        let carried = rate::video_share(*self.network.lock().target().borrow());
        self.limit
            .borrow()
            .map_or(carried, |limit| limit.min(carried))
    }

    /// Waits until [`Shared::picture_kbps`] may have changed.
    pub(super) async fn picture_kbps_changed(
        &self,
        target: &mut watch::Receiver<u32>,
        limit: &mut watch::Receiver<Option<u32>>,
    ) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = target.changed() => changed,
            changed = limit.changed() => changed,
        }
    }

    pub(super) fn limit(&self) -> watch::Receiver<Option<u32>> {
        self.limit.subscribe()
    }

    pub(super) fn set_receiving(&self, kind: TrackKind, receiving: bool) {
        self.deaf[kind as usize].store(!receiving, Ordering::Relaxed);
    }

    pub(super) fn is_deaf(&self, kind: TrackKind) -> bool {
        self.deaf[kind as usize].load(Ordering::Relaxed)
    }
}

/// What the whole path may carry, for pictures within the range and below the limit.
fn bounds((full, least): (u32, u32), limit: Option<u32>) -> Bounds {
    Bounds {
        min_kbps: rate::path_needed(least),
        max_kbps: rate::path_needed(limit.map_or(full, |limit| limit.min(full))),
    }
}

/// Callbacks of the WebRTC library. They run on the task that drives the connection, so they only
/// hand over and never wait.
pub(super) struct Handler {
    pub(super) shared: Arc<Shared>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        match event.candidate.to_json() {
            // The end of candidates is never signalled (wire reference C.1).
            Ok(candidate) if candidate.candidate.is_empty() => {}
            Ok(candidate) => self.shared.tell(PeerEvent::LocalCandidate(Candidate {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid.unwrap_or_else(|| "0".to_owned()),
                sdp_m_line_index: candidate.sdp_mline_index.unwrap_or(0),
            })),
            Err(error) => tracing::warn!(%error, "a local candidate cannot be written"),
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        tracing::debug!(%state, "ICE");
        if state == RTCIceConnectionState::Connected {
            self.shared.stats.reached(|stages| &mut stages.ice);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "peer connection");
        match state {
            RTCPeerConnectionState::Connected => {
                self.shared.stats.reached(|stages| &mut stages.connected);
                self.shared.connected.send_replace(true);
                self.shared.tell(PeerEvent::Connected);
            }
            RTCPeerConnectionState::Disconnected => self.shared.tell(PeerEvent::Disconnected),
            RTCPeerConnectionState::Failed => self.shared.tell(PeerEvent::Failed {
                reason: "no path to the far side works, or DTLS failed".to_owned(),
            }),
            _ => {}
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        if self.shared.has_channel {
            self.shared.serve_channel(channel);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        if !self.shared.hears {
            return;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let ended = shared.ended.clone();
            match track.kind().await {
                RtpCodecKind::Video => {
                    ended
                        .run_until_cancelled(receiving::video(track, shared))
                        .await;
                }
                RtpCodecKind::Audio => {
                    ended
                        .run_until_cancelled(receiving::audio(track, shared))
                        .await;
                }
                _ => {}
            }
        });
    }
}
