//! A window of a Wayland compositor. Its pixels are in memory both sides share, which is written to
//! as a file.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use wayland_client::backend::WaylandError;
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::{
    wl_buffer, wl_compositor, wl_registry, wl_shm, wl_shm_pool, wl_surface,
};
use wayland_client::{Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::xdg::shell::client::{xdg_surface, xdg_toplevel, xdg_wm_base};

use super::super::Area;

/// For a compositor to say how large a window is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pictures a compositor may hold at once; further ones are dropped.
const BUFFERS: usize = 3;

pub(in super::super) struct Window {
    connection: Connection,
    queue: EventQueue<State>,
    state: State,
    shm: wl_shm::WlShm,
    surface: wl_surface::WlSurface,
    buffers: Vec<Picture>,
}

/// Of a window with a part of the screen, whose size is not known here, pixels each way.
const WIDEST: u32 = 4_096;

/// What the compositor said.
struct State {
    area: Area,
    size: (u32, u32),
    is_configured: bool,
    is_closed: bool,
    /// What it no longer shows.
    released: Vec<wl_buffer::WlBuffer>,
}

/// A picture's memory.
struct Picture {
    memory: File,
    buffer: wl_buffer::WlBuffer,
    size: (u32, u32),
    is_shown: bool,
}

/// What a window needs of a compositor.
struct Compositor {
    connection: Connection,
    queue: EventQueue<State>,
    surfaces: wl_compositor::WlCompositor,
    shm: wl_shm::WlShm,
    shell: xdg_wm_base::XdgWmBase,
}

/// What a window would be of.
pub(super) fn reach(address: Option<&str>) -> Result<String, String> {
    with_compositor(address, |path, _| {
        Ok(format!("Wayland at {}", path.display()))
    })
}

/// Errors of `then` name the socket as well.
fn with_compositor<T>(
    address: Option<&str>,
    then: impl FnOnce(&Path, Compositor) -> Result<T, String>,
) -> Result<T, String> {
    let path = socket(address)?;
    let failed = |reason: String| format!("Wayland at {}: {reason}", path.display());
    let stream = UnixStream::connect(&path).map_err(|error| failed(error.to_string()))?;
    Compositor::over(stream)
        .and_then(|compositor| then(&path, compositor))
        .map_err(failed)
}

impl Compositor {
    fn over(stream: UnixStream) -> Result<Self, String> {
        let connection = Connection::from_socket(stream).map_err(words)?;
        let (globals, queue) = registry_queue_init::<State>(&connection).map_err(words)?;
        let handle = queue.handle();
        let lacks = |error| format!("the compositor lacks what a window needs: {error}");
        Ok(Self {
            surfaces: globals.bind(&handle, 4..=4, ()).map_err(lacks)?,
            shm: globals.bind(&handle, 1..=1, ()).map_err(lacks)?,
            shell: globals.bind(&handle, 1..=1, ()).map_err(lacks)?,
            connection,
            queue,
        })
    }
}

impl Window {
    pub(super) fn open(address: Option<&str>, area: Area) -> Result<Self, String> {
        with_compositor(address, |_, compositor| Self::of(compositor, area))
    }

    fn of(compositor: Compositor, area: Area) -> Result<Self, String> {
        let Compositor {
            connection,
            queue,
            surfaces,
            shm,
            shell,
        } = compositor;
        let handle = queue.handle();
        let surface = surfaces.create_surface(&handle, ());
        let framed = shell.get_xdg_surface(&surface, &handle, ());
        let window = framed.get_toplevel(&handle, ());
        window.set_title("cubelet".into());
        window.set_app_id("cubelet".into());
        let size = match area {
            Area::Full => {
                window.set_fullscreen(None);
                // Where a compositor leaves the size to the window.
                (1280, 720)
            }
            // Its place is the compositor's, and with it how much of it is seen.
            Area::Part(part) => {
                let most = |pixels: u16| u32::from(pixels).min(WIDEST);
                (most(part.width), most(part.height))
            }
        };
        surface.commit();
        let mut made = Self {
            connection,
            queue,
            state: State {
                area,
                size,
                is_configured: false,
                is_closed: false,
                released: Vec::new(),
            },
            shm,
            surface,
            buffers: Vec::new(),
        };
        made.wait_for_a_size()?;
        Ok(made)
    }

    /// Nothing may be shown before the compositor has said how large it is.
    fn wait_for_a_size(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.look()?;
            let left = end.saturating_duration_since(Instant::now());
            if self.state.is_configured {
                return Ok(());
            }
            if left.is_zero() {
                return Err("the compositor does not answer".into());
            }
            let socket = self.connection.as_fd();
            let mut fds = [PollFd::new(&socket, PollFlags::IN)];
            let left = Timespec::try_from(left).map_err(words)?;
            poll(&mut fds, Some(&left)).map_err(words)?;
        }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        self.state.size
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        self.queue
            .dispatch_pending(&mut self.state)
            .map_err(words)?;
        self.flush()?;
        if let Some(guard) = self.connection.prepare_read() {
            match guard.read() {
                Ok(_) => {}
                Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(words(error)),
            }
        }
        self.queue
            .dispatch_pending(&mut self.state)
            .map_err(words)?;
        self.flush()?;
        if self.state.is_closed {
            return Err("its window was closed".into());
        }
        let released = std::mem::take(&mut self.state.released);
        for picture in &mut self.buffers {
            picture.is_shown &= !released.contains(&picture.buffer);
        }
        let size = self.state.size;
        self.buffers.retain(|picture| {
            let is_kept = picture.is_shown || picture.size == size;
            if !is_kept {
                picture.buffer.destroy();
            }
            is_kept
        });
        Ok(())
    }

    pub(super) fn show(&mut self, pixels: &[u8], size: (u32, u32)) -> Result<(), String> {
        let is_free = |picture: &Picture| !picture.is_shown && picture.size == size;
        let found = self.buffers.iter().position(is_free);
        let place = match found {
            Some(place) => place,
            None if self.buffers.len() < BUFFERS => {
                let made = self.picture(size)?;
                self.buffers.push(made);
                self.buffers.len() - 1
            }
            // The compositor has all it can take.
            None => return Ok(()),
        };
        let picture = &mut self.buffers[place];
        picture.memory.write_all_at(pixels, 0).map_err(words)?;
        picture.is_shown = true;
        self.surface.attach(Some(&picture.buffer), 0, 0);
        self.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        self.surface.commit();
        self.flush()
    }

    fn picture(&self, (width, height): (u32, u32)) -> Result<Picture, String> {
        let handle = self.queue.handle();
        let memory = memfd_create("cubelet-picture", MemfdFlags::CLOEXEC).map_err(words)?;
        let memory = File::from(memory);
        let number = |n: u32| i32::try_from(n).map_err(words);
        let (row, bytes) = (number(width * 4)?, number(width * 4 * height)?);
        memory
            .set_len(u64::from(width * 4 * height))
            .map_err(words)?;
        let pool = self.shm.create_pool(memory.as_fd(), bytes, &handle, ());
        let buffer = pool.create_buffer(
            0,
            number(width)?,
            number(height)?,
            row,
            // Every compositor takes it.
            wl_shm::Format::Xrgb8888,
            &handle,
            (),
        );
        // The buffer keeps the memory.
        pool.destroy();
        Ok(Picture {
            memory,
            buffer,
            size: (width, height),
            is_shown: false,
        })
    }

    /// What does not fit into the socket waits for the next time.
    fn flush(&self) -> Result<(), String> {
        match self.connection.flush() {
            Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Ok(())
            }
            flushed => flushed.map_err(words),
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    format!("the compositor: {error}")
}

/// As every client of Wayland finds it.
fn socket(address: Option<&str>) -> Result<PathBuf, String> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let name = address.map(PathBuf::from);
    let Some(name) = name.or_else(|| of("WAYLAND_DISPLAY").map(PathBuf::from)) else {
        return Err(
            "no compositor is named: `[display] address` in the configuration, or WAYLAND_DISPLAY \
             in the environment"
                .into(),
        );
    };
    if name.is_absolute() {
        return Ok(name);
    }
    let Some(folder) = of("XDG_RUNTIME_DIR") else {
        return Err(format!(
            "Wayland's {} is in XDG_RUNTIME_DIR, which is not in the environment: name the whole \
             path in `[display] address`",
            name.display()
        ));
    };
    Ok(PathBuf::from(folder).join(name))
}

