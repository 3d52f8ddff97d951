//! What is attached to this machine: cameras through V4L2, sound cards through ALSA, relays and
//! buttons through GPIO chips.
//!
//! Invariant: looking changes nothing; only a line of `gpio` that was opened is moved, only
//! `mixer` sets a volume, and only `controls` sets what a camera can be set to. A device is opened to be asked what it can do, never to
//! capture or play, so that a daemon at work is not disturbed.
//! Must not enter: GStreamer (`media` captures and plays), configuration, what a device is for.

pub mod cameras;
pub mod controls;
pub mod gpio;
pub mod mixer;
pub mod sound;

use std::io;
use std::path::Path;

/// What a person can do about a device node that would not open.
pub fn remedy(path: &Path, error: &io::Error, group: &str) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{shown} is not open to this user: `adduser USER {group}`, then log in again")
        }
        io::ErrorKind::ResourceBusy => {
            format!("{shown} is in use by another program: end that one, or give it another device")
        }
        io::ErrorKind::NotFound if group == "video" => format!(
            "there is no {shown}: is the camera plugged in, and one on a ribbon cable enabled in \
             config.txt? `cubelet devices` lists what there is"
        ),
        _ => format!("{shown}: {error}"),
    }
}
