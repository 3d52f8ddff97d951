//! Why a screen does not open.

use std::io;
use std::path::PathBuf;

/// Why a screen does not open. What it says names the screen.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// Neither the configuration nor the environment names one.
    #[error(
        "there is no window system: neither WAYLAND_DISPLAY nor DISPLAY is in the environment, and \
         `[display] address` names none; `sink = \"kms\"` shows without one"
    )]
    NoWindowSystem,
    /// No X server is named, there is none, or it does not let us in.
    #[error("{0}")]
    XServer(String),
    /// The same of a Wayland compositor, or it lacks what a window needs.
    #[error("{0}")]
    Compositor(String),
    /// The kernel has no device of screens in this folder.
    #[error("the kernel has no screens: there is no {}/card*", .0.display())]
    NoCard(PathBuf),
    /// A device of screens does not open, or does not tell what it has.
    #[error("{}: {source}", card.display())]
    Card {
        /// Its file.
        card: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such connector, or nothing is connected to it.
    #[error("{0}")]
    Connector(String),
    /// The screen has no such mode.
    #[error("{0}")]
    Mode(String),
    /// Another program has the screens, as a desktop does.
    #[error("{}: another program has the screens: {source}", card.display())]
    Taken {
        /// The file of their device.
        card: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A part of GStreamer is missing.
    #[error("{0}")]
    Element(String),
}
