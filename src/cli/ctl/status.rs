//! `ctl status` and `ctl stats`: the device's retained state, once or at every change.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::place::{Place, PlaceError};
use super::table;
use crate::control::remote::{Heard, RemoteError};

/// How often ages on a watched screen are told anew.
const AGES_EVERY: Duration = Duration::from_secs(1);

/// What of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Every part.
    Whole,
    /// How the media of the present call does.
    Call,
}

/// What is known of the device.
#[derive(Default)]
struct Seen {
    availability: Option<String>,
    state: Value,
    /// Whether what was known is worth nothing any more, for the broker is away.
    is_cut_off: bool,
}

impl Seen {
    /// Whether the message changed what is shown.
    fn take(&mut self, place: &Place, heard: &Heard) -> bool {
        match place.below(heard) {
            Some("availability") => {
                let text = String::from_utf8_lossy(&heard.payload).into_owned();
                self.availability = Some(text);
            }
            Some("state") => self.state = heard.json(),
            _ => return false,
        }
        true
    }

    /// Takes all that was heard by now.
    fn take_all(&mut self, place: &Place, heard: &mut broadcast::Receiver<Heard>) {
        loop {
            match heard.try_recv() {
                Ok(message) => drop(self.take(place, &message)),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Whom there is to wait for.
    fn waits_for(&self) -> Option<&'static str> {
        match (self.is_cut_off, &self.availability) {
            (true, _) => Some("broker"),
            (false, None) => Some("device"),
            (false, Some(_)) => None,
        }
    }

    /// Prints it; on a terminal that is watched, over what was there before.
    fn show(&self, device: &str, view: View, json: bool, over: bool) -> std::io::Result<()> {
        let availability = self.availability.as_deref().unwrap_or("unknown");
        let waits_for = self.waits_for();
        if json {
            let mut status = match view {
                View::Whole => json!({
                    "device": device, "availability": availability, "state": self.state,
                }),
                View::Call => json!({ "device": device, "call": self.state["call"] }),
            };
            if let Some(whom) = waits_for {
                status["waits_for"] = whom.into();
            }
            return writeln!(std::io::stdout(), "{status}");
        }
        let mut text = match (waits_for, view) {
            (Some("broker"), _) => format!("{device}: the broker went away; waiting for it\n"),
            (Some(_), _) => format!("{device}: the broker knows nothing of it; waiting for it\n"),
            (None, View::Whole) => table::status(device, availability, &self.state),
            (None, View::Call) => table::stats(device, &self.state["call"]),
        };
        if over {
            // Every line clears the rest of its own, and the last all below: nothing flickers.
            text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"));
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Shows the status; with `watch` until Ctrl-C, also where the broker goes and comes back, with or
/// without what it kept of the device.
///
/// # Errors
/// Without `watch`, when the broker has never heard of the device.
pub async fn show(
    place: &Place,
    mut heard: broadcast::Receiver<Heard>,
    view: View,
    watch: bool,
    json: bool,
) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    seen.take_all(place, &mut heard);
    if !watch {
        if seen.availability.is_none() {
            let unknown = format!("the broker has never heard of a device {:?}", place.device);
            return Err(PlaceError::Device(unknown).into());
        }
        seen.show(&place.device, view, json, false)?;
        return Ok(());
    }
    let mut connection = place.connection();
    let mut losses = 0;
    let clears = !json && std::io::stdout().is_terminal();
    if clears {
        print!("\x1b[2J");
    }
    loop {
        seen.show(&place.device, view, json, clears)?;
        let second = tokio::time::sleep(AGES_EVERY);
        tokio::pin!(second);
        loop {
            tokio::select! {
                // A loss is seen before what is heard after it.
                biased;
                changed = connection.changed() => {
                    changed.map_err(|_| RemoteError::Lost)?;
                    let now = *connection.borrow_and_update();
                    if now.losses != losses {
                        // A broker that comes back may have lost what it kept.
                        losses = now.losses;
                        seen = Seen::default();
                    }
                    // If it is lost again meanwhile, the next change tells.
                    seen.is_cut_off = !(now.is_up && place.settle().await.is_ok());
                    seen.take_all(place, &mut heard);
                    break;
                }
                heard = heard.recv() => match heard {
                    Ok(message) if seen.take(place, &message) => break,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(RemoteError::Lost.into()),
                },
                // What is told by its age grows older also while nothing happens.
                () = &mut second, if clears => break,
            }
        }
    }
}
