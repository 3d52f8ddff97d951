//! Whether a screen would open, without showing anything on it.

use gstreamer as gst;

use super::error::ScreenError;
use super::{Screen, kms, shape, window};

/// What there is, in a few words. Blocks for as long as a window system takes to answer, for ever
/// if it does not. Takes a screen of the kernel's for a moment, and gives it back.
///
/// # Errors
/// Why it would not open.
pub fn check(screen: &Screen) -> Result<String, ScreenError> {
    let (found, sink) = match screen {
        Screen::Window { system, address } => {
            (window::reach(*system, address.as_deref())?, "fakesink")
        }
        Screen::Kms(settings) => (kms::Screen::open(settings)?.to_string(), kms::ELEMENT),
        Screen::Tap(_) => ("the application's own".to_owned(), "fakesink"),
    };
    crate::media::initialise().map_err(|error| ScreenError::Element(error.to_string()))?;
    // Made and not started, so that none of them touches a device.
    gst::parse::launch(&format!("{} ! {sink}", shape::ELEMENTS))
        .map_err(|error| ScreenError::Element(error.to_string()))?;
    Ok(found)
}
