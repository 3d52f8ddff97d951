//! The way into a running encoder: by a thread of its own, or by the camera's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::VideoCodec;
use super::super::fanout::VideoPublisher;
use super::super::rate::Pace;
use super::same_thread::SameThread;

/// Where the pictures of a camera go in.
pub(super) struct EncoderInput {
    codec: VideoCodec,
    source: gst_app::AppSrc,
    /// Where pictures leave `source`, by its thread or by the camera's.
    exit: gst::Pad,
    encoder: gst::Element,
    pace: Mutex<Pace>,
    way: Mutex<Way>,
    /// The time of the last picture that has come in, by either thread; 0 before the first.
    entered: Arc<AtomicU64>,
}

/// By which thread pictures go in.
struct Way {
    /// None: always by the encoder's own. A driver that hangs must not take the camera with it.
    same_thread: Option<SameThread>,
    /// The time of the last picture that went either way; none if the next must go by the encoder's own
    /// thread, which has something else to hand on.
    handed: Option<u64>,
}

impl EncoderInput {
    /// `same_thread`: none for an encoder that always works apart.
    pub(super) fn new(
        codec: VideoCodec,
        source: gst_app::AppSrc,
        encoder: gst::Element,
        same_thread: Option<SameThread>,
    ) -> Result<Self, String> {
        let exit = source.static_pad("src").ok_or("no way in")?;
        Ok(Self {
            codec,
            entered: watched(&exit)?,
            exit,
            source,
            encoder,
            pace: Mutex::default(),
            way: Mutex::new(Way {
                same_thread,
                handed: None,
            }),
        })
    }

    pub(super) fn codec(&self) -> VideoCodec {
        self.codec
    }

    pub(super) fn encoder(&self) -> &gst::Element {
        &self.encoder
    }

    /// Which pictures are encoded at all.
    pub(super) fn set_pace(&self, pace: Pace) {
        *self.pace.lock() = pace;
    }

    /// What the next picture is. The encoder's own thread hands it on, with that picture.
    pub(super) fn set_caps(&self, caps: &gst::Caps) {
        let mut way = self.way.lock();
        self.source.set_caps(Some(caps));
        way.handed = None;
    }

    /// For the encoder's own thread; never waits.
    pub(super) fn hand_over(&self, picture: &gst::Buffer, publisher: &VideoPublisher) {
        if self.takes(picture, publisher) {
            self.hand_over_to(&mut self.way.lock(), picture);
        }
    }

    /// On the camera's streaming thread, which encodes it itself where that is quickly done.
    pub(super) fn push(&self, picture: &gst::Buffer, publisher: &VideoPublisher) {
        if !self.takes(picture, publisher) {
            return;
        }
        let began = Instant::now();
        {
            let mut way = self.way.lock();
            let suits = way.same_thread.as_mut().is_some_and(|it| it.suits(began));
            // What was handed over is ahead of this one: it holds the way in.
            let is_next = way.handed == Some(self.entered.load(Ordering::Acquire));
            if !suits || !is_next {
                self.hand_over_to(&mut way, picture);
                return;
            }
            way.handed = picture.pts().map(gst::ClockTime::nseconds);
        }
        // Refused only while the pipeline is being torn down, or has told of its failure.
        let _ = self.exit.push(picture.clone());
        if let Some(same_thread) = &mut self.way.lock().same_thread {
            let now = Instant::now();
            same_thread.took(now, now - began);
        }
    }

    fn hand_over_to(&self, way: &mut Way, picture: &gst::Buffer) {
        way.handed = picture.pts().map(gst::ClockTime::nseconds);
        // Refused only while the pipeline is being torn down.
        let _ = self.source.push_buffer(picture.clone());
    }

    /// Whether it is to be encoded; as a key frame, where one is due.
    fn takes(&self, picture: &gst::Buffer, publisher: &VideoPublisher) -> bool {
        let at = picture.pts().map(Duration::from);
        if at.is_some_and(|at| !self.pace.lock().takes(at)) {
            return false;
        }
        if publisher.key_frame_due(self.codec, Instant::now()) {
            let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            if let Some(pad) = self.encoder.static_pad("src") {
                pad.send_event(event);
            }
        }
        true
    }
}

