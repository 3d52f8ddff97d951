//! A GStreamer pipeline with an end: playing until dropped, its first error kept and reported.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

/// Characters of an element's own words that are kept.
const DETAIL: usize = 200;

/// Why a pipeline is no longer running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Eos,
    Failed(String),
}

/// Owns a pipeline. Build, play and drop it on a thread that may block: dropping waits for its
/// streaming threads.
pub(super) struct Pipeline {
    inner: gst::Pipeline,
    first_error: Arc<Mutex<Option<String>>>,
}

impl Pipeline {
    /// `on_end` is called from a streaming thread, once for an error and once for end of stream.
    pub(super) fn parse(
        description: &str,
        on_end: impl Fn(End) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let element = gst::parse::launch(description).map_err(|error| error.to_string())?;
        let inner = element
            .downcast::<gst::Pipeline>()
            .map_err(|_| "the description is a single element, not a pipeline".to_owned())?;
        let first_error = Arc::new(Mutex::new(None));
        let bus = inner.bus().ok_or("the pipeline has no bus")?;
        let kept = Arc::clone(&first_error);
        // A synchronous handler needs no thread waiting on the bus, and hears an error even when
        // the state change that caused it has not returned yet.
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let text = describe(error);
                    let mut kept = kept.lock();
                    if kept.is_none() {
                        *kept = Some(text.clone());
                        drop(kept);
                        on_end(End::Failed(text));
                    }
                }
                gst::MessageView::Eos(_) => on_end(End::Eos),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        Ok(Self { inner, first_error })
    }

    /// An element by the name given in the description.
    pub(super) fn element<T: IsA<gst::Object>>(&self, name: &str) -> Result<T, String> {
        self.inner
            .by_name(name)
            .and_then(|element| element.dynamic_cast::<T>().ok())
            .ok_or_else(|| format!("the pipeline has no element {name:?} of the expected type"))
    }

    /// Starts it, with the reason of the element that refused.
    pub(super) fn play(&self) -> Result<(), String> {
        match self.inner.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(_) => Err(self
                .first_error
                .lock()
                .clone()
                .unwrap_or_else(|| "an element refused to start".to_owned())),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Leaving PLAYING cannot be refused by an element in a way we could act on.
        let _ = self.inner.set_state(gst::State::Null);
        if let Some(bus) = self.inner.bus() {
            bus.unset_sync_handler();
        }
    }
}

fn describe(error: &gst::message::Error) -> String {
    // Otherwise only "Unauthorized", which does not say whose fault it is.
    if error.error().matches(gst::ResourceError::NotAuthorized) {
        return "user or password is wrong or missing".into();
    }
    let source = error
        .src()
        .map(|source| source.name().to_string())
        .unwrap_or_default();
    // The debug text ends in the errno that tells a missing device from a busy one; its first
    // line is only a place in GStreamer's source.
    let detail = error.debug().and_then(|debug| {
        debug
            .lines()
            .skip(1)
            .last()
            // Some come with the whole of a format, its tables of bytes included.
            .map(|line| line.trim().chars().take(DETAIL).collect::<String>())
            .filter(|line| !line.is_empty())
    });
    match detail {
        Some(detail) => format!("{source}: {} ({detail})", error.error()),
        None => format!("{source}: {}", error.error()),
    }
}
