//! What a peer is told, what it tells, and how it fails.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::far_side::FarSide;
use super::one_way::OneWay;
use super::sdp::SdpError;
use crate::media::rtp::digits::TooMany;
use crate::media::sink::VideoSinkKind;
use crate::media::sound::Loudspeaker;
use crate::media::{MediaError, VideoCodec};
use crate::protocol::call_signal::{CallType, Candidate};
use crate::protocol::telephone_event::Digit;

/// A STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:…`, `turn:…`, `turn:…?transport=tcp`, `turns:…` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN; empty for STUN.
    pub username: String,
    /// For TURN; empty for STUN.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// How one peer is set up.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// An audio call never has pictures in either direction.
    pub call_type: CallType,
    /// Offered first, and answered with where offered.
    pub preferred_codec: VideoCodec,
    /// May be empty on a LAN.
    pub ice_servers: Vec<IceServer>,
    /// A site's own certificate authority for `turns:` servers, besides the public ones.
    pub ca: Option<PathBuf>,
    /// Use nothing but TURN relays.
    pub relay_only: bool,
    /// Mark sound and pictures for the network (DSCP, RFC 8837).
    pub dscp: bool,
    /// Addresses to gather candidates on. Empty: every interface but loopback and link-local;
    /// loopback where there is no other.
    pub bind: Vec<IpAddr>,
    /// The far side's limit; the encoder, which is shared, obeys the lowest of all peers.
    pub max_bitrate_kbps: Option<u32>,
    /// What pictures are sent with where the network allows, kbit/s: the camera's own.
    pub full_bitrate_kbps: u32,
    /// Pictures are not reduced below it for this peer, kbit/s, however bad its network.
    pub min_bitrate_kbps: u32,
    /// What pictures begin with, within the bounds above, before anything is known of the network,
    /// kbit/s.
    pub start_bitrate_kbps: u32,
    /// Where pictures go.
    pub video_sink: VideoSinkKind,
    /// Where sound is heard, among others.
    pub loudspeaker: Loudspeaker,
    /// Keep some decoded pictures, see `Peer::last_frames`.
    pub keep_frames: bool,
    /// Where what is received can be had as it was encoded; nowhere without.
    pub far_side: Option<FarSide>,
    /// Media goes one way only; both ways without.
    pub one_way: Option<OneWay>,
    /// Whether a data channel for orders is taken, and offered.
    pub channel: ChannelPolicy,
}

/// What is done about a data channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelPolicy {
    /// One that is opened is closed again.
    Off,
    /// One that is opened is served; our offers have none, and are what they would be without.
    #[default]
    Answer,
    /// Our first offer has one as well.
    Offer,
}

impl PeerSettings {
    /// A LAN call to every interface, decoding without showing.
    pub fn new(call_type: CallType) -> Self {
        Self {
            call_type,
            preferred_codec: VideoCodec::H264,
            ice_servers: Vec::new(),
            ca: None,
            relay_only: false,
            dscp: true,
            bind: Vec::new(),
            max_bitrate_kbps: None,
            full_bitrate_kbps: 1_200,
            min_bitrate_kbps: 150,
            // Good enough at once; a slow network is noticed within half a second.
            start_bitrate_kbps: 1_000,
            video_sink: VideoSinkKind::Null,
            loudspeaker: Loudspeaker::new(),
            keep_frames: false,
            far_side: None,
            one_way: None,
            channel: ChannelPolicy::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), PeerError> {
        for url in self.ice_servers.iter().flat_map(|server| &server.urls) {
            let known = ["stun:", "stuns:", "turn:", "turns:"];
            if !known.iter().any(|scheme| url.starts_with(scheme)) {
                return Err(PeerError::Settings(format!(
                    "the ICE server {url:?} is neither stun: nor turn:"
                )));
            }
        }
        Ok(())
    }
}

/// One of the two kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// What a peer tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// To be signalled to the far side.
    LocalCandidate(Candidate),
    /// Media can flow (ICE and DTLS are done), for the first time or again.
    Connected,
    /// Nothing has come from the far side for 5 s; it may come back by itself.
    Disconnected,
    /// It will not come back without an ICE restart.
    Failed {
        /// For the log.
        reason: String,
    },
    /// The first picture was decoded.
    FirstVideoFrame {
        /// Since the answer was made or taken.
        after: Duration,
    },
    /// The first sound was decoded.
    FirstAudio {
        /// Since the answer was made or taken.
        after: Duration,
    },
    /// The far side has pressed a key of its telephone.
    Digit(Digit),
    /// The data channel for orders is open.
    ChannelOpen,
    /// The far side has written on it, up to 4,096 bytes.
    ChannelText(String),
    /// The end; nothing follows.
    Closed,
}

/// Why an operation on a peer failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PeerError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(String),
    /// Media cannot be used on this machine.
    #[error(transparent)]
    Media(MediaError),
    /// The far side's description cannot be used.
    #[error("the far side's SDP cannot be used: {0}")]
    Sdp(#[from] SdpError),
    /// There is no offer of ours to answer, or nothing to restart.
    #[error("there is no negotiation this belongs to")]
    NoOffer,
    /// The far side has no ear for telephone keys.
    #[error("the far side takes no digits (telephone-event/48000 was not agreed)")]
    NoDigits,
    /// More digits than may wait.
    #[error(transparent)]
    TooManyDigits(#[from] TooMany),
    /// The peer was closed.
    #[error("the peer is closed")]
    Closed,
    /// The WebRTC library refused.
    #[error("{operation} failed: {reason}")]
    Transport {
        /// Which step.
        operation: &'static str,
        /// What the library said.
        reason: String,
    },
    /// The WebRTC library panicked; this peer is of no more use.
    #[error("{operation} failed inside the WebRTC library")]
    Panicked {
        /// Which step.
        operation: &'static str,
    },
}