/// The time of the last picture that has gone through. Where it is written, whoever brought the
/// picture holds the lock all pictures go through.
fn watched(exit: &gst::Pad) -> Result<Arc<AtomicU64>, String> {
    let entrance = exit.peer().ok_or("no way on")?;
    let entered = Arc::<AtomicU64>::default();
    let told = Arc::clone(&entered);
    entrance.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(time) = info.buffer().and_then(|buffer| buffer.pts()) {
            told.store(time.nseconds(), Ordering::Release);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(entered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::encoder::EncoderTarget;
    use crate::media::fanout::{Subscription, VideoFanout};
    use crate::media::rate::Picture;
    use crate::media::source::encode::EncoderRun;

    const LIMIT: Duration = Duration::from_secs(20);
    const SIZE: (u32, u32) = (64, 48);
    /// Low, so that no busy machine makes an encoder slow.
    const RATE: u32 = 1;

    struct Encoding {
        run: EncoderRun,
        publisher: Arc<VideoPublisher>,
        watching: Subscription,
        pictures: u64,
    }

    fn caps(rate: u32) -> gst::Caps {
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", SIZE.0 as i32)
            .field("height", SIZE.1 as i32)
            .field("framerate", gst::Fraction::new(rate as i32, 1))
            .build()
    }

    impl Encoding {
        fn start() -> Self {
            crate::media::initialise().unwrap();
            let fanout = VideoFanout::new();
            let publisher = Arc::new(fanout.attach(Arc::new(|| {})));
            let watching = fanout.subscribe(VideoCodec::H264);
            let picture = Picture {
                width: SIZE.0,
                height: SIZE.1,
                framerate: RATE,
            };
            let target = EncoderTarget {
                bitrate_kbps: 500,
                framerate: RATE,
            };
            let failed = |reason: String| panic!("{reason}");
            let run = EncoderRun::start(
                VideoCodec::H264,
                &caps(RATE),
                picture,
                target,
                &publisher,
                failed,
            );
            Self {
                run: run.unwrap(),
                publisher,
                watching,
                pictures: 0,
            }
        }

        fn next_picture(&mut self) -> gst::Buffer {
            self.pictures += 1;
            let bytes = (SIZE.0 * SIZE.1 * 3 / 2) as usize;
            let mut picture = gst::Buffer::from_mut_slice(vec![self.pictures as u8; bytes]);
            let time = gst::ClockTime::SECOND * self.pictures / u64::from(RATE);
            picture.make_mut().set_pts(time);
            picture
        }

        fn push(&mut self) {
            let picture = self.next_picture();
            self.run.input.push(&picture, &self.publisher);
        }

        fn hand_over(&mut self) {
            let picture = self.next_picture();
            self.run.input.hand_over(&picture, &self.publisher);
        }

        /// The time of the next frame.
        async fn frame(&self) -> u32 {
            let frame = tokio::time::timeout(LIMIT, self.watching.next()).await;
            frame.unwrap().rtp_timestamp
        }
    }

    /// What is there at once, without any other thread having had its turn.
    fn at_once(encoding: &Encoding) -> Option<u32> {
        let mut next = std::pin::pin!(encoding.watching.next());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match next.as_mut().poll(&mut context) {
            std::task::Poll::Ready(frame) => Some(frame.rtp_timestamp),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_picture_that_is_quickly_encoded_is_so_when_the_camera_has_pushed_it() {
        let mut encoding = Encoding::start();
        encoding.push();
        encoding.frame().await;
        for _ in 0..10 {
            encoding.push();
            assert!(at_once(&encoding).is_some());
        }
    }

    #[tokio::test]
    async fn no_picture_overtakes_another_whichever_thread_brings_it() {
        let mut encoding = Encoding::start();
        encoding.hand_over();
        let mut last = encoding.frame().await;
        for round in 0..100 {
            if round % 10 == 5 {
                // Only the encoder's own thread can hand this on.
                encoding.run.input.set_caps(&caps(RATE + round));
            }
            encoding.hand_over();
            encoding.push();
            for _ in 0..2 {
                let next = encoding.frame().await;
                assert_eq!(next.wrapping_sub(last), 90_000 / RATE, "round {round}");
                last = next;
            }
        }
    }
}
