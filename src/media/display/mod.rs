//! One screen for any number of far sides.
//!
//! ```text
//! decoder ──► seat ─┬─ alone ────────────────────────┐
//! decoder ──► seat ─┼─ several ──► composing pipeline ┴──► output pipeline (window, screen, tap)
//! camera ───► own ──┘
//! ```
//! Invariant: the output pipeline, and with it the window, lives as long as any far side has a seat;
//! one that fails is told and tried again. Nothing is composed for one far side alone. Whoever shows
//! a picture never waits.
//! Must not enter: who speaks (it is told), decoding.

mod check;
mod composing;
mod darkness;
mod error;
mod kms;
mod layout;
mod output;
mod self_view;
mod shape;
mod window;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::watch;

pub use check::check;
pub use error::ScreenError;
pub use layout::{Cell, cells, own_cell};
pub use self_view::SelfView;

use self::composing::{Composition, push};
use self::darkness::Darkness;
use self::layout::Seats;
use self::output::Output;
use super::sink::PictureTap;
pub use crate::call::screen_layout::ScreenLayout as Layout;
pub use crate::call::screen_look::{ScreenArea as Area, ScreenFit as Fit, ScreenPart as Part};
pub use crate::call::screen_self_view::ScreenSelfView as Corner;

/// How often it is looked whether somebody stands still, or sends black only.
const LOOK: Duration = Duration::from_millis(500);
/// An output that fails is tried again so much later.
const RETRY: Duration = Duration::from_secs(1);

/// Where the composed picture goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A window.
    Window {
        /// Whose.
        system: WindowSystem,
        /// Of X11 the display (`:0`), of Wayland the socket (`wayland-1` or a path); without, what
        /// the environment names.
        address: Option<String>,
    },
    /// A screen of the kernel's mode setting, without a window system.
    Kms(KmsSettings),
    /// Given to the application.
    Tap(PictureTap),
}

/// Whose window it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSystem {
    /// Wayland's where the session has it, else X11's.
    Either,
    /// An X server's.
    X11,
    /// A Wayland compositor's.
    Wayland,
}

/// Which screen of the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KmsSettings {
    /// The device, as `/dev/dri/card1`; without, each in turn.
    pub card: Option<PathBuf>,
    /// The connector, as `HDMI-A-1`; without, the first something is connected to.
    pub connector: Option<String>,
    /// Width and height of its mode; without, the one the screen prefers.
    pub mode: Option<(u16, u16)>,
}

/// How pictures are put onto the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What becomes of another shape than the screen's.
    pub fit: Fit,
    /// Left and right are exchanged.
    pub mirror: bool,
    /// How the screen is mounted.
    pub rotation: Rotation,
    /// Which part of the screen is used. Wayland's compositors choose the place themselves.
    pub area: Area,
}

/// How far pictures are turned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// A quarter, clockwise.
    Right,
    /// By half.
    Over,
    /// A quarter, counter-clockwise.
    Left,
}

/// Of an area that is not on the screen.
fn beside((width, height): (u32, u32)) -> String {
    format!("the area is not on the screen, which has {width}x{height} pixels")
}

/// How the screen fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DisplayStatus {
    /// Nobody is to be seen.
    #[default]
    Closed,
    /// It is open.
    Showing,
    /// It does not work, and is tried again each second.
    Failed(String),
}

/// Clones are the same display.
#[derive(Clone)]
pub struct Display(Arc<Inner>);

struct Inner {
    screen: Screen,
    status: watch::Sender<DisplayStatus>,
    state: Mutex<State>,
}

struct State {
    look: Look,
    seats: Seats,
    /// Where the pictures of each seat go now.
    routes: HashMap<u64, gst_app::AppSrc>,
    /// To the thread that runs while there are seats.
    signals: Option<Sender<Signal>>,
}

enum Signal {
    /// Somebody came, left or is to be seen again, or layout or look are others.
    Changed,
    Failed(String),
}

