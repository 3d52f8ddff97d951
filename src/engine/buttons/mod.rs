//! The `Buttons` actor: push buttons on GPIO lines, and what they ring.
//!
//! Invariant: a press is one event and at most one ring, however long the button is held; a button
//! that stays pressed through a start rings nobody.
//! Must not enter: what a ring does (that is `Bell`), what else follows a press (that are rules).

mod press;

use std::time::Duration;

use actix::prelude::*;

use super::bell::RingBell;
use super::board::Board;
use super::event::{EventKind, unix_ms};
use super::mailbox::MAILBOX_CAPACITY;
use super::state::ButtonState;
use super::supervised::{Life, supervised};
use super::talking::TalkNow;
use super::wiring::Wiring;
use crate::base::backoff::Backoff;
use crate::config::{Button, GpioLine, Level, Pull};
use crate::device::gpio::{Bias, Input, InputSettings, LineError, Wanted};
use press::{Change, Press};

/// How long `Bell` may take to begin a ring.
const RING_LIMIT: Duration = Duration::from_secs(10);

/// The actor.
pub struct Buttons {
    _life: Life,
    wiring: Wiring,
}

supervised!(Buttons);

impl Buttons {
    /// Nothing is read yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
        }
    }
}

impl Actor for Buttons {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        for button in &self.wiring.config.buttons {
            let watching = watch(self.wiring.clone(), button.clone());
            ctx.spawn(watching.into_actor(self));
        }
    }
}

/// The line as the devices' layer names it.
pub(super) fn wanted(line: &GpioLine) -> Wanted<'_> {
    match line {
        GpioLine::Named(name) => Wanted::Named(name),
        GpioLine::Numbered { chip, number } => Wanted::Numbered {
            chip,
            number: *number,
        },
    }
}

fn settings(button: &Button) -> InputSettings {
    InputSettings {
        active_low: button.active == Level::Low,
        bias: match button.pull {
            Pull::Up => Some(Bias::PullUp),
            Pull::Down => Some(Bias::PullDown),
            Pull::None => Some(Bias::Disabled),
            Pull::AsIs => None,
        },
        debounce: Duration::from_millis(button.debounce_ms.into()),
    }
}

/// Reads one button for as long as the actor lives, through every trouble with its line.
async fn watch(wiring: Wiring, button: Button) {
    let mut backoff = Backoff::standard();
    let mut told = false;
    loop {
        let Err(error) = read(&wiring, &button, &mut backoff, &mut told).await;
        if !told {
            told = true;
            tracing::error!(button = button.name, line = %button.line, %error, "a button cannot be read");
        }
        show(&wiring.board, &button.name, |state| {
            state.pressed = false;
            state.fault = Some(error.to_string());
        });
        // Its release would not be seen.
        talk(&wiring, &button, false);
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

async fn read(
    wiring: &Wiring,
    button: &Button,
    backoff: &mut Backoff,
    told: &mut bool,
) -> Result<std::convert::Infallible, LineError> {
    let (input, pressed) = Input::open(wanted(&button.line), settings(button))?;
    backoff.reset();
    *told = false;
    show(&wiring.board, &button.name, |state| {
        state.pressed = pressed;
        state.fault = None;
    });
    let mut press = Press::new(pressed);
    loop {
        let Some(change) = press.on(input.next().await?) else {
            continue;
        };
        show(&wiring.board, &button.name, |state| match change {
            Change::Pressed => {
                state.pressed = true;
                state.last_pressed = Some(unix_ms());
            }
            Change::Released { .. } => state.pressed = false,
        });
        match change {
            Change::Pressed => {
                wiring.board.publish(EventKind::ButtonPressed {
                    button: button.name.clone(),
                });
                ring(wiring, button);
                talk(wiring, button, true);
            }
            Change::Released { held } => {
                talk(wiring, button, false);
                wiring.board.publish(EventKind::ButtonReleased {
                    button: button.name.clone(),
                    held_ms: u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
    }
}

/// Begins a ring; the button is read on meanwhile.
fn ring(wiring: &Wiring, button: &Button) {
    if !button.rings {
        return;
    }
    let (wiring, button) = (wiring.clone(), button.clone());
    actix::spawn(async move {
        let ring = RingBell {
            targets: button.targets,
        };
        let trouble = match wiring.slots.bell.ask(ring, RING_LIMIT).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.message,
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            button = button.name,
            error = trouble,
            "a press rings nobody"
        );
    });
}

/// Somebody talks as long as the button is held; in order, as the mailbox keeps it.
fn talk(wiring: &Wiring, button: &Button, on: bool) {
    // An audio actor that is being replaced begins with nobody talking. Why somebody cannot talk is
    // plain to whoever stands there: there is no call.
    if button.talks {
        let _ = wiring.slots.audio.tell(TalkNow(on));
    }
}

fn show(board: &Board, button: &str, change: impl FnOnce(&mut ButtonState)) {
    board.update(|state| change(state.door.buttons.entry(button.to_owned()).or_default()));
}
