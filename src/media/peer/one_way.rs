//! Connections that carry media one way only: the picture before the answer, a preview for a
//! browser.

use std::sync::Arc;

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::peer_connection::PeerConnection;

use super::connection::Media;
use super::sdp::{Description, SdpError};
use super::settings::PeerSettings;
use crate::media::VideoCodec;

/// Which way media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ours goes out, to an offer that only receives. Nothing that comes in is looked at.
    Out,
    /// Theirs comes in, to an offer of ours that only receives. The camera stays closed.
    In,
}

/// A connection of one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneWay {
    /// Which.
    pub way: Way,
    /// Whether it has sound beside the pictures.
    pub sound: bool,
}

/// Whether what comes in is of interest.
pub(super) fn receives(settings: &PeerSettings) -> bool {
    settings.one_way.is_none_or(|one| one.way == Way::In)
}

/// Whether anything is sent.
pub(super) fn sends(settings: &PeerSettings) -> bool {
    settings.one_way.is_none_or(|one| one.way == Way::Out)
}

/// Whether sound belongs to the connection.
pub(super) fn has_sound(settings: &PeerSettings) -> bool {
    settings.one_way.is_none_or(|one| one.sound)
}

/// Whether telephone keys belong to the sound: of a call, in which both sides talk.
pub(super) fn has_digits(settings: &PeerSettings) -> bool {
    settings.one_way.is_none()
}

/// Refuses an offer that wants another way than these settings, or that has no pictures.
pub(super) fn check(settings: &PeerSettings, offered: &Description) -> Result<(), SdpError> {
    let Some(OneWay { way: Way::Out, .. }) = settings.one_way else {
        return Ok(());
    };
    let video = offered.video.as_ref();
    if !video.is_some_and(|section| section.direction.receive) {
        return Err(SdpError::Missing("video section that receives"));
    }
    let audio = offered.audio.as_ref().map(|section| section.direction);
    let sends = video
        .map(|section| section.direction)
        .into_iter()
        .chain(audio);
    if sends.into_iter().any(|direction| direction.send) {
        return Err(SdpError::NotReceiveOnly);
    }
    Ok(())
}

/// Prepares the sections of an offer that only receives, with the codecs in this order.
pub(super) async fn receive_only(
    link: &Arc<dyn PeerConnection>,
    media: &Media,
    parameters: impl Fn(&VideoCodec) -> rtc::rtp_transceiver::rtp_sender::RTCRtpCodecParameters,
) -> Result<(), webrtc::error::Error> {
    if media.audio {
        link.add_transceiver_from_kind(RtpCodecKind::Audio, None)
            .await?;
    }
    if !media.video.is_empty() {
        let video = link
            .add_transceiver_from_kind(RtpCodecKind::Video, None)
            .await?;
        let codecs = media.video.iter().map(parameters).collect();
        video.set_codec_preferences(codecs).await?;
    }
    Ok(())
}
