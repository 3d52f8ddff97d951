//! A film in the place of a camera: for shops and shows, and to try a device with known pictures.

use std::path::Path;

use gst::prelude::*;
use gstreamer as gst;

use super::super::pipeline::{End, Pipeline};

/// `tail` takes decoded pictures at their time. It ends with the film.
pub(super) fn pipeline(
    path: &Path,
    tail: &str,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    // GStreamer plays whatever it is given, for instance a device that never ends.
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".into());
    }
    let pipeline = Pipeline::parse(
        &format!(
            "filesrc name=camera ! decodebin name=decode expose-all-streams=false \
             identity name=pictures silent=true ! {tail}"
        ),
        on_end,
    )?;
    let source: gst::Element = pipeline.element("camera")?;
    source.set_property("location", path);
    let decode: gst::Element = pipeline.element("decode")?;
    let caps: gst::Caps = gst::Caps::builder("video/x-raw").any_features().build();
    decode.set_property("caps", caps);
    let pictures: gst::Element = pipeline.element("pictures")?;
    let pictures = pictures.static_pad("sink").ok_or("no way in")?;
    decode.connect_pad_added(move |decode, pad| {
        // A second stream of pictures is another film.
        if !pictures.is_linked()
            && let Err(error) = pad.link(&pictures)
        {
            gst::element_error!(decode, gst::StreamError::Format, ["{error}"]);
        }
    });
    Ok(pipeline)
}
