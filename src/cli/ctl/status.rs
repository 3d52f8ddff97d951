//! `ctl status`: the device's retained state, once or at every change.

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

#[derive(Default)]
struct Seen {
    availability: Option<String>,
    state: Value,
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

    /// Prints it; on a terminal that is watched, over what was there before.
    fn show(&self, device: &str, json: bool, over: bool) -> std::io::Result<()> {
        let availability = self.availability.as_deref().unwrap_or("unknown");
        if json {
            let status = json!({
                "device": device, "availability": availability, "state": self.state,
            });
            return writeln!(std::io::stdout(), "{status}");
        }
        let mut text = table::status(device, availability, &self.state);
        if over {
            // Every line clears the rest of its own, and the last all below: nothing flickers.
            text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"));
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Shows the status; with `watch` until the broker goes or Ctrl-C.
///
/// # Errors
/// When the broker has never heard of the device.
pub async fn show(
    place: &Place,
    mut heard: broadcast::Receiver<Heard>,
    watch: bool,
    json: bool,
) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    loop {
        match heard.try_recv() {
            Ok(message) => drop(seen.take(place, &message)),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    if seen.availability.is_none() {
        let unknown = format!("the broker has never heard of a device {:?}", place.device);
        return Err(PlaceError::Device(unknown).into());
    }
    let clears = !json && watch && std::io::stdout().is_terminal();
    if clears {
        print!("\x1b[2J");
    }
    loop {
        seen.show(&place.device, json, clears)?;
        if !watch {
            return Ok(());
        }
        let second = tokio::time::sleep(AGES_EVERY);
        tokio::pin!(second);
        loop {
            let heard = tokio::select! {
                heard = heard.recv() => heard,
                // What is told by its age grows older also while nothing happens.
                () = &mut second, if clears => break,
            };
            match heard {
                Ok(message) if seen.take(place, &message) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(RemoteError::Lost.into()),
            }
        }
    }
}
