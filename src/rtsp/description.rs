//! The session description (RFC 4566) of the camera, and of the microphone where it is shared.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The payload types, as good as any of the dynamic ones (RFC 3551 §6).
pub(super) const VIDEO_TYPE: u8 = 96;
pub(super) const AUDIO_TYPE: u8 = 97;

/// H264's parameter sets. Players that are given them need not wait for a key frame to know the size.
pub(super) struct ParameterSets {
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
}

/// `host` is the server's address as the viewer wrote it.
pub(super) fn write(host: &str, session: u64, sets: &ParameterSets, has_audio: bool) -> String {
    let family = if host.contains(':') { "IP6" } else { "IP4" };
    let host = host.trim_matches(['[', ']']);
    // Profile and level (RFC 6184 §8.1).
    let profile = sets.sps.get(1..4).map(hex::encode).unwrap_or_default();
    let sps = BASE64_STANDARD.encode(&sets.sps);
    let pps = BASE64_STANDARD.encode(&sets.pps);
    let mut text = format!(
        "v=0\r\no=- {session} 1 IN {family} {host}\r\ns=cubelet\r\nc=IN {family} {host}\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP {VIDEO_TYPE}\r\na=rtpmap:{VIDEO_TYPE} H264/90000\r\n\
         a=fmtp:{VIDEO_TYPE} packetization-mode=1;profile-level-id={profile};\
         sprop-parameter-sets={sps},{pps}\r\na=control:track=video\r\n"
    );
    if has_audio {
        // RFC 7587 §7: always 48000/2, whatever is in it.
        text.push_str(&format!(
            "m=audio 0 RTP/AVP {AUDIO_TYPE}\r\na=rtpmap:{AUDIO_TYPE} opus/48000/2\r\n\
             a=control:track=audio\r\n"
        ));
    }
    text
}
