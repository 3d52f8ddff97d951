//! The connection to an X server. Its protocol is spoken here and not by Xlib, as GStreamer's
//! elements do: Xlib ends the whole process when the X server goes away.

use x11rb::connection::Connection;
use x11rb::protocol::xproto::ImageOrder;
use x11rb::rust_connection::RustConnection;

/// The highest display: each has a port of its own, from 6000 on.
const HIGHEST: u16 = u16::MAX - 6000;

/// A server whose pixels are four bytes: blue, green, red and one unused.
pub(super) struct XServer {
    /// Its name, as `:0`.
    pub(super) display: String,
    pub(super) connection: RustConnection,
    /// The window that is the whole screen.
    pub(super) root: u32,
    /// Bits of colour.
    pub(super) depth: u8,
    /// Of the whole screen, pixels, when it was opened.
    pub(super) size: (u16, u16),
}

impl XServer {
    /// Without an address, what `DISPLAY` names; `how` says where else one is named.
    pub(super) fn open(address: Option<&str>, how: &str) -> Result<Self, String> {
        let named = address.map(str::to_owned);
        let Some(display) = named.or_else(|| std::env::var("DISPLAY").ok()) else {
            return Err(format!(
                "no X server is named: {how} in the configuration, or DISPLAY in the environment"
            ));
        };
        let failed = |reason: String| format!("X server {display}: {reason}");
        // The library adds it to a port number without a look, and so ends this thread.
        let number = display.rsplit(':').next().unwrap_or_default();
        let number = number.split('.').next().unwrap_or_default();
        if number.parse::<u16>().is_ok_and(|number| number > HIGHEST) {
            return Err(failed(format!("displays are 0 to {HIGHEST}")));
        }
        let (connection, number) =
            x11rb::connect(Some(&display)).map_err(|error| failed(error.to_string()))?;
        let setup = connection.setup();
        let root = setup.roots.get(number).ok_or("no such screen");
        let root = root.map_err(|reason| failed(reason.into()))?;
        let is_rgb = setup.image_byte_order == ImageOrder::LSB_FIRST
            && setup
                .pixmap_formats
                .iter()
                .any(|format| format.depth == root.root_depth && format.bits_per_pixel == 32);
        if !is_rgb {
            let depth = root.root_depth;
            return Err(failed(format!(
                "its screen has {depth} bits of colour and not 24"
            )));
        }
        let size = (root.width_in_pixels, root.height_in_pixels);
        let (root, depth) = (root.root, root.root_depth);
        Ok(Self {
            display,
            connection,
            root,
            depth,
            size,
        })
    }
}
