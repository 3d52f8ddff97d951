//! From the network to the decoders.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::shared::marshal::Marshal;
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::RECEIVE_PAYLOAD_TYPE;
use super::channel::Taken;
use super::decode::{Decoding, Format, Hooks, PacketHook, SoundHook};
use super::far_side::{AudioTap, FarSide, Received, VideoTap};
use super::places;
use super::sdp::Description;
use super::settings::{PeerEvent, PeerSettings, TrackKind};
use super::shared::Shared;
use super::stats::{Counters, Frame, bump};
use crate::media::VideoCodec;
use crate::media::rtp::digits::DigitReceiver;
use crate::media::sink::VideoSinkKind;
use crate::media::sound::Loudspeaker;

/// The far side limits key frames itself; this only spares it a flood.
const PLI_SPACING: Duration = Duration::from_millis(200);
/// Packets without a picture for this long mean that a key frame was missed.
const NO_FIRST_PICTURE: Duration = Duration::from_millis(300);
const PICTURE_STUCK: Duration = Duration::from_secs(1);

/// The receive pipelines, made as soon as the format is agreed, while ICE and DTLS still do
/// their work.
pub(super) struct Receivers {
    stats: Arc<Counters>,
    video_sink: VideoSinkKind,
    loudspeaker: Loudspeaker,
    keep_frames: bool,
    far_side: Option<FarSide>,
    video: Option<VideoReceiver>,
    audio: Option<Arc<Decoding>>,
}

#[derive(Clone)]
struct VideoReceiver {
    codec: VideoCodec,
    decoding: Arc<Decoding>,
    key_frame_wanted: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
}

impl Receivers {
    pub(super) fn new(settings: &PeerSettings) -> Self {
        Self {
            stats: Arc::new(Counters::new()),
            video_sink: settings.video_sink.clone(),
            loudspeaker: settings.loudspeaker.clone(),
            keep_frames: settings.keep_frames,
            far_side: settings.far_side.clone(),
            video: None,
            audio: None,
        }
    }

    pub(super) fn stats(&self) -> &Arc<Counters> {
        &self.stats
    }

    /// Ends the pipelines, each on its own thread.
    pub(super) fn clear(&mut self) {
        self.video = None;
        self.audio = None;
    }
}

/// Makes the receive pipelines for what was agreed.
pub(super) fn prepare(shared: &Arc<Shared>, agreed: &Description) {
    if let Some(section) = agreed
        .video
        .as_ref()
        .filter(|section| section.direction.receive)
        && let Some((_, codec)) = section.codecs.first()
    {
        video_receiver(shared, *codec);
    }
    if agreed
        .audio
        .as_ref()
        .is_some_and(|section| section.direction.receive)
    {
        audio_receiver(shared);
    }
}

fn video_receiver(shared: &Arc<Shared>, codec: VideoCodec) -> VideoReceiver {
    let mut receivers = shared.receivers.lock();
    if let Some(receiver) = &receivers.video
        && receiver.codec == codec
    {
        return receiver.clone();
    }
    let (want, wanted) = mpsc::channel(1);
    // Freed first: the pipeline of another format may have it.
    receivers.video = None;
    let far_side = receivers.far_side.as_ref();
    let tap = far_side.and_then(|far_side| VideoTap::attach(far_side, codec));
    let hooks = Hooks {
        decoded: Box::new({
            let shared = Arc::downgrade(shared);
            move |_, took| {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                shared.stats.frame_decoded(took);
                if shared.stats.reached(|stages| &mut stages.first_video_frame) {
                    shared.tell(PeerEvent::FirstVideoFrame {
                        after: shared.stats.since_negotiated(),
                    });
                }
            }
        }),
        passing: tap.map(|tap| {
            let want = want.clone();
            Box::new(move |packet: &gst::BufferRef| {
                if tap.pass(|| Received::read(packet), Instant::now()) {
                    let _ = want.try_send(());
                }
            }) as PacketHook
        }),
        key_frame_wanted: Box::new(move || {
            // One waiting request is as good as many.
            let _ = want.try_send(());
        }),
        heard: None,
        picture: receivers.keep_frames.then(|| {
            let stats = Arc::clone(&receivers.stats);
            Box::new(move |jpeg| {
                stats.keep(Frame {
                    jpeg,
                    at: stats.elapsed(),
                });
            }) as Box<dyn Fn(Bytes) + Send + Sync>
        }),
    };
    let receiver = VideoReceiver {
        codec,
        decoding: Decoding::start(Format::Video(codec, receivers.video_sink.clone()), hooks),
        key_frame_wanted: Arc::new(tokio::sync::Mutex::new(wanted)),
    };
    receivers.video = Some(receiver.clone());
    receiver
}

