//! Where pictures end: a window, a screen of the kernel's, or the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer_app as gst_app;

use super::super::pipeline::Pipeline;
use super::composing::{INPUT, SIZE, told};
use super::kms;
use super::layout::canvas;
use super::shape::{self, Shape};
use super::window::Window;
use super::{Area, Look, Screen, WindowSystem, beside};

/// So long a window waits for a picture before it hears what its server has to say.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// Queues nothing: the newest picture counts.
const NEWEST: &str = "appsink name=sink sync=false max-buffers=1 drop=true";

/// The screen.
pub(super) struct Output {
    // Before what it shows on.
    _pipeline: Pipeline,
    input: gst_app::AppSrc,
    shape: Option<Shape>,
    look: Look,
    kept: Kept,
}

/// What has to live as long as the pipeline.
enum Kept {
    Nothing,
    Screen(kms::Screen),
    /// Tells the window's thread to end.
    Window(Arc<AtomicBool>),
}

impl Output {
    pub(super) fn open(
        screen: &Screen,
        look: Look,
        on_failure: impl Fn(String) + Send + Sync + Clone + 'static,
    ) -> Result<Self, String> {
        match screen {
            Screen::Window { system, address } => {
                Self::in_a_window(*system, address.as_deref(), look, on_failure)
            }
            Screen::Kms(settings) => {
                let screen = kms::Screen::open(settings).map_err(|error| error.to_string())?;
                Self::on_a_screen(screen, look, on_failure)
            }
            Screen::Tap(tap) => {
                let sink = format!("videoconvert ! video/x-raw,format=I420 ! {NEWEST}");
                let pipeline = pipeline(&sink, on_failure)?;
                tap.attach(&pipeline.element("sink")?);
                Self::playing(pipeline, None, look, Kept::Nothing)
            }
        }
    }

    fn in_a_window(
        system: WindowSystem,
        address: Option<&str>,
        look: Look,
        on_failure: impl Fn(String) + Send + Sync + Clone + 'static,
    ) -> Result<Self, String> {
        let window = Window::open(system, address, look.area)?;
        let failed = on_failure.clone();
        let pipeline = pipeline(&format!("{} ! {NEWEST}", shape::ELEMENTS), on_failure)?;
        let shape = Shape::of(&pipeline, look, window.size())?;
        let sink: gst_app::AppSink = pipeline.element("sink")?;
        let ended = Arc::new(AtomicBool::new(false));
        let output = Self::playing(
            pipeline,
            Some(shape.clone()),
            look,
            Kept::Window(Arc::clone(&ended)),
        )?;
        std::thread::Builder::new()
            .name("window".into())
            .spawn(move || {
                if let Err(reason) = run(window, &shape, &sink, &ended) {
                    failed(reason);
                }
            })
            .map_err(|error| error.to_string())?;
        Ok(output)
    }

    fn on_a_screen(
        screen: kms::Screen,
        look: Look,
        on_failure: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let (size, placed) = match look.area {
            Area::Full => (screen.size, String::new()),
            Area::Part(part) => {
                let part = part.on(screen.size).ok_or_else(|| beside(screen.size))?;
                let number = i64::from;
                let (width, height) = (i64::from(screen.size.0), i64::from(screen.size.1));
                let (x, y) = (number(part.x), number(part.y));
                let right = width - x - number(part.width);
                let bottom = height - y - number(part.height);
                // Negative is a border of that many pixels, positive is cut off.
                let placed = format!(
                    " ! videobox fill=black left={} top={} right={} bottom={}",
                    -x, -y, -right, -bottom
                );
                ((part.width.into(), part.height.into()), placed)
            }
        };
        let sink = format!(
            "{}{placed} ! {} sync=false force-modesetting=true fd={} connector-id={}",
            shape::ELEMENTS,
            kms::ELEMENT,
            screen.fd(),
            screen.connector()
        );
        let pipeline = pipeline(&sink, on_failure)?;
        let shape = Shape::of(&pipeline, look, size)?;
        Self::playing(pipeline, Some(shape), look, Kept::Screen(screen))
    }

    fn playing(
        pipeline: Pipeline,
        shape: Option<Shape>,
        look: Look,
        kept: Kept,
    ) -> Result<Self, String> {
        let input = pipeline.element("in")?;
        pipeline.play()?;
        Ok(Self {
            _pipeline: pipeline,
            input,
            shape,
            look,
            kept,
        })
    }

    pub(super) fn input(&self) -> &gst_app::AppSrc {
        &self.input
    }

    /// The size several pictures are put together in for it.
    pub(super) fn canvas(&self) -> (u32, u32) {
        let shape = self.shape.as_ref();
        shape.map_or(SIZE, |shape| canvas(shape.size(), SIZE))
    }

    /// `false` when it has to be opened anew for it.
    pub(super) fn set_look(&mut self, look: Look) -> bool {
        let Some(shape) = &self.shape else {
            return true;
        };
        if look.area != self.look.area {
            return false;
        }
        if look != self.look {
            shape.set_look(look);
            self.look = look;
        }
        true
    }

    /// Whether the screen is still there, where nothing tells when it goes.
    pub(super) fn look(&self) -> Result<(), String> {
        match &self.kept {
            Kept::Screen(screen) => screen.look(),
            Kept::Nothing | Kept::Window(_) => Ok(()),
        }
    }

    /// Whether [`Output::look`] has to be asked.
    pub(super) fn wants_a_look(&self) -> bool {
        matches!(self.kept, Kept::Screen(_))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Kept::Window(ended) = &self.kept {
            ended.store(true, Ordering::Relaxed);
        }
    }
}

fn pipeline(
    sink: &str,
    on_failure: impl Fn(String) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    Pipeline::parse(&format!("{INPUT} name=in ! {sink}"), told(on_failure))
}

/// Until the output is closed, or the window.
fn run(
    mut window: Window,
    shape: &Shape,
    sink: &gst_app::AppSink,
    ended: &AtomicBool,
) -> Result<(), String> {
    while !ended.load(Ordering::Relaxed) {
        let taken = sink.try_pull_sample(PATIENCE);
        if ended.load(Ordering::Relaxed) {
            break;
        }
        window.look()?;
        let size = window.size();
        shape.set_size(size);
        let Some(buffer) = taken.as_ref().and_then(|sample| sample.buffer()) else {
            // At its end it waits for nothing.
            if sink.is_eos() {
                break;
            }
            continue;
        };
        let pixels = buffer.map_readable().map_err(|error| error.to_string())?;
        // One of the size the window had is the last of its kind.
        let bytes = u64::from(size.0) * u64::from(size.1) * 4;
        if u64::try_from(pixels.len()) == Ok(bytes) {
            window.show(&pixels, size)?;
        }
    }
    Ok(())
}