impl Dispatch<xdg_wm_base::XdgWmBase, ()> for State {
    fn event(
        _: &mut Self,
        shell: &xdg_wm_base::XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            shell.pong(serial);
        }
    }
}

impl Dispatch<xdg_surface::XdgSurface, ()> for State {
    fn event(
        state: &mut Self,
        framed: &xdg_surface::XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            framed.ack_configure(serial);
            state.is_configured = true;
        }
    }
}

impl Dispatch<xdg_toplevel::XdgToplevel, ()> for State {
    fn event(
        state: &mut Self,
        _: &xdg_toplevel::XdgToplevel,
        event: xdg_toplevel::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            // Nought leaves it to the window; a compositor of one window per screen insists.
            xdg_toplevel::Event::Configure {
                width,
                height,
                states,
            } => {
                let size = (u32::try_from(width), u32::try_from(height));
                let is_ordered = state.area == Area::Full || !states.is_empty();
                if let (Ok(width @ 1..=16_384), Ok(height @ 1..=16_384)) = size
                    && is_ordered
                {
                    state.size = (width, height);
                }
            }
            xdg_toplevel::Event::Close => state.is_closed = true,
            _ => {}
        }
    }
}

impl Dispatch<wl_buffer::WlBuffer, ()> for State {
    fn event(
        state: &mut Self,
        buffer: &wl_buffer::WlBuffer,
        event: wl_buffer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if matches!(event, wl_buffer::Event::Release) {
            state.released.push(buffer.clone());
        }
    }
}

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: <wl_registry::WlRegistry as Proxy>::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(State: ignore wl_compositor::WlCompositor);
delegate_noop!(State: ignore wl_shm::WlShm);
delegate_noop!(State: ignore wl_shm_pool::WlShmPool);
delegate_noop!(State: ignore wl_surface::WlSurface);
