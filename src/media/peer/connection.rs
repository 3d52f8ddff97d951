//! A connection of the WebRTC library, set up around the defects of the pinned version.
//!
//! docs/design/webrtc.md says for each setting which defect it answers and what was measured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc_receiver_only,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_TELEPHONE_EVENT, MIME_TYPE_VP8,
    MediaEngine,
};
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::shared::ifaces::ifaces;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceTransportPolicy, SettingEngineBuilder,
};
use webrtc::runtime::TokioRuntime;

use super::datagrams::MediaRuntime;
use super::key_frame_feedback::{self, KeyFrameFeedback};
use super::marking::Marking;
use super::measurement::Network;
use super::monitor::{self, Monitor};
use super::nack::{self, NackRequests};
use super::numbering::{self, Numbering};
use super::one_way;
use super::outgoing::{self, Outgoing};
use super::settings::{PeerError, PeerSettings};
use super::stage::Passing;
use super::together::{self, Ahead, Together};
use super::{identity, relays};
use crate::media::VideoCodec;
use crate::media::rtp::digits;
use crate::media::turn::Shim;

/// How often unanswered connectivity checks are repeated, and pairs considered for nomination.
/// The library's 200 ms alone cost up to 400 ms of every start.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// Checks per pair before it is given up: 5 s, as the far side may still be getting ready.
const CHECKS: u16 = 500;
/// A direct path is worth a moment's wait, a relay the longer one.
const REFLEXIVE_WAIT: Duration = Duration::from_millis(100);
const RELAY_WAIT: Duration = Duration::from_millis(400);

/// A connection with the tracks it sends.
pub(super) struct Connection {
    pub(super) link: Arc<dyn PeerConnection>,
    pub(super) audio: Option<LocalTrack>,
    pub(super) video: Option<LocalTrack>,
    /// To TURN servers that are not reached over UDP.
    _shims: Vec<Shim>,
}

/// A track of ours.
#[derive(Clone)]
pub(super) struct LocalTrack {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    /// Where a picture waits for its last packet.
    pub(super) ahead: Ahead,
}

/// Which kinds the connection carries; the codecs in order of preference.
pub(super) struct Media {
    pub(super) audio: bool,
    /// Whether telephone keys go with the sound.
    pub(super) digits: bool,
    pub(super) video: Vec<VideoCodec>,
    /// Whether DTLS begins here. It should, wherever the far side leaves us the choice: a browser
    /// keeps a first flight that comes before it is ready, while the library drops one, to be
    /// repeated 50 ms later. The role is for life, since a browser that re-offers refuses to have
    /// it swapped; our answers to such offers must state the same.
    pub(super) begins_dtls: bool,
}

/// What the connection calls, on the task that drives it: they must not wait.
pub(super) struct Calls {
    /// The far side asked for a key frame.
    pub(super) key_frame_requested: Box<dyn Fn() + Send + Sync>,
    /// What waited to be sent was thrown away, and a key frame is needed in its place.
    pub(super) starts_over: Box<dyn Fn() + Send + Sync>,
}

