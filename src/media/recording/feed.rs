//! Where the frames of a recording come from.

use std::collections::VecDeque;
use std::sync::Arc;

use super::settings::Pictures;
use crate::media::fanout::Subscription;
use crate::media::rtp::EncodedFrame;
use crate::media::{AudioFanout, VideoCodec, VideoFanout};

/// Which source a frame is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Video(VideoCodec),
    Audio,
}

/// Those kept before, then those that come.
pub(super) struct Feed {
    before: VecDeque<(Kind, Arc<EncodedFrame>)>,
    h264: Option<Subscription>,
    vp8: Option<Subscription>,
    audio: Option<Subscription>,
    fanout: VideoFanout,
}

impl Feed {
    /// What comes from now on.
    pub(super) fn live(
        pictures: Pictures,
        sound: bool,
        video: &VideoFanout,
        audio: &AudioFanout,
    ) -> Self {
        let subscribe = |codec| video.subscribe_patiently(codec);
        Self {
            before: VecDeque::new(),
            h264: (pictures != Pictures::None).then(|| subscribe(VideoCodec::H264)),
            vp8: (pictures == Pictures::AsSent).then(|| subscribe(VideoCodec::Vp8)),
            audio: sound.then(|| audio.subscribe_patiently()),
            fanout: video.clone(),
        }
    }

    /// The same with what was taken out of it before.
    pub(super) fn after(self, before: VecDeque<(Kind, Arc<EncodedFrame>)>) -> Self {
        Self { before, ..self }
    }

    /// What was kept before, once.
    pub(super) fn take_before(&mut self) -> VecDeque<(Kind, Arc<EncodedFrame>)> {
        std::mem::take(&mut self.before)
    }

    /// Whether nothing can ever come.
    pub(super) fn is_empty(&self) -> bool {
        self.h264.is_none() && self.vp8.is_none() && self.audio.is_none()
    }

    /// Asks for a picture a file can begin with.
    pub(super) fn request_key_frame(&self) {
        for (codec, subscription) in [(VideoCodec::H264, &self.h264), (VideoCodec::Vp8, &self.vp8)]
        {
            if subscription.is_some() {
                self.fanout.request_key_frame(codec);
            }
        }
    }

    /// The next frame that comes; sound first, as its queue loses what waits too long.
    pub(super) async fn next(&self) -> (Kind, Arc<EncodedFrame>) {
        tokio::select! {
            biased;
            frame = next(self.audio.as_ref()) => (Kind::Audio, frame),
            frame = next(self.h264.as_ref()) => (Kind::Video(VideoCodec::H264), frame),
            frame = next(self.vp8.as_ref()) => (Kind::Video(VideoCodec::Vp8), frame),
        }
    }

    /// Pictures its queues gave up.
    pub(super) fn dropped(&self) -> u64 {
        let pictures = self.h264.iter().chain(&self.vp8);
        pictures.map(Subscription::dropped).sum()
    }
}

async fn next(source: Option<&Subscription>) -> Arc<EncodedFrame> {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}
