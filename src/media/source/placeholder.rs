//! What is seen while a camera gives nothing: a dark picture with a bar that moves, so that
//! nobody takes it for a picture that stands still; and black while it is covered.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_video as gst_video;
use tokio::task::AbortHandle;

use super::encoders::Pictures;
use crate::media::{MediaError, network};

/// Distance of the placeholder's pictures.
const PACE: Duration = Duration::from_millis(200);
/// How often somebody is looked for while nobody watches.
const IDLE: Duration = Duration::from_secs(1);
/// So long may a camera be silent before the placeholder is shown.
const PATIENCE: Duration = Duration::from_millis(700);
/// Positions of the bar.
const STEPS: usize = 16;
/// Black, dark grey, and the bar's lighter one (ITU-R BT.601 luma).
const BLACK: u8 = 0x10;
const DARK: u8 = 0x24;
const LIGHT: u8 = 0x60;
const NO_COLOUR: u8 = 0x80;

/// Shows the placeholder where a camera is silent, for as long as it lives.
pub(super) struct Placeholder(AbortHandle);

impl Placeholder {
    pub(super) fn watch(
        pictures: &Arc<Pictures>,
        info: gst_video::VideoInfo,
    ) -> Result<Self, MediaError> {
        let pictures = Arc::downgrade(pictures);
        let task = network::handle()?.spawn(show(pictures, info));
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn show(pictures: Weak<Pictures>, info: gst_video::VideoInfo) {
    let mut step = 0;
    // A camera of few pictures a second is silent in between.
    let fps = f64::from(info.fps().numer()) / f64::from(info.fps().denom().max(1));
    let patience = PATIENCE.max(Duration::from_secs_f64(3.0 / fps.max(1.0)));
    let patience = patience.min(Duration::from_secs(3));
    let mut pace = PACE;
    loop {
        tokio::time::sleep(pace).await;
        let Some(pictures) = pictures.upgrade() else {
            return;
        };
        pace = if pictures.are_seen() { PACE } else { IDLE };
        if pictures.is_covered() {
            if pictures.are_seen() {
                pictures.show_black(gst::Buffer::from_mut_slice(black(&info)));
            }
        } else if pictures.is_silent(Instant::now(), patience) {
            step = (step + 1) % STEPS;
            pictures.stand_in(gst::Buffer::from_mut_slice(picture(&info, step)));
        }
    }
}

/// I420 of that size, all black.
fn black(info: &gst_video::VideoInfo) -> Vec<u8> {
    let mut bytes = vec![NO_COLOUR; info.size()];
    // The first plane is luma.
    let luma = info.offset()[1];
    if let Some(luma) = bytes.get_mut(..luma) {
        luma.fill(BLACK);
    }
    bytes
}

/// I420 of that size.
fn picture(info: &gst_video::VideoInfo, step: usize) -> Vec<u8> {
    let mut bytes = vec![NO_COLOUR; info.size()];
    let stride = usize::try_from(info.stride()[0]).unwrap_or(0);
    let (width, height) = (info.width() as usize, info.height() as usize);
    let bar = step * width / STEPS..(step + 1) * width / STEPS;
    // Across the middle fifth.
    let band = height * 2 / 5..height * 3 / 5;
    for (line, row) in bytes.chunks_mut(stride.max(1)).take(height).enumerate() {
        let Some(row) = row.get_mut(..width) else {
            continue;
        };
        row.fill(DARK);
        if band.contains(&line) {
            row[bar.clone()].fill(LIGHT);
        }
    }
    bytes
}

/// Times of pictures of several sources, one after the other, on the one clock of an encoder.
/// Sans-IO.
#[derive(Debug, Default)]
pub(super) struct Retimer {
    began: Option<Instant>,
    source: u64,
    /// Where time 0 of the source lies.
    zero: i64,
    last: i64,
}

impl Retimer {
    /// When the last picture was taken; 0 before the first.
    pub(super) fn last(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.last).unwrap_or(0))
    }

    /// When a picture of a source was taken, nanoseconds on the encoder's clock: later than the
    /// one before, whatever the source says.
    pub(super) fn place(&mut self, source: u64, time: Option<u64>, now: Instant) -> u64 {
        let began = *self.began.get_or_insert(now);
        let arrived = i64::try_from((now - began).as_nanos()).unwrap_or(i64::MAX);
        let time = time.and_then(|time| i64::try_from(time).ok());
        let placed = match time {
            Some(time) => {
                if source != self.source {
                    self.source = source;
                    self.zero = arrived.saturating_sub(time);
                }
                self.zero.saturating_add(time)
            }
            None => arrived,
        };
        self.last = placed.max(self.last.saturating_add(1));
        u64::try_from(self.last).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(width: u32, height: u32) -> gst_video::VideoInfo {
        gst::init().unwrap();
        gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
            .build()
            .unwrap()
    }

    #[test]
    fn the_placeholder_is_grey_and_its_bar_moves() {
        for (width, height) in [(320, 240), (642, 362), (16, 16)] {
            let info = info(width, height);
            let pictures: Vec<_> = (0..STEPS).map(|step| picture(&info, step)).collect();
            for two in pictures.windows(2) {
                assert_eq!(two[0].len(), info.size());
                assert_ne!(two[0], two[1], "{width}×{height}");
            }
            let colour = info.offset()[1];
            assert!(pictures[3][colour..].iter().all(|one| *one == NO_COLOUR));
        }
    }

    #[test]
    fn black_has_no_light_and_no_colour() {
        let info = info(320, 240);
        let bytes = black(&info);
        let (luma, colour) = bytes.split_at(info.offset()[1]);
        assert_eq!(bytes.len(), info.size());
        assert!(luma.iter().all(|one| *one == BLACK));
        assert!(colour.iter().all(|one| *one == NO_COLOUR));
    }

    #[test]
    fn pictures_keep_their_distance_within_a_source_and_go_on_with_the_next() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ms = |nanoseconds: u64| nanoseconds / 1_000_000;
        let mut times = Retimer::default();
        // A camera whose clock began long ago, and whose pictures jitter.
        assert_eq!(times.place(1, Some(9_000_000_000), at(0)), 1);
        assert_eq!(ms(times.place(1, Some(9_033_000_000), at(40))), 33);
        assert_eq!(ms(times.place(1, Some(9_066_000_000), at(66))), 66);
        // The placeholder has no time of its own.
        assert_eq!(ms(times.place(1, None, at(1_000))), 1_000);
        // The camera is back, its clock anew.
        assert_eq!(ms(times.place(2, Some(0), at(2_000))), 2_000);
        assert_eq!(ms(times.place(2, Some(33_000_000), at(2_050))), 2_033);
    }

    #[test]
    fn time_never_goes_back() {
        let start = Instant::now();
        let mut times = Retimer::default();
        let mut last = 0;
        for (source, time, ms) in [
            (1, Some(500), 0),
            (1, Some(100), 10),
            (1, None, 5),
            (2, Some(7), 3),
            (2, Some(7), 4),
        ] {
            let now = start + Duration::from_millis(ms);
            let placed = times.place(source, time, now);
            assert!(placed > last, "{placed} after {last}");
            last = placed;
        }
    }
}
