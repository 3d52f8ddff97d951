//! Screens of software that is not ours: what an X server and a Wayland compositor have in their
//! picture while a far side is shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cubelet::media::display::{
    Area, Display, DisplayStatus, Fit, KmsSettings, Layout, Look, Part, Rotation, Screen,
    WindowSystem,
};
use cubelet::media::peer::PeerSettings;
use cubelet::media::sink::VideoSinkKind;
use cubelet::media::{VideoCodec, VideoSourceKind, VideoSourceSettings};
use cubelet::protocol::call_signal::CallType;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::support::{Device, End, call, camera_settings, sees, settings, until, warm, within};
use crate::wayland_screen::weston;
use crate::x_screen::{Colour, SIZE, Shot, shows, x_server};

/// By Weston's own program, which writes a PNG file into the folder it is started in.
async fn weston_shot(folder: &Path) -> Option<Shot> {
    let shots = tempfile::tempdir_in(folder).unwrap();
    let taken = tokio::process::Command::new("weston-screenshooter")
        .env("XDG_RUNTIME_DIR", folder)
        .env("WAYLAND_DISPLAY", "screen")
        .current_dir(shots.path())
        .env("XDG_PICTURES_DIR", shots.path())
        .output()
        .await
        .unwrap();
    let file = fs::read_dir(shots.path()).unwrap().flatten().next()?;
    taken.status.success().then(|| decoded(&file.path()))
}

fn decoded(file: &Path) -> Shot {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! pngdec ! videoconvert ! video/x-raw,format=BGRx \
         ! appsink name=sink sync=false",
        file.display()
    ))
    .unwrap();
    let bin = pipeline.downcast_ref::<gst::Bin>().unwrap();
    let sink = bin.by_name("sink").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sample = sink.pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let pixels = sample.buffer().unwrap().map_readable().unwrap().to_vec();
    Shot(pixels)
}

/// A call with somebody who shows that picture.
struct Caller {
    _devices: (Device, Device),
    ends: (End, End),
}

impl Caller {
    async fn calls(display: &Display, source: VideoSourceKind) -> Self {
        let caller = Device::with(VideoSourceSettings {
            source,
            ..camera_settings()
        });
        let room = Device::start();
        let plain = settings(CallType::Video, VideoCodec::H264);
        let shown = PeerSettings {
            video_sink: VideoSinkKind::Display(display.clone(), 1),
            ..plain.clone()
        };
        let mut ends = (End::new(plain, &caller).await, End::new(shown, &room).await);
        call(&mut ends.0, &mut ends.1, |_, callee| sees(callee)).await;
        Self {
            _devices: (caller, room),
            ends,
        }
    }

    /// Its pictures still arrive.
    async fn goes_on(&self) {
        let peer = &self.ends.1.peer;
        let decoded = peer.stats().frames_decoded;
        until(peer, "pictures while nothing shows them", |stats| {
            stats.frames_decoded > decoded + 5
        })
        .await;
    }

    async fn with(display: &Display, pattern: &str) -> Self {
        Self::calls(
            display,
            VideoSourceKind::Test {
                pattern: pattern.into(),
            },
        )
        .await
    }
}

fn part(width: u16, height: u16, x: u16, y: u16) -> Area {
    Area::Part(Part {
        width,
        height,
        x,
        y,
    })
}