fn audio_receiver(shared: &Arc<Shared>) -> Arc<Decoding> {
    let mut receivers = shared.receivers.lock();
    if let Some(decoding) = &receivers.audio {
        return Arc::clone(decoding);
    }
    let tap = receivers.far_side.as_ref().and_then(AudioTap::attach);
    let hooks = Hooks {
        decoded: Box::new({
            let shared = Arc::downgrade(shared);
            move |duration: Duration, _| {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let micros = u64::try_from(duration.as_micros()).unwrap_or(0);
                shared
                    .stats
                    .audio_decoded_us
                    .fetch_add(micros, Ordering::Relaxed);
                if shared.stats.reached(|stages| &mut stages.first_audio) {
                    shared.tell(PeerEvent::FirstAudio {
                        after: shared.stats.since_negotiated(),
                    });
                }
            }
        }),
        passing: tap.map(|tap| {
            Box::new(move |packet: &gst::BufferRef| {
                tap.pass(|| Received::read(packet), Instant::now());
            }) as PacketHook
        }),
        key_frame_wanted: Box::new(|| {}),
        heard: Some({
            let stats = Arc::clone(&receivers.stats);
            Box::new(move |samples: &[i16]| stats.sound_heard(samples)) as SoundHook
        }),
        picture: None,
    };
    let decoding = Decoding::start(Format::Audio(receivers.loudspeaker.clone()), hooks);
    receivers.audio = Some(Arc::clone(&decoding));
    decoding
}

/// Feeds a remote video track to its decoder and asks for key frames where it needs them.
pub(super) async fn video(track: Arc<dyn TrackRemote>, shared: Arc<Shared>) {
    let mut receiver: Option<VideoReceiver> = None;
    let mut asked = KeyFrameRequests::default();
    let mut ssrc = 0;
    loop {
        let wanted = async {
            match &receiver {
                Some(receiver) => receiver.key_frame_wanted.lock().await.recv().await,
                None => std::future::pending().await,
            }
        };
        let damaged = tokio::select! {
            Some(()) = wanted => true,
            event = track.poll() => match event {
                None | Some(TrackRemoteEvent::OnEnded) => return,
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                    // Padding of a bandwidth probe: nothing to decode.
                    if packet.payload.is_empty() {
                        continue;
                    }
                    ssrc = packet.header.ssrc;
                    bump(&shared.stats.packets_received);
                    shared.stats.reached(|stages| &mut stages.first_video_packet);
                    let codec = codec_of(&shared, packet.header.payload_type);
                    if shared.is_deaf(TrackKind::Video) {
                        // The decoder asks for a key frame when it sees the gap.
                        asked = KeyFrameRequests::default();
                        shared.stats.pictures_interrupted();
                        continue;
                    }
                    if receiver.as_ref().map(|receiver| receiver.codec) != codec {
                        receiver = codec.map(|codec| video_receiver(&shared, codec));
                    }
                    if let Some(receiver) = &receiver {
                        push(&receiver.decoding, packet);
                    }
                    false
                }
                Some(_) => continue,
            },
        };
        let decoded = shared.stats.frames_decoded.load(Ordering::Relaxed);
        if asked.due(damaged, decoded, Instant::now()) {
            bump(&shared.stats.plis_sent);
            let request = PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc: ssrc,
            };
            if let Err(error) = track.write_rtcp(vec![Box::new(request)]).await {
                tracing::debug!(%error, "a key-frame request was not sent");
            }
        }
    }
}

