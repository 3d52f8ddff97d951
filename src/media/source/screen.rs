//! What a screen shows, in the place of a camera: that of an X server, which anybody may read whom
//! it lets in.

use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat};

use super::super::pipeline::{End, Pipeline};
use super::super::x_server::XServer;
use super::capture::PICTURES_AS_THEY_COME;

/// An X server's screen that can be read.
struct Screen {
    server: XServer,
    size: (u16, u16),
}

/// `tail` takes pictures.
pub(super) fn pipeline(
    display: Option<&str>,
    framerate: u32,
    tail: &str,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    let screen = Screen::open(display)?;
    let pipeline = Pipeline::parse(&format!("{PICTURES_AS_THEY_COME} ! {tail}"), on_end)?;
    let source: gst_app::AppSrc = pipeline.element("camera")?;
    source.set_caps(Some(&screen.caps()?));
    std::thread::Builder::new()
        .name("screen".into())
        .spawn(move || watch(screen, &source, framerate))
        .map_err(|error| error.to_string())?;
    Ok(pipeline)
}

/// Until the pipeline takes no more pictures, or the server gives none.
fn watch(mut screen: Screen, source: &gst_app::AppSrc, framerate: u32) {
    let pace = Duration::from_secs(1) / framerate.max(1);
    let mut next = Instant::now();
    loop {
        let taken = screen.picture(source);
        let pushed = match taken {
            Ok(picture) => source.push_buffer(picture),
            Err(reason) => {
                gst::element_error!(source, gst::ResourceError::Read, ["the X server: {reason}"]);
                return;
            }
        };
        if pushed.is_err() {
            return;
        }
        let now = Instant::now();
        // One that is late is not made up for.
        next = (next + pace).max(now);
        // A thread of its own, and nothing to wait for but the time.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(next - now);
    }
}

impl Screen {
    fn open(display: Option<&str>) -> Result<Self, String> {
        let server = XServer::open(display, "`screen:DISPLAY`")?;
        let size = server.size;
        Ok(Self { server, size })
    }

    fn caps(&self) -> Result<gst::Caps, String> {
        let (width, height) = self.size;
        gst_video::VideoInfo::builder(
            gst_video::VideoFormat::Bgrx,
            u32::from(width),
            u32::from(height),
        )
        .build()
        .and_then(|info| info.to_caps())
        .map_err(|error| error.to_string())
    }

    /// One picture; `source` is told when its size is another.
    fn picture(&mut self, source: &gst_app::AppSrc) -> Result<gst::Buffer, String> {
        let (server, root) = (&self.server.connection, self.server.root);
        // A screen that is turned or gets another mode, whose old size would be refused.
        let shape = server.get_geometry(root).map_err(words)?;
        let shape = shape.reply().map_err(words)?;
        let size = (shape.width, shape.height);
        if size != self.size {
            self.size = size;
            source.set_caps(Some(&self.caps()?));
        }
        let image = server
            .get_image(ImageFormat::Z_PIXMAP, root, 0, 0, size.0, size.1, !0)
            .map_err(words)?
            .reply()
            .map_err(words)?;
        Ok(gst::Buffer::from_mut_slice(image.data))
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
