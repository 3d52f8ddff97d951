//! One screen for any number of far sides.
//!
//! ```text
//! decoder ──► seat ─┬─ alone ────────────────────────┐
//! decoder ──► seat ─┴─ several ──► composing pipeline ┴──► output pipeline (window, tap)
//! ```
//! Invariant: the output pipeline, and with it the window, lives as long as anybody has a seat, and
//! nothing is composed for one far side alone. Whoever shows a picture never waits.
//! Must not enter: who speaks (it is told), decoding.

mod composing;
mod darkness;
mod layout;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

pub use layout::{Cell, cells};

use self::composing::{Composition, Output, push};
use self::darkness::Darkness;
use self::layout::Seats;
use super::sink::PictureTap;
pub use crate::call::screen_layout::ScreenLayout as Layout;

/// How often it is looked whether somebody stands still, or sends black only.
const LOOK: Duration = Duration::from_millis(500);
/// An output that fails is tried again so much later.
const RETRY: Duration = Duration::from_secs(1);

/// Where the composed picture goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A window, or the whole display where there is no window system.
    Window,
    /// Given to the application.
    Tap(PictureTap),
}

/// Clones are the same display.
#[derive(Clone)]
pub struct Display(Arc<Inner>);

struct Inner {
    screen: Screen,
    state: Mutex<State>,
}

struct State {
    seats: Seats,
    /// Where the pictures of each seat go now.
    routes: HashMap<u64, gst_app::AppSrc>,
    /// To the thread that runs while there are seats.
    signals: Option<Sender<Signal>>,
}

enum Signal {
    /// Somebody came, left or is to be seen again, or the layout is another.
    Changed,
    Failed(String),
}

impl Display {
    /// Opens nothing until somebody takes a seat.
    pub fn new(screen: Screen, layout: Layout) -> Self {
        Self(Arc::new(Inner {
            screen,
            state: Mutex::new(State {
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

    /// Who speaks, by the number the seat was taken with. Without, it is whose picture began last.
    pub fn set_speaker(&self, far_side: Option<u64>) {
        self.0.change(|state| state.seats.set_speaker(far_side));
    }

    /// A place for the pictures of a far side, until it is dropped.
    pub(super) fn take_seat(&self, far_side: u64) -> Seat {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
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
        Seat {
            display: Arc::clone(&self.0),
            number,
            darkness: Mutex::default(),
        }
    }
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
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        if let Some(signals) = &state.signals {
            // A thread that has ended shows nothing any more.
            let _ = signals.send(Signal::Changed);
        }
    }
}

/// A far side's place on the screen.
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
    while let Err(reason) = show(display, signals, received) {
        tracing::warn!(reason, "nothing is shown on the screen");
        display.state.lock().routes.clear();
        let again = Instant::now() + RETRY;
        // Until then nothing can be done about what happens.
        while received
            .recv_timeout(again.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
    }
}

/// `Ok` when nobody has a seat any more.
fn show(
    display: &Inner,
    signals: &Sender<Signal>,
    received: &Receiver<Signal>,
) -> Result<(), String> {
    super::initialise().map_err(|error| error.to_string())?;
    let output = Output::open(&display.screen, failing(signals))?;
    let mut composition: Option<Composition> = None;
    loop {
        let ended = {
            let mut state = display.state.lock();
            let present = state.seats.numbers();
            if present.is_empty() {
                state.routes.clear();
                // Whoever comes next starts a thread of its own.
                state.signals = None;
                true
            } else {
                false
            }
        };
        if ended {
            return Ok(());
        }
        arrange(display, &output, &mut composition, signals)?;
        let patience = match composition {
            Some(_) => LOOK,
            None => Duration::from_secs(3_600),
        };
        match received.recv_timeout(patience) {
            Ok(Signal::Failed(reason)) => return Err(reason),
            Ok(Signal::Changed)
            | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

fn failing(signals: &Sender<Signal>) -> impl Fn(String) + Send + Sync + 'static {
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
    let present = display.state.lock().seats.numbers();
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
            if composition
                .as_ref()
                .is_none_or(|now| now.seats() != several)
            {
                let next = Composition::open(several, output.input(), failing(signals))?;
                let routes = next.inputs();
                display.state.lock().routes = routes;
                *composition = Some(next);
            }
        }
    }
    if let Some(composition) = composition {
        let state = display.state.lock();
        let places = state.seats.places(composing::SIZE, Instant::now());
        drop(state);
        composition.place(&places);
    }
    Ok(())
}
