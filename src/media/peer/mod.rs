//! One WebRTC connection of one call: what the fanouts give goes out, what comes in is decoded.
//!
//! Invariant: every method may be called from any task of any runtime, none blocks it, and no
//! input of the far side (SDP, candidates, packets) can take down more than its own peer.
//! Must not enter: signalling, ringing, who may call; more than one far side.

mod ancillary;
mod bundle;
mod channel;
mod connection;
mod content;
mod core;
mod datagrams;
mod decode;
mod far_side;
mod handshake;
mod identity;
mod key_frame_feedback;
mod marking;
mod measurement;
mod monitor;
mod nack;
mod numbering;
mod one_way;
mod outgoing;
mod places;
mod receiving;
mod relays;
mod sdp;
mod sending;
mod settings;
mod shared;
mod stage;
mod stats;
mod together;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use self::core::Core;
use super::fanout::{AudioFanout, VideoFanout};
use super::network;
use crate::protocol::call_signal::Candidate;
use crate::protocol::telephone_event::Digit;

pub use far_side::FarSide;
pub use one_way::{OneWay, Way};
pub use sdp::{SdpError, check as check_description};
pub use settings::{ChannelPolicy, IceServer, PeerError, PeerEvent, PeerSettings, TrackKind};
pub use stats::{Frame, PeerStats, StageTimes};

pub(super) use identity::prewarm as prewarm_identity;

/// What receive pipelines are told the payload type is, whatever was negotiated.
pub(super) const RECEIVE_PAYLOAD_TYPE: u8 = 96;

/// A cheap handle; clones are the same peer. The connection ends with [`Peer::close`] or with the
/// last handle.
#[derive(Clone)]
pub struct Peer {
    core: Arc<Core>,
    /// Where all of its tasks run.
    home: &'static Handle,
}

impl Peer {
    /// Makes a peer that has not connected to anything yet. The camera is opened at this moment,
    /// if it was not, so that it is ready when the call is answered.
    ///
    /// # Errors
    /// [`PeerError::Settings`] for ICE servers that cannot be used, [`PeerError::Media`] when
    /// media cannot be used on this machine.
    pub async fn new(
        settings: PeerSettings,
        video: VideoFanout,
        audio: AudioFanout,
        events: UnboundedSender<PeerEvent>,
    ) -> Result<Self, PeerError> {
        settings.check()?;
        Ok(Self {
            home: network::home().map_err(PeerError::Media)?,
            core: Arc::new(Core::new(settings, video, audio, events)),
        })
    }

    /// Offers audio, and video unless it is an audio call; of a one-way connection that receives,
    /// to receive only. Sets the local description, so that
    /// candidates begin to arrive as events.
    ///
    /// # Errors
    /// [`PeerError::Transport`] when no socket can be bound.
    pub async fn create_offer(&self) -> Result<String, PeerError> {
        let core = Arc::clone(&self.core);
        self.contained(
            "create_offer",
            async move { core.create_offer(false).await },
        )
        .await
    }

    /// The current local description with the candidates gathered so far, for the repeated
    /// `call` signal (wire reference C.3).
    pub async fn local_sdp(&self) -> Option<String> {
        let core = Arc::clone(&self.core);
        self.contained("local_sdp", async move { Ok(core.local_sdp().await) })
            .await
            .unwrap_or_default()
    }

