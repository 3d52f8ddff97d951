//! A window of an X server.

use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt, CreateGCAux, CreateWindowAux, EventMask, ImageFormat, PropMode,
    WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::super::super::x_server::XServer;
use super::super::{Area, beside};

/// Bytes of a request that are no pixels, and then some.
const HEADER: usize = 64;
/// Where a server is named.
const NAMED_BY: &str = "`[display] address`";

pub(in super::super) struct Window {
    server: XServer,
    window: u32,
    context: u32,
    size: (u16, u16),
}

/// What a window would be on.
pub(super) fn reach(address: Option<&str>) -> Result<String, String> {
    let server = XServer::open(address, NAMED_BY)?;
    let (width, height) = server.size;
    Ok(format!("X server {}, {width}x{height}", server.display))
}

impl Window {
    pub(super) fn open(address: Option<&str>, area: Area) -> Result<Self, String> {
        let server = XServer::open(address, NAMED_BY)?;
        let (x, y, size) = match area {
            Area::Full => (0, 0, server.size),
            Area::Part(part) => {
                let screen = (server.size.0.into(), server.size.1.into());
                let part = part.on(screen).ok_or_else(|| beside(screen))?;
                // Below 2^13 each.
                (part.x as i16, part.y as i16, (part.width, part.height))
            }
        };
        let number = || server.connection.generate_id().map_err(words);
        let (window, context) = (number()?, number()?);
        let made = Self {
            server,
            window,
            context,
            size,
        };
        made.put_up(x, y, area).map_err(words)?;
        Ok(made)
    }

    fn put_up(
        &self,
        x: i16,
        y: i16,
        area: Area,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (connection, window) = (&self.server.connection, self.window);
        let atom = |name: &str| connection.intern_atom(false, name.as_bytes());
        let [state, fullscreen, plain] = [
            "_NET_WM_STATE",
            "_NET_WM_STATE_FULLSCREEN",
            "_MOTIF_WM_HINTS",
        ]
        .map(atom);
        let aux = CreateWindowAux::new()
            .background_pixel(0)
            .event_mask(EventMask::STRUCTURE_NOTIFY);
        connection.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            self.server.root,
            x,
            y,
            self.size.0,
            self.size.1,
            0,
            WindowClass::INPUT_OUTPUT,
            x11rb::COPY_FROM_PARENT,
            &aux,
        )?;
        connection.create_gc(self.context, window, &CreateGCAux::new())?;
        for (property, text) in [
            (AtomEnum::WM_NAME, "cubelet"),
            (AtomEnum::WM_CLASS, "cubelet\0cubelet\0"),
        ] {
            let text = text.as_bytes();
            connection.change_property8(
                PropMode::REPLACE,
                window,
                property,
                AtomEnum::STRING,
                text,
            )?;
        }
        if area == Area::Full {
            let all = [fullscreen?.reply()?.atom];
            connection.change_property32(
                PropMode::REPLACE,
                window,
                state?.reply()?.atom,
                AtomEnum::ATOM,
                &all,
            )?;
        } else {
            // Place and size as asked for (USPosition, USSize), as window managers keep them.
            let mut hints = [0_u32; 18];
            hints[0] = 0b11;
            connection.change_property32(
                PropMode::REPLACE,
                window,
                AtomEnum::WM_NORMAL_HINTS,
                AtomEnum::WM_SIZE_HINTS,
                &hints,
            )?;
            // Of these hints the decorations are meant (bit 1), and there are none.
            let plain = plain?.reply()?.atom;
            connection.change_property32(
                PropMode::REPLACE,
                window,
                plain,
                plain,
                &[0b10, 0, 0, 0, 0],
            )?;
        }
        // Checked, so that a server that refuses it says so here.
        connection.map_window(window)?.check()?;
        Ok(())
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.size.0.into(), self.size.1.into())
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        while let Some(event) = self.server.connection.poll_for_event().map_err(words)? {
            match event {
                Event::ConfigureNotify(now) if now.window == self.window => {
                    self.size = (now.width, now.height);
                }
                Event::DestroyNotify(now) if now.window == self.window => {
                    return Err("its window was closed".into());
                }
                Event::Error(error) => return Err(format!("the X server: {:?}", error.error_kind)),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn show(
        &mut self,
        pixels: &[u8],
        (width, height): (u32, u32),
    ) -> Result<(), String> {
        let connection = &self.server.connection;
        let row = width as usize * 4;
        let most = connection.maximum_request_bytes().saturating_sub(HEADER) / row.max(1);
        let (Ok(width), Ok(_)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err("no window of X11 is that large".into());
        };
        let mut y = 0_i16;
        for rows in pixels.chunks(row * most.clamp(1, i16::MAX as usize)) {
            let high = (rows.len() / row) as u16;
            connection
                .put_image(
                    ImageFormat::Z_PIXMAP,
                    self.window,
                    self.context,
                    width,
                    high,
                    0,
                    y,
                    0,
                    self.server.depth,
                    rows,
                )
                .map_err(words)?;
            y = y.saturating_add_unsigned(high);
        }
        connection.flush().map_err(words)
    }
}

fn words(error: impl std::fmt::Display) -> String {
    format!("the X server: {error}")
}
