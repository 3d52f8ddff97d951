//! From a picture's making to its being decoded at the other side, in one process: two peers, a
//! 720p30 camera, over the machine's own addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cubelet::media::peer::{Peer, PeerEvent, PeerSettings};
use cubelet::media::sink::{PictureTap, VideoSinkKind};
use cubelet::media::source::PictureFeed;
use cubelet::media::{AudioFanout, VideoFanout, VideoSource, VideoSourceKind};
use parking_lot::Mutex;
use tokio::sync::mpsc::unbounded_channel;

use crate::ends::{camera, settings, warm_up};
use crate::signal::Line;
use crate::timecode;

const WIDTH: usize = 1_280;
const HEIGHT: usize = 720;
/// Until the rate has settled.
const WARM_UP: Duration = Duration::from_secs(5);

/// Prints the delays of all pictures of so much time.
pub fn measure(duration: Duration) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(run(duration))
}

async fn run(duration: Duration) -> anyhow::Result<()> {
    warm_up().await?;
    let feed = PictureFeed::new();
    let (video, audio) = (VideoFanout::new(), AudioFanout::new());
    let (events, _) = unbounded_channel();
    let source = VideoSourceKind::Feed(feed.clone());
    let _camera = VideoSource::start(camera(source), video.clone(), events);
    tokio::spawn(draw(feed));

    let counts = Arc::new(AtomicBool::new(false));
    let delays = Arc::new(Mutex::new(Vec::new()));
    let tap = PictureTap::new({
        let (counts, delays) = (Arc::clone(&counts), Arc::clone(&delays));
        move |picture| {
            let (luma, stride) = picture.planes[0];
            if counts.load(Ordering::Relaxed)
                && let Some(drawn) = timecode::read(luma, stride)
            {
                delays.lock().push(timecode::now().wrapping_sub(drawn));
            }
        }
    });
    let (caller_news, mut caller_heard) = unbounded_channel();
    let caller = Peer::new(settings(), video, audio.clone(), caller_news).await?;
    let (callee_news, mut callee_heard) = unbounded_channel();
    let watching = PeerSettings {
        video_sink: VideoSinkKind::Tap(tap),
        ..settings()
    };
    let callee = Peer::new(watching, VideoFanout::new(), audio, callee_news).await?;
    let offer = caller.create_offer().await?;
    let answer = callee.accept_offer(&offer).await?;
    caller.set_answer(&answer).await?;
    let carry = async {
        loop {
            let (to, event) = tokio::select! {
                Some(event) = caller_heard.recv() => (&callee, event),
                Some(event) = callee_heard.recv() => (&caller, event),
                else => return,
            };
            if let PeerEvent::LocalCandidate(candidate) = event {
                to.add_candidates(&[candidate]).await;
            }
        }
    };
    let watch = async {
        tokio::time::sleep(WARM_UP).await;
        counts.store(true, Ordering::Relaxed);
        tokio::time::sleep(duration).await;
    };
    tokio::select! {
        () = carry => {}
        () = watch => {}
    }
    let micros = std::mem::take(&mut *delays.lock());
    Line::Latencies { micros }.tell();
    Ok(())
}

/// A slope of grey with a bar that wanders, 30 times a second.
async fn draw(feed: PictureFeed) {
    let mut base = vec![128_u8; WIDTH * HEIGHT * 3 / 2];
    for (n, pixel) in base[..WIDTH * HEIGHT].iter_mut().enumerate() {
        *pixel = (40 + (n % WIDTH) / 10 + (n / WIDTH) / 16) as u8;
    }
    let mut tick = tokio::time::interval(Duration::from_micros(33_333));
    for n in 0_usize.. {
        tick.tick().await;
        let mut picture = base.clone();
        let bar = n * 8 % (WIDTH - 64);
        for line in picture[..WIDTH * HEIGHT].chunks_mut(WIDTH).skip(64) {
            line[bar..bar + 64].fill(220);
        }
        timecode::write(&mut picture, WIDTH, timecode::now());
        // Closed until the camera's thread has opened it.
        let _ = feed.push(picture);
    }
}
