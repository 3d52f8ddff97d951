//! Windows: of X11 and of Wayland, by their protocols and not by GStreamer's sinks. Of those, the
//! one of X11 ends the whole process with the X server (Xlib does), and the one of Wayland never
//! notices that its compositor ended.
//!
//! Invariant: a window that is gone, with its server or without, is an error at the next picture or
//! look; nothing else of the process is touched.
//! Must not enter: pipelines, what a picture shows.

mod wayland;
mod x11;

use super::error::ScreenError;
use super::{Area, WindowSystem};

/// A window that is open.
pub(super) enum Window {
    X11(Box<x11::Window>),
    Wayland(Box<wayland::Window>),
}

impl Window {
    /// `address`: a display of X11 (`:0`) or a socket of Wayland (`wayland-1` or a path); without,
    /// what the environment names.
    pub(super) fn open(
        system: WindowSystem,
        address: Option<&str>,
        area: Area,
    ) -> Result<Self, String> {
        let system = match system {
            WindowSystem::Either => present(address).map_err(|error| error.to_string())?,
            named => named,
        };
        match system {
            WindowSystem::Wayland => {
                let window = wayland::Window::open(address, area)?;
                Ok(Self::Wayland(Box::new(window)))
            }
            WindowSystem::X11 | WindowSystem::Either => {
                let window = x11::Window::open(address, area)?;
                Ok(Self::X11(Box::new(window)))
            }
        }
    }

    /// Pixels, as of the last [`Window::look`].
    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Self::X11(window) => window.size(),
            Self::Wayland(window) => window.size(),
        }
    }

    /// Hears what its server has to say.
    pub(super) fn look(&mut self) -> Result<(), String> {
        match self {
            Self::X11(window) => window.look(),
            Self::Wayland(window) => window.look(),
        }
    }

    /// Pixels of 4 bytes (blue, green, red, unused), rows without gaps.
    pub(super) fn show(&mut self, pixels: &[u8], size: (u32, u32)) -> Result<(), String> {
        match self {
            Self::X11(window) => window.show(pixels, size),
            Self::Wayland(window) => window.show(pixels, size),
        }
    }
}

/// Whether its window system lets us in, and which it is; no window appears.
pub(super) fn reach(system: WindowSystem, address: Option<&str>) -> Result<String, ScreenError> {
    let system = match system {
        WindowSystem::Either => present(address)?,
        named => named,
    };
    match system {
        WindowSystem::Wayland => wayland::reach(address).map_err(ScreenError::Compositor),
        WindowSystem::X11 | WindowSystem::Either => {
            x11::reach(address).map_err(ScreenError::XServer)
        }
    }
}

/// Which of them an address, or else this session, is of.
fn present(address: Option<&str>) -> Result<WindowSystem, ScreenError> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match address {
        Some(address) if address.contains(':') => Ok(WindowSystem::X11),
        Some(_) => Ok(WindowSystem::Wayland),
        None if is_set("WAYLAND_DISPLAY") => Ok(WindowSystem::Wayland),
        None if is_set("DISPLAY") => Ok(WindowSystem::X11),
        None => Err(ScreenError::NoWindowSystem),
    }
}
