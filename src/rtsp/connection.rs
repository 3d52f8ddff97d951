//! One viewer's connection, from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::description::{AUDIO_TYPE, ParameterSets, VIDEO_TYPE};
use super::packets::{Beginnings, Track};
use super::requests::{self, RequestError};
use super::session::{Channels, Effect, Session};
use crate::media::fanout::Subscription;
use crate::media::recording::parameter_sets;
use crate::media::rtp::EncodedFrame;
use crate::media::{AudioFanout, VideoCodec, VideoFanout};

/// How long somebody may stay who watches nothing.
const IDLE: Duration = Duration::from_secs(30);
/// How long a write may take: whoever reads nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long the camera may take to give a picture that says its size.
const PICTURE_LIMIT: Duration = Duration::from_secs(8);

/// What viewers are given.
#[derive(Clone)]
pub(super) struct Sources {
    pub video: VideoFanout,
    /// None where the microphone is not shared.
    pub audio: Option<AudioFanout>,
}

/// Why a connection ended other than by its viewer's wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("it asked for nothing for {} s", IDLE.as_secs())]
    Idle,
    #[error("it takes nothing for {} s", WRITE_LIMIT.as_secs())]
    Stuck,
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// What is sent to a viewer that plays. The place is free again when it is dropped.
struct Playing {
    video: Option<(Subscription, Track)>,
    audio: Option<(Subscription, Track)>,
    _place: OwnedSemaphorePermit,
}

/// Serves one viewer until it leaves or has to.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut session: Session,
    sources: &Sources,
    place: impl Fn() -> Option<OwnedSemaphorePermit>,
) -> Result<(), ConnectionError> {
    let mut incoming: Vec<u8> = Vec::with_capacity(1024);
    let mut outgoing: Vec<u8> = Vec::new();
    let mut playing: Option<Playing> = None;
    // Of the description, so that the encoder it started runs on until the viewer plays.
    let mut described: Option<Subscription> = None;
    // Whole requests count: bytes that trickle in are no sign of life.
    let mut idle_at = tokio::time::Instant::now() + IDLE;
    loop {
        let is_playing = playing.is_some();
        tokio::select! {
            read = stream.read_buf(&mut incoming) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(request) = requests::next(&mut incoming)? {
                    idle_at = tokio::time::Instant::now() + IDLE;
                    let place = session.would_play(&request).then(&place).flatten();
                    let (answer, effect) = session.on(&request, place.is_some());
                    outgoing.extend_from_slice(&answer);
                    match effect {
                        Effect::Nothing => {}
                        Effect::Describe => {
                            let pictures = sources.video.subscribe(VideoCodec::H264);
                            let sets = look(&pictures).await;
                            described = Some(pictures);
                            outgoing.extend_from_slice(&session.described(sets.as_ref()));
                        }
                        Effect::Play(channels) => {
                            let pictures = described.take();
                            playing = place.map(|place| begin(sources, pictures, channels, place));
                        }
                        Effect::Close => {
                            send(&mut stream, &mut outgoing).await?;
                            return Ok(stream.shutdown().await?);
                        }
                    }
                }
            }
            () = next_frames(&mut playing, &mut outgoing), if is_playing => {}
            () = tokio::time::sleep_until(idle_at), if !is_playing => return Err(ConnectionError::Idle),
        }
        send(&mut stream, &mut outgoing).await?;
    }
}

/// The parameter sets of the picture there is now.
async fn look(pictures: &Subscription) -> Option<ParameterSets> {
    let found = async {
        loop {
            if let Some((sps, pps)) = parameter_sets(&*pictures.next().await) {
                return ParameterSets { sps, pps };
            }
        }
    };
    timeout(PICTURE_LIMIT, found).await.ok()
}

fn begin(
    sources: &Sources,
    pictures: Option<Subscription>,
    channels: Channels,
    place: OwnedSemaphorePermit,
) -> Playing {
    let random = || Beginnings {
        ssrc: rand::random(),
        sequence: rand::random(),
        timestamp: rand::random(),
    };
    let video = channels.video.map(|channel| {
        let track = Track::new(channel, VIDEO_TYPE, 90_000, random());
        let pictures = match pictures {
            Some(pictures) => {
                pictures.restart();
                pictures
            }
            None => sources.video.subscribe(VideoCodec::H264),
        };
        (pictures, track)
    });
    let audio = channels.audio.zip(sources.audio.as_ref());
    let audio = audio.map(|(channel, audio)| {
        let track = Track::new(channel, AUDIO_TYPE, 48_000, random());
        (audio.subscribe(), track)
    });
    Playing {
        video,
        audio,
        _place: place,
    }
}

/// Waits for a frame of either track and appends it. Nothing is lost when it is dropped while waiting.
async fn next_frames(playing: &mut Option<Playing>, outgoing: &mut Vec<u8>) {
    let Some(Playing { video, audio, .. }) = playing else {
        return std::future::pending().await;
    };
    let (frame, track) = tokio::select! {
        frame = next_frame(video.as_ref()) => (frame, video),
        frame = next_frame(audio.as_ref()) => (frame, audio),
    };
    if let Some((_, track)) = track {
        track.write(&frame, Instant::now(), SystemTime::now(), outgoing);
    }
}

async fn next_frame(track: Option<&(Subscription, Track)>) -> Arc<EncodedFrame> {
    match track {
        Some((frames, _)) => frames.next().await,
        None => std::future::pending().await,
    }
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    outgoing: &mut Vec<u8>,
) -> Result<(), ConnectionError> {
    if outgoing.is_empty() {
        return Ok(());
    }
    let written = async {
        stream.write_all(outgoing).await?;
        stream.flush().await
    };
    match timeout(WRITE_LIMIT, written).await {
        Ok(written) => written?,
        Err(_) => return Err(ConnectionError::Stuck),
    }
    outgoing.clear();
    Ok(())
}