pub(super) async fn connect(
    settings: &PeerSettings,
    media: &Media,
    handler: Arc<dyn PeerConnectionEventHandler>,
    calls: Calls,
    network: &Arc<Mutex<Network>>,
    marking: Option<Marking>,
) -> Result<Connection, PeerError> {
    let failed = |reason: String| PeerError::Transport {
        operation: "setting up the connection",
        reason,
    };
    let certificate = identity::certificate().map_err(failed)?;
    let ahead = Ahead::default();
    let (engine, registry) =
        media_engine(media, calls, network, &ahead).map_err(|error| failed(error.to_string()))?;
    let (servers, shims) = relays::reachable(settings).await.map_err(failed)?;
    let mut configuration = RTCConfigurationBuilder::new()
        .with_certificates(vec![certificate])
        .with_ice_servers(servers);
    if settings.relay_only {
        configuration = configuration.with_ice_transport_policy(RTCIceTransportPolicy::Relay);
    }
    let link = PeerConnectionBuilder::new()
        .with_configuration(configuration.build())
        .with_media_engine(engine)
        .with_setting_engine(setting_engine(settings, media.begins_dtls).build())
        .with_interceptor_registry(registry)
        .with_handler(handler)
        .with_runtime(Arc::new(MediaRuntime {
            library: TokioRuntime,
            marking,
        }))
        .with_udp_addrs(addresses(settings))
        .build()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let link: Arc<dyn PeerConnection> = Arc::new(link);

    if !one_way::sends(settings) {
        one_way::receive_only(&link, media, |codec| video_codec(*codec))
            .await
            .map_err(|error| failed(error.to_string()))?;
        return Ok(Connection {
            link,
            audio: None,
            video: None,
            _shims: shims,
        });
    }
    let mut audio = None;
    if media.audio {
        let track = local_track(RtpCodecKind::Audio, &opus(), Ahead::default());
        link.add_track(Arc::clone(&track.track) as Arc<_>)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if media.digits {
            let codecs = vec![opus(), telephone_event()];
            offer_every_codec(&link, RtpCodecKind::Audio, codecs)
                .await
                .map_err(|error| failed(error.to_string()))?;
        }
        audio = Some(track);
    }
    let mut video = None;
    if let Some(codec) = media.video.first() {
        let track = local_track(RtpCodecKind::Video, &video_codec(*codec), ahead);
        link.add_track(Arc::clone(&track.track) as Arc<_>)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let codecs = media
            .video
            .iter()
            .map(|codec| video_codec(*codec))
            .collect();
        offer_every_codec(&link, RtpCodecKind::Video, codecs)
            .await
            .map_err(|error| failed(error.to_string()))?;
        video = Some(track);
    }
    Ok(Connection {
        link,
        audio,
        video,
        _shims: shims,
    })
}

/// A track binds its transceiver to the track's own codec; this opens it to all of them again.
async fn offer_every_codec(
    link: &Arc<dyn PeerConnection>,
    kind: RtpCodecKind,
    codecs: Vec<RTCRtpCodecParameters>,
) -> Result<(), webrtc::error::Error> {
    for transceiver in link.get_transceivers().await {
        let Some(sender) = transceiver.sender().await? else {
            continue;
        };
        if sender.track().kind().await == kind {
            transceiver.set_codec_preferences(codecs.clone()).await?;
        }
    }
    Ok(())
}

fn setting_engine(settings: &PeerSettings, begins_dtls: bool) -> SettingEngineBuilder {
    let answers_as = if begins_dtls {
        RTCDtlsRole::Client
    } else {
        RTCDtlsRole::Server
    };
    let relay_wait = if settings.relay_only {
        Duration::ZERO
    } else {
        RELAY_WAIT
    };
    SettingEngineBuilder::new()
        // Binding the multicast socket fails with ENODEV where there is no multicast route, as on
        // a device that boots offline. Far sides that hide behind mDNS names are found as
        // peer-reflexive candidates.
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        .with_include_loopback_candidate(true)
        // New sockets on the addresses of that moment. The library cannot go on when one of them
        // cannot be bound, so configured addresses, which may be gone for a while, are kept.
        .with_discard_local_candidates_during_ice_restart(settings.bind.is_empty())
        .with_answering_dtls_role(answers_as)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        // A check often arrives before the candidate it comes from has been signalled; such a
        // pair is as good as a host pair and must not wait the library's one second.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
        .with_relay_acceptance_min_wait(Some(relay_wait))
}

/// Port 0 of every address to gather on. Wildcards stand for every interface of a family and are
/// looked up again at each ICE restart, so that a call survives a change of network; but where a
/// family has no address, its wildcard would become a candidate nobody can reach.
pub(super) fn addresses(settings: &PeerSettings) -> Vec<SocketAddr> {
    let port_0 = |address: IpAddr| SocketAddr::new(address, 0);
    if !settings.bind.is_empty() {
        return settings.bind.iter().copied().map(port_0).collect();
    }
    let local: Vec<_> = ifaces()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|interface| interface.addr)
        .map(|address| address.ip())
        .collect();
    let ipv4 = local.iter().any(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(_) => false,
    });
    let ipv6 = local.iter().any(|address| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    });
    let mut addresses = Vec::new();
    if ipv4 {
        addresses.push(port_0(Ipv4Addr::UNSPECIFIED.into()));
    }
    if ipv6 {
        addresses.push(port_0(Ipv6Addr::UNSPECIFIED.into()));
    }
    if addresses.is_empty() {
        addresses.push(port_0(Ipv4Addr::LOCALHOST.into()));
    }
    addresses
}