    /// Takes an offer, first or repeated (an ICE restart), and answers it with the preferred
    /// video codec where it was offered, else the other; a one-way connection that sends takes an
    /// offer that only receives, and leaves out sound it does not have. Sets both descriptions.
    ///
    /// # Errors
    /// [`PeerError::Sdp`] names what is wrong with the offer.
    pub async fn accept_offer(&self, sdp: &str) -> Result<String, PeerError> {
        let core = Arc::clone(&self.core);
        let sdp = sdp.to_owned();
        self.contained("accept_offer", async move { core.accept_offer(&sdp).await })
            .await
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    /// [`PeerError::Sdp`] names what is wrong with it; [`PeerError::NoOffer`] when we made none.
    pub async fn set_answer(&self, sdp: &str) -> Result<(), PeerError> {
        let core = Arc::clone(&self.core);
        let sdp = sdp.to_owned();
        self.contained("set_answer", async move { core.set_answer(&sdp).await })
            .await
    }

    /// A new offer with fresh ICE credentials, for a connection that was lost.
    ///
    /// # Errors
    /// [`PeerError::NoOffer`] before the first negotiation.
    pub async fn restart_ice(&self) -> Result<String, PeerError> {
        let core = Arc::clone(&self.core);
        self.contained("restart_ice", async move { core.create_offer(true).await })
            .await
    }

    /// Candidates of the far side; kept when its description is not here yet. A bad one is
    /// logged and harms nothing.
    pub async fn add_candidates(&self, candidates: &[Candidate]) {
        tracing::debug!(?candidates, "candidates of the far side");
        let core = Arc::clone(&self.core);
        let candidates = candidates.to_vec();
        let added = self.contained("add_candidates", async move {
            core.add_candidates(candidates).await;
            Ok(())
        });
        if let Err(error) = added.await {
            tracing::warn!(%error, "candidates were not added");
        }
    }

    /// While muted nothing of this kind is sent to this peer; others still get it.
    pub fn set_muted(&self, kind: TrackKind, muted: bool) {
        self.core.shared().set_muted(kind, muted);
    }

    /// While not receiving, what comes of this kind is thrown away undecoded; the far side is not
    /// told. Pictures begin again with a key frame.
    pub fn set_receiving(&self, kind: TrackKind, receiving: bool) {
        self.core.shared().set_receiving(kind, receiving);
    }

    /// Changes the limit of the pictures sent to this peer, in kbit/s; `None` lifts it. The
    /// encoder, which is shared, obeys the lowest of all peers.
    pub fn set_max_bitrate(&self, kbps: Option<u32>) {
        self.core.shared().set_limit(kbps);
    }

    /// Presses keys of a telephone, one after the other; while one is held no sound is sent.
    ///
    /// # Errors
    /// [`PeerError::NoDigits`] when the far side does not take them, [`PeerError::TooManyDigits`]
    /// when more than 32 would wait; then none is sent.
    pub fn send_digits(&self, digits: &[Digit]) -> Result<(), PeerError> {
        self.core.send_digits(digits)
    }

    /// Says something on the data channel, if there is one. Nobody waits for it.
    pub fn say(&self, text: String) {
        self.core.shared().say(text);
    }

    /// How loud the far side is at this moment, in dBFS: −127 is silence.
    pub fn loudness(&self) -> i8 {
        self.core.shared().stats.loudness()
    }

    /// Counters and stage times up to now.
    pub fn stats(&self) -> PeerStats {
        self.core.stats()
    }

    /// Decoded pictures as JPEG: the first one and then one a second, the first and the last
    /// seven of them; none unless `keep_frames` was set.
    pub fn last_frames(&self) -> Vec<Frame> {
        self.core.shared().stats.frames()
    }

    /// Ends the connection; [`PeerEvent::Closed`] is the last event.
    pub async fn close(self) {
        let core = Arc::clone(&self.core);
        let closed = self.contained("close", async move {
            core.close().await;
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the peer did not close cleanly");
        }
    }

    /// Runs on the thread of this connection. A panic of the WebRTC library ends this peer and nothing
    /// else.
    async fn contained<T: Send + 'static>(
        &self,
        operation: &'static str,
        future: impl Future<Output = Result<T, PeerError>> + Send + 'static,
    ) -> Result<T, PeerError> {
        match self.home.spawn(future).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(operation, %error, "the WebRTC library panicked");
                self.core.shared().ended.cancel();
                Err(PeerError::Panicked { operation })
            }
        }
    }
}