/// Feeds a remote audio track to its decoder, and tells of the telephone keys among it.
pub(super) async fn audio(track: Arc<dyn TrackRemote>, shared: Arc<Shared>) {
    let decoding = audio_receiver(&shared);
    let mut keys = DigitReceiver::default();
    // No telephone presses more; what makes more up is not told on.
    let mut told = Taken::default();
    while let Some(event) = track.poll().await {
        match event {
            TrackRemoteEvent::OnRtpPacket(mut packet) if !packet.payload.is_empty() => {
                bump(&shared.stats.packets_received);
                let is_deaf = shared.is_deaf(TrackKind::Audio);
                let header = &packet.header;
                if shared.negotiated.borrow().digits == Some(header.payload_type) {
                    let key = keys.take(header.timestamp, header.marker, &packet.payload);
                    if let Some(key) = key.filter(|_| !is_deaf)
                        && told.has_room(Instant::now())
                    {
                        shared.tell(PeerEvent::Digit(key));
                    }
                    places::keep_place(&mut packet);
                }
                if !is_deaf {
                    push(&decoding, packet);
                }
            }
            TrackRemoteEvent::OnEnded => return,
            _ => {}
        }
    }
}

fn codec_of(shared: &Shared, payload_type: u8) -> Option<VideoCodec> {
    let negotiated = shared.negotiated.borrow();
    let section = negotiated.video.as_ref()?;
    section
        .codecs
        .iter()
        .find(|(number, _)| *number == payload_type)
        .map(|(_, codec)| *codec)
}

fn push(decoding: &Decoding, mut packet: rtp::Packet) {
    packet.header.payload_type = RECEIVE_PAYLOAD_TYPE;
    // Negotiated extensions are for the transport and mean nothing to the decoder.
    packet.header.extension = false;
    packet.header.extensions.clear();
    match packet.marshal() {
        Ok(bytes) => decoding.push(bytes.freeze()),
        Err(error) => tracing::debug!(%error, "a received packet cannot be written"),
    }
}

/// When to ask the far side for a key frame.
#[derive(Debug, Default)]
struct KeyFrameRequests {
    last_request: Option<Instant>,
    last_decoded: u64,
    last_progress: Option<Instant>,
}

impl KeyFrameRequests {
    /// `damaged`: the depayloader says it needs one. Besides, packets without pictures mean that
    /// the answer to an earlier request was lost.
    fn due(&mut self, damaged: bool, decoded: u64, now: Instant) -> bool {
        let progress = *self.last_progress.get_or_insert(now);
        if decoded != self.last_decoded {
            self.last_decoded = decoded;
            self.last_progress = Some(now);
        }
        let patience = if decoded == 0 {
            NO_FIRST_PICTURE
        } else {
            PICTURE_STUCK
        };
        let waited = self
            .last_request
            .map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        let stuck = now.saturating_duration_since(progress.max(self.last_progress.unwrap_or(now)))
            >= patience;
        let due = (damaged && waited >= PLI_SPACING) || (stuck && waited >= patience);
        if due {
            self.last_request = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn damage_is_reported_at_once_but_not_in_a_flood() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        assert!(requests.due(true, 5, start));
        assert!(!requests.due(true, 5, start + 50 * MS));
        assert!(requests.due(true, 5, start + 250 * MS));
    }

    #[test]
    fn packets_without_any_picture_are_reported() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        let asked = (0..100)
            .filter(|n| requests.due(false, 0, start + 10 * MS * *n))
            .count();
        assert_eq!(asked, 3, "in the first second");
    }

    #[test]
    fn a_flowing_picture_is_left_alone() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        assert!((0..300).all(|n| !requests.due(false, u64::from(n) + 1, start + 33 * MS * n)));
    }
}