async fn shows_weston(what: &str, folder: &Path, wanted: impl Fn(&Shot) -> bool) {
    within(what, async {
        while !weston_shot(folder).await.is_some_and(|shot| wanted(&shot)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn fares(display: &Display, what: &str, wanted: impl Fn(&DisplayStatus) -> bool) {
    let mut status = display.status();
    within(what, status.wait_for(|status| wanted(status)))
        .await
        .unwrap();
}

fn failed_with(status: &DisplayStatus, words: &str) -> bool {
    matches!(status, DisplayStatus::Failed(reason) if reason.contains(words))
}

/// A film of red at the left and blue at the right, as high as it is wide.
fn halves(folder: &Path) -> PathBuf {
    let file = folder.join("halves.mkv");
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!(
        "compositor name=mix sink_1::xpos=120 \
         ! video/x-raw,format=I420,width=240,height=240,framerate=15/1 \
         ! vp8enc deadline=1 ! matroskamux ! filesink location={} \
         videotestsrc num-buffers=30 pattern=red ! video/x-raw,width=120,height=240,framerate=15/1 ! mix. \
         videotestsrc num-buffers=30 pattern=blue ! video/x-raw,width=120,height=240,framerate=15/1 ! mix.",
        file.display()
    ))
    .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ended = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert!(matches!(ended.unwrap().view(), gst::MessageView::Eos(_)));
    pipeline.set_state(gst::State::Null).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_x11_shows_the_far_side_mirrored_fitted_turned_and_placed_as_is_wanted() {
    use Colour::{Black, Blue, Red};
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = x_server(folder.path(), None);
    let display = Display::new(
        Screen::Window {
            system: WindowSystem::Either,
            address: Some(address),
        },
        Layout::Grid,
    );
    let film = halves(folder.path());
    let _caller = Caller::calls(&display, VideoSourceKind::File { path: film }).await;
    let look = |look: Look| display.set_look(look);
    // The camera's pictures are 4:3 as the screen is, and the film in them is as the source has it.
    shows("both halves", folder.path(), |shot| {
        shot.at(200, 240) == Red && shot.at(440, 240) == Blue
    })
    .await;
    look(Look {
        mirror: true,
        ..Look::default()
    });
    shows("both halves exchanged", folder.path(), |shot| {
        shot.at(200, 240) == Blue && shot.at(440, 240) == Red
    })
    .await;
    look(Look {
        rotation: Rotation::Right,
        ..Look::default()
    });
    shows("the left half above", folder.path(), |shot| {
        shot.at(320, 120) == Red && shot.at(320, 360) == Blue
    })
    .await;
    // Broader than the picture: bars beside it, or cut above and below.
    let area = part(600, 200, 20, 100);
    look(Look {
        area,
        ..Look::default()
    });
    shows("bars in a part of the screen", folder.path(), |shot| {
        let (left, right) = (shot.at(60, 200), shot.at(580, 200));
        let (inner, other) = (shot.at(280, 200), shot.at(360, 200));
        (left, right) == (Black, Black) && (inner, other) == (Red, Blue)
    })
    .await;
    look(Look {
        area,
        fit: Fit::Cover,
        ..Look::default()
    });
    shows(
        "no bars in it, and nothing outside",
        folder.path(),
        |shot| {
            let inside = [(190, 120), (450, 280)].map(|(x, y)| shot.at(x, y));
            let outside = [(190, 90), (450, 310)].map(|(x, y)| shot.at(x, y));
            inside == [Red, Blue] && outside == [Black, Black]
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_x_server_that_ends_in_a_call_takes_nothing_along_and_its_successor_shows_the_call() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = x_server(folder.path(), None);
    let display = Display::new(
        Screen::Window {
            system: WindowSystem::X11,
            address: Some(address.clone()),
        },
        Layout::Grid,
    );
    let caller = Caller::with(&display, "red").await;
    let red = |shot: &Shot| shot.at(320, 240) == Colour::Red;
    shows("the far side", folder.path(), red).await;
    drop(server);
    fares(&display, "that the screen is gone", |status| {
        failed_with(status, "X server")
    })
    .await;
    caller.goes_on().await;
    fs::remove_file(folder.path().join("Xvfb_screen0")).ok();
    let (_server, _) = x_server(folder.path(), Some(&address));
    shows("the far side again", folder.path(), red).await;
    fares(&display, "that it shows", |status| {
        *status == DisplayStatus::Showing
    })
    .await;
    drop(caller);
    fares(&display, "that it is closed", |status| {
        *status == DisplayStatus::Closed
    })
    .await;
    shows("nothing", folder.path(), |shot| {
        shot.at(320, 240) == Colour::Black
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wayland_compositor_that_comes_late_and_ends_in_a_call_shows_the_call_when_it_is_there() {
    use Colour::{Green, Red};
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("screen");
    let display = Display::new(
        Screen::Window {
            system: WindowSystem::Either,
            address: Some(address.display().to_string()),
        },
        Layout::Grid,
    );
    let caller = Caller::with(&display, "red").await;
    fares(&display, "that there is none", |status| {
        failed_with(status, "Wayland")
    })
    .await;
    for _ in 0..2 {
        let server = weston(folder.path());
        // The background is green, and nothing of it is seen.
        shows_weston("the far side", folder.path(), |shot| {
            [(2, 2), (320, 240), (637, 477)]
                .iter()
                .all(|(x, y)| shot.at(*x, *y) == Red)
        })
        .await;
        display.set_look(Look {
            area: part(320, 240, 0, 0),
            ..Look::default()
        });
        // Where, Weston chooses.
        shows_weston("a window of that size", folder.path(), |shot| {
            let count = |colour| {
                let all = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
                all.filter(|(x, y)| shot.at(*x, *y) == colour).count()
            };
            count(Red) == 320 * 240 && count(Green) > 0
        })
        .await;
        display.set_look(Look::default());
        drop(server);
        fares(&display, "that it is gone", |status| {
            failed_with(status, "ompositor") || failed_with(status, "Wayland")
        })
        .await;
        caller.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_the_kernel_does_not_have_is_told_and_the_call_goes_on() {
    warm().await;
    let display = Display::new(
        Screen::Kms(KmsSettings {
            card: Some("/dev/dri/card-of-nobody".into()),
            ..KmsSettings::default()
        }),
        Layout::Grid,
    );
    let caller = Caller::with(&display, "red").await;
    fares(&display, "that there is none", |status| {
        failed_with(status, "/dev/dri/card-of-nobody: No such file")
    })
    .await;
    caller.goes_on().await;
}
