//! Cameras, kept running; and how any source is kept running (microphones are in `media::sound`).
//!
//! Invariant: a source never blocks or fails its owner. It captures while somebody wants it,
//! comes back by itself after a failure, and reports both as events.
//! Must not enter: who consumes, calls, configuration files.

mod arrival;
mod capture;
mod encode;
mod encoder_input;
mod encoders;
mod feed;
mod film;
mod libcamera;
mod placeholder;
mod rtsp;
mod rtsp_tls;
mod same_thread;
mod screen;
pub(super) mod supervision;
mod v4l2;
mod video;

use gstreamer as gst;

pub(super) use encode::read_packet;

pub use feed::{FeedError, PictureFeed};
pub use rtsp::{RtspCamera, RtspLogin};
pub use rtsp_tls::RtspTrust;
pub use video::{VideoSource, VideoSourceKind, VideoSourceSettings};

/// A kind of source that is no device node, and whether it can be used here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Elsewhere {
    /// As a configuration spells it.
    pub source: String,
    /// What is to be installed first; nothing if it can be used.
    pub refused: Option<String>,
}

/// Whether GStreamer has an element; if not, what is to be installed.
fn installed(element: &str, package: &str) -> Result<(), String> {
    match gst::ElementFactory::find(element) {
        Some(_) => Ok(()),
        None => Err(format!("it needs GStreamer's {element}: {package}")),
    }
}

/// What can be captured beside device nodes. Blocks while libcamera looks for cameras.
pub fn elsewhere() -> Vec<Elsewhere> {
    let entry = |source: &str, missing: Result<(), String>| Elsewhere {
        source: source.to_owned(),
        refused: missing.err(),
    };
    let mut found = match super::initialise() {
        Ok(()) => Vec::new(),
        Err(error) => return vec![entry("rtsp://HOST/PATH", Err(error.to_string()))],
    };
    let libcamera = installed(libcamera::SOURCE, libcamera::PACKAGE);
    match libcamera::cameras() {
        cameras if libcamera.is_ok() && !cameras.is_empty() => {
            let names = cameras.iter().map(|name| format!("libcamera:{name}"));
            found.extend(names.map(|source| entry(&source, Ok(()))));
        }
        _ => {
            let none = libcamera.and(Err("libcamera finds no camera".into()));
            found.push(entry("libcamera", none));
        }
    }
    found.push(entry(
        "rtsp://HOST/PATH",
        installed(rtsp::SOURCE, rtsp::PACKAGE),
    ));
    found.push(entry("screen", Ok(())));
    found
}

/// What a source tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// Data flows. Said again, with its name, when an encoder begins.
    Running {
        /// The GStreamer element that encodes; none while nobody subscribes.
        encoder: Option<String>,
    },
    /// The device failed, and is tried again by itself.
    Failed {
        /// For a human: which element, what it said.
        reason: String,
    },
    /// The source has ended for good, as asked.
    Stopped,
}