fn media_engine(
    media: &Media,
    calls: Calls,
    network: &Arc<Mutex<Network>>,
    ahead: &Ahead,
) -> Result<(MediaEngine, Registry), rtc::shared::error::Error> {
    let mut engine = MediaEngine::default();
    if media.audio {
        engine.register_codec(opus(), RtpCodecKind::Audio)?;
        if media.digits {
            engine.register_codec(telephone_event(), RtpCodecKind::Audio)?;
        }
    }
    for codec in &media.video {
        let parameters = video_codec(*codec);
        let retransmission = retransmission(parameters.payload_type);
        engine.register_codec(parameters, RtpCodecKind::Video)?;
        engine.register_codec(retransmission, RtpCodecKind::Video)?;
    }
    for parameter in ["", "pli"] {
        engine.register_feedback(feedback("nack", parameter), RtpCodecKind::Video);
    }
    let registry = Registry::new().with(
        nack::slot(),
        Passing::new(NackRequests::new(Arc::clone(network))),
    );
    configure_simulcast_extension_headers(&mut engine)?;
    let registry = configure_twcc_receiver_only(registry, &mut engine)?
        .with(numbering::slot(), Numbering::new());
    let registry = configure_rtcp_reports(registry)
        .with(
            key_frame_feedback::slot(),
            Passing::new(KeyFrameFeedback::new(calls.key_frame_requested)),
        )
        .with(
            outgoing::slot(),
            Passing::new(Outgoing::new(Arc::clone(network), calls.starts_over)),
        )
        .with(
            monitor::slot(),
            Passing::new(Monitor::new(Arc::clone(network))),
        )
        .with(together::slot(), Passing::new(Together(ahead.clone())));
    Ok((engine, registry))
}

fn feedback(kind: &str, parameter: &str) -> RTCPFeedback {
    RTCPFeedback {
        typ: kind.to_owned(),
        parameter: parameter.to_owned(),
    }
}

fn opus() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            // RFC 7587 §7: always signalled as two, whatever is sent.
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: 111,
    }
}

/// The keys of a telephone, RFC 4733 §7.1.1.
fn telephone_event() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_TELEPHONE_EVENT.to_owned(),
            clock_rate: digits::CLOCK_RATE,
            channels: 0,
            sdp_fmtp_line: "0-15".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: 110,
    }
}

fn video_codec(codec: VideoCodec) -> RTCRtpCodecParameters {
    let (mime, fmtp, payload_type) = match codec {
        VideoCodec::H264 => (
            MIME_TYPE_H264,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            102,
        ),
        VideoCodec::Vp8 => (MIME_TYPE_VP8, "", 96),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: vec![feedback("ccm", "fir"), feedback("goog-remb", "")],
        },
        payload_type,
    }
}

/// RFC 4588 §8.1.
fn retransmission(of: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={of}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type: of + 1,
    }
}

fn local_track(kind: RtpCodecKind, codec: &RTCRtpCodecParameters, ahead: Ahead) -> LocalTrack {
    let ssrc = rand::random();
    let name = match kind {
        RtpCodecKind::Audio => "audio",
        _ => "video",
    };
    let track = MediaStreamTrack::new(
        "cubelet".to_owned(),
        // The library looks tracks up by id alone, and the far side's may be a device like us.
        format!("{name}-{ssrc:08x}"),
        name.to_owned(),
        kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                // Retransmissions under a number of their own: among the rest they would hide
                // from the far side's reports what the network lost.
                rtx: (kind == RtpCodecKind::Video).then(|| RTCRtpRtxParameters {
                    ssrc: rand::random(),
                }),
                ..Default::default()
            },
            codec: codec.rtp_codec.clone(),
            ..Default::default()
        }],
    );
    LocalTrack {
        track: Arc::new(TrackLocalStaticRTP::new(track)),
        ssrc,
        ahead,
    }
}
