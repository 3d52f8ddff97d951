//! Several far sides on one screen. Each has a plain colour, so that the composed picture tells who is
//! where.

use std::collections::BTreeSet;
use std::sync::Arc;

use cubelet::media::display::{Cell, Display, Layout, Screen, cells};
use cubelet::media::peer::{PeerSettings, TrackKind};
use cubelet::media::sink::{Picture, PictureTap, VideoSinkKind};
use cubelet::media::{VideoCodec, VideoSourceKind, VideoSourceSettings};
use cubelet::protocol::call_signal::CallType;
use tokio::sync::watch;

use crate::support::{Device, End, call, camera_settings, sees, settings, warm, within};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Plain {
    Red,
    Green,
    Blue,
    Dark,
}

/// A picture as it is on the screen.
#[derive(Clone, Debug, Default)]
struct Seen {
    size: (u32, u32),
    planes: [(Vec<u8>, usize); 3],
}

impl Seen {
    fn of(picture: &Picture<'_>) -> Self {
        Self {
            size: (picture.width, picture.height),
            planes: picture
                .planes
                .map(|(plane, stride)| (plane.to_vec(), stride)),
        }
    }

    /// By the colour differences of ITU-R BT.601.
    fn at(&self, x: u32, y: u32) -> Plain {
        let sample = |n: usize| {
            let (plane, stride) = &self.planes[n];
            plane[*stride * (y as usize / 2) + x as usize / 2]
        };
        match (sample(1), sample(2)) {
            (_, 180..) => Plain::Red,
            (180.., _) => Plain::Blue,
            (..=100, ..=100) => Plain::Green,
            _ => Plain::Dark,
        }
    }

    fn middle(&self, cell: &Cell) -> Plain {
        self.at(cell.x + cell.width / 2, cell.y + cell.height / 2)
    }

    /// Whether each of these cells, and nothing else, shows one of the colours.
    fn is_laid_out(&self, cells: &[Cell], colours: &[Plain]) -> bool {
        let shown: BTreeSet<_> = match self.size {
            SIZE => cells.iter().map(|cell| self.middle(cell)).collect(),
            _ => return false,
        };
        shown == colours.iter().copied().collect()
    }
}

const SIZE: (u32, u32) = (1280, 720);

/// A display whose picture can be looked at.
fn display(layout: Layout) -> (Display, watch::Receiver<Arc<Seen>>) {
    let (show, seen) = watch::channel(Arc::default());
    let tap = PictureTap::new(move |picture| {
        show.send_replace(Arc::new(Seen::of(picture)));
    });
    (Display::new(Screen::Tap(tap), layout), seen)
}

/// A call with somebody of that colour.
struct Caller {
    device: Device,
    ends: (End, End),
}

impl Caller {
    async fn calls(display: &Display, room: &Device, far_side: u64, pattern: &str) -> Self {
        let device = Device::with(VideoSourceSettings {
            source: VideoSourceKind::Test {
                pattern: pattern.into(),
            },
            ..camera_settings()
        });
        let plain = settings(CallType::Video, VideoCodec::H264);
        let shown = PeerSettings {
            video_sink: VideoSinkKind::Display(display.clone(), far_side),
            ..plain.clone()
        };
        let mut caller = End::new(plain, &device).await;
        let mut callee = End::new(shown, room).await;
        call(&mut caller, &mut callee, |_, callee| sees(callee)).await;
        Self {
            device,
            ends: (caller, callee),
        }
    }
}

async fn shows(what: &str, seen: &mut watch::Receiver<Arc<Seen>>, wanted: impl Fn(&Seen) -> bool) {
    within(what, seen.wait_for(|seen| wanted(seen)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn far_sides_that_come_and_go_share_the_screen_in_a_grid_and_one_alone_is_not_composed() {
    use Plain::{Blue, Green, Red};
    warm().await;
    let room = Device::start();
    let (display, mut seen) = display(Layout::Grid);
    let grid = |count| cells(Layout::Grid, SIZE, count, 0);
    let red = Caller::calls(&display, &room, 1, "red").await;
    shows("one as it is sent", &mut seen, |seen| {
        seen.size == (320, 240) && seen.at(160, 120) == Red
    })
    .await;
    let green = Caller::calls(&display, &room, 2, "green").await;
    shows("two", &mut seen, |seen| {
        seen.is_laid_out(&grid(2), &[Red, Green])
    })
    .await;
    let blue = Caller::calls(&display, &room, 3, "blue").await;
    shows("three", &mut seen, |seen| {
        seen.is_laid_out(&grid(3), &[Red, Green, Blue])
    })
    .await;
    drop(green);
    shows("two again", &mut seen, |seen| {
        seen.is_laid_out(&grid(2), &[Red, Blue])
    })
    .await;
    drop(red);
    shows("one again as it is sent", &mut seen, |seen| {
        seen.size == (320, 240) && seen.at(160, 120) == Blue
    })
    .await;
    drop(blue);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_large_the_layout_changes_live_and_who_freezes_makes_room() {
    use Plain::{Green, Red};
    warm().await;
    let room = Device::start();
    let (display, mut seen) = display(Layout::Speaker);
    let _red = Caller::calls(&display, &room, 1, "red").await;
    let mut green = Caller::calls(&display, &room, 2, "green").await;
    let large = |seen: &Seen, colour| {
        // The small one is in the middle below.
        let [main, small] = cells(Layout::Speaker, SIZE, 2, 0)[..] else {
            return false;
        };
        seen.size == SIZE && seen.middle(&main) == colour && seen.middle(&small) != colour
    };
    for (speaker, colour) in [(1, Red), (2, Green), (1, Red)] {
        display.set_speaker(Some(speaker));
        shows("who speaks", &mut seen, |seen| large(seen, colour)).await;
    }
    display.set_layout(Layout::Grid);
    let grid = cells(Layout::Grid, SIZE, 2, 0);
    shows("a grid", &mut seen, |seen| {
        seen.is_laid_out(&grid, &[Red, Green])
    })
    .await;
    // Not even a placeholder comes any more.
    drop(green.device.camera.take());
    let whole = cells(Layout::Grid, SIZE, 1, 0);
    shows("the other alone", &mut seen, |seen| {
        seen.is_laid_out(&whole, &[Red]) && seen.at(SIZE.0 / 4, SIZE.1 / 8) == Red
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_covers_the_camera_leaves_the_screen_to_the_others_until_uncovering_it() {
    use Plain::{Dark, Green, Red};
    warm().await;
    let room = Device::start();
    let (display, mut seen) = display(Layout::Grid);
    let red = Caller::calls(&display, &room, 1, "red").await;
    let green = Caller::calls(&display, &room, 2, "green").await;
    let (grid, whole) = (
        cells(Layout::Grid, SIZE, 2, 0),
        cells(Layout::Grid, SIZE, 1, 0),
    );
    let (caller, _) = &green.ends;
    for _ in 0..2 {
        shows("both", &mut seen, |seen| {
            seen.is_laid_out(&grid, &[Red, Green])
        })
        .await;
        caller.peer.set_muted(TrackKind::Video, true);
        shows("the other alone", &mut seen, |seen| {
            seen.is_laid_out(&whole, &[Red]) && seen.at(SIZE.0 / 4, SIZE.1 / 8) == Red
        })
        .await;
        caller.peer.set_muted(TrackKind::Video, false);
    }
    drop(red);
    caller.peer.set_muted(TrackKind::Video, true);
    shows("nothing of who is there alone", &mut seen, |seen| {
        seen.size == (320, 240) && seen.at(160, 120) == Dark
    })
    .await;
}
