//! A camera on a ribbon cable, which takes libcamera to drive.

use gst::prelude::*;
use gstreamer as gst;

use super::super::pipeline::{End, Pipeline};
use super::capture::sized;
use super::installed;
use super::video::VideoSourceSettings;

/// The element, and where it comes from.
pub(super) const SOURCE: &str = "libcamerasrc";
pub(super) const PACKAGE: &str = "gstreamer1.0-libcamera";

/// `tail` takes pictures.
pub(super) fn pipeline(
    name: Option<&str>,
    settings: &VideoSourceSettings,
    tail: &str,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    installed(SOURCE, PACKAGE)?;
    let pipeline = Pipeline::parse(
        &format!("{SOURCE} name=camera ! {} ! {tail}", wanted(settings)),
        on_end,
    )?;
    if let Some(name) = name {
        let source: gst::Element = pipeline.element("camera")?;
        source.set_property("camera-name", name);
    }
    Ok(pipeline)
}

/// Rate and colours are pinned: left open, libcamera chooses anew with each size, and some of its
/// choices no encoder takes.
fn wanted(settings: &VideoSourceSettings) -> gst::Caps {
    sized(settings, "NV12")
        .field("colorimetry", "bt709")
        .build()
}

/// The cameras libcamera finds, by the names it takes. Blocks while it looks.
pub(super) fn cameras() -> Vec<String> {
    let Some(provider) = gst::DeviceProviderFactory::by_name("libcameraprovider") else {
        return Vec::new();
    };
    let found = provider.devices();
    found
        .iter()
        .map(|device| device.display_name().to_string())
        .collect()
}