impl Display {
    /// Opens nothing until somebody takes a seat.
    pub fn new(screen: Screen, layout: Layout) -> Self {
        Self(Arc::new(Inner {
            screen,
            status: watch::Sender::default(),
            state: Mutex::new(State {
                look: Look::default(),
                seats: Seats::new(layout),
                routes: HashMap::new(),
                signals: None,
            }),
        }))
    }

    /// Another layout, at once.
    pub fn set_layout(&self, layout: Layout) {
        self.0.change(|state| state.seats.set_layout(layout));
    }

    /// Another look, at once.
    pub fn set_look(&self, look: Look) {
        self.0.change(|state| state.look = look);
    }

    /// How the screen fares, from now on.
    pub fn status(&self) -> watch::Receiver<DisplayStatus> {
        self.0.status.subscribe()
    }

    /// Who speaks, by the number the seat was taken with. Without, it is whose picture began last.
    pub fn set_speaker(&self, far_side: Option<u64>) {
        self.0.change(|state| state.seats.set_speaker(far_side));
    }

    /// A place for the pictures of a far side, until it is dropped.
    pub(super) fn take_seat(&self, far_side: u64) -> Seat {
        let number = next_number();
        {
            let mut state = self.0.state.lock();
            state.seats.join(number, far_side);
            if state.signals.is_none() {
                let (signals, received) = channel();
                state.signals = Some(signals.clone());
                let display = Arc::clone(&self.0);
                let spawned = std::thread::Builder::new()
                    .name("display".into())
                    .spawn(move || run(&display, &signals, &received));
                if let Err(error) = spawned {
                    tracing::error!(%error, "no thread to show pictures on");
                    state.signals = None;
                }
            }
        }
        self.0.change(|_| {});
        self.seat(number)
    }

    /// A place for what the others see, until it is dropped; opens nothing.
    fn take_own_seat(&self, corner: Corner) -> Seat {
        let number = next_number();
        self.0.change(|state| state.seats.join_own(number, corner));
        self.seat(number)
    }

    fn seat(&self, number: u64) -> Seat {
        Seat {
            display: Arc::clone(&self.0),
            number,
            darkness: Mutex::default(),
        }
    }
}

/// Of a seat.
fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display")
            .field("screen", &self.0.screen)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Display {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Display {}

impl Inner {
    /// Once for each news.
    fn tell(&self, status: DisplayStatus) {
        self.status.send_if_modified(|now| {
            let is_news = *now != status;
            if is_news && let DisplayStatus::Failed(reason) = &status {
                tracing::warn!(reason, "nothing is shown on the screen");
            }
            *now = status;
            is_news
        });
    }

    /// Whether nobody has a seat.
    fn is_deserted(&self) -> bool {
        self.state.lock().seats.numbers().is_empty()
    }

    /// Whether that is still so, now that the screen is given back; whoever takes a seat then starts a
    /// thread of its own.
    fn is_left(&self) -> bool {
        let mut state = self.state.lock();
        let is_left = state.seats.numbers().is_empty();
        if is_left {
            state.routes.clear();
            state.signals = None;
            // Before that thread can tell what it does.
            self.tell(DisplayStatus::Closed);
        }
        is_left
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        if let Some(signals) = &state.signals {
            // A thread that has ended shows nothing any more.
            let _ = signals.send(Signal::Changed);
        }
    }
}

/// A place on the screen: a far side's, or the own picture's.
pub(super) struct Seat {
    display: Arc<Inner>,
    number: u64,
    darkness: Mutex<Darkness>,
}

impl Seat {
    /// On GStreamer's thread; never waits.
    pub(super) fn show(&self, sample: gst::Sample) {
        let is_black = self.darkness.lock().is_black(&sample);
        let mut state = self.display.state.lock();
        let moves_again = state.seats.picture(self.number, is_black, Instant::now());
        if moves_again && let Some(signals) = &state.signals {
            let _ = signals.send(Signal::Changed);
        }
        let route = state.routes.get(&self.number).cloned();
        drop(state);
        if let Some(route) = route {
            push(&route, sample);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.display.change(|state| {
            state.routes.remove(&self.number);
            state.seats.leave(self.number);
        });
    }
}

/// Until nobody has a seat.
fn run(display: &Inner, signals: &Sender<Signal>, received: &Receiver<Signal>) {
    let mut has_failed = false;
    loop {
        let shown = show(display, signals, received, has_failed);
        has_failed = shown.is_err();
        match shown {
            Ok(Shown::ToTheEnd) => {
                if display.is_left() {
                    return;
                }
            }
            Ok(Shown::UntilOpenedAnew) => display.state.lock().routes.clear(),
            Err(reason) => {
                display.state.lock().routes.clear();
                display.tell(DisplayStatus::Failed(reason));
                let again = Instant::now() + RETRY;
                // Until then nothing can be done about what happens.
                while received
                    .recv_timeout(again.saturating_duration_since(Instant::now()))
                    .is_ok()
                {}
                if display.is_left() {
                    return;
                }
            }
        }
    }
}

/// Why a display that did not fail ended.
enum Shown {
    /// Nobody has a seat any more.
    ToTheEnd,
    /// What is wanted of it now, an open one cannot do.
    UntilOpenedAnew,
}

fn show(
    display: &Inner,
    signals: &Sender<Signal>,
    received: &Receiver<Signal>,
    has_failed: bool,
) -> Result<Shown, String> {
    super::initialise().map_err(|error| error.to_string())?;
    let look = display.state.lock().look;
    // What was told of an output that is closed is of no interest any more.
    while received.try_recv().is_ok() {}
    let mut output = Output::open(&display.screen, look, failing(signals))?;
    // One that fails with each first picture would be news twice a second.
    let proven = Instant::now() + if has_failed { RETRY } else { Duration::ZERO };
    let mut is_told = false;
    let mut composition: Option<Composition> = None;
    loop {
        if display.is_deserted() {
            return Ok(Shown::ToTheEnd);
        }
        let look = display.state.lock().look;
        if !output.set_look(look) {
            return Ok(Shown::UntilOpenedAnew);
        }
        arrange(display, &output, &mut composition, signals)?;
        let left = proven.saturating_duration_since(Instant::now());
        if !is_told && left.is_zero() {
            is_told = true;
            display.tell(DisplayStatus::Showing);
        }
        let patience = if composition.is_some() || output.wants_a_look() {
            LOOK
        } else if !is_told {
            left
        } else {
            Duration::from_secs(3_600)
        };
        match received.recv_timeout(patience) {
            Ok(Signal::Failed(reason)) => return Err(reason),
            Err(RecvTimeoutError::Timeout) => output.look()?,
            Ok(Signal::Changed) | Err(RecvTimeoutError::Disconnected) => {}
        }
    }
}

fn failing(signals: &Sender<Signal>) -> impl Fn(String) + Send + Sync + Clone + 'static {
    let signals = signals.clone();
    move |reason| {
        // A thread that has ended needs no more failures.
        let _ = signals.send(Signal::Failed(reason));
    }
}

/// Leads everybody's pictures to where they belong now.
fn arrange(
    display: &Inner,
    output: &Output,
    composition: &mut Option<Composition>,
    signals: &Sender<Signal>,
) -> Result<(), String> {
    let (present, own) = {
        let state = display.state.lock();
        (state.seats.numbers(), state.seats.own())
    };
    match present.as_slice() {
        [alone] => {
            let mut state = display.state.lock();
            let routes = [(*alone, output.input().clone())];
            state.routes = HashMap::from(routes);
            drop(state);
            // After nobody is led to it any more.
            *composition = None;
        }
        several => {
            let size = output.canvas();
            if composition
                .as_ref()
                .is_none_or(|now| now.seats() != several || now.size() != size)
            {
                let next = Composition::open(several, own, size, output.input(), failing(signals))?;
                let routes = next.inputs();
                display.state.lock().routes = routes;
                *composition = Some(next);
            }
        }
    }
    if let Some(composition) = composition {
        let state = display.state.lock();
        let places = state.seats.places(composition.size(), Instant::now());
        drop(state);
        composition.place(&places);
    }
    Ok(())
}
