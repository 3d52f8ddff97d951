//! What is to be seen in a picture.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// The names of the colours of plain test pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
    Blue,
    Other([u8; 3]),
}

impl Colour {
    pub fn of([r, g, b]: [u8; 3]) -> Self {
        match (r > 150, g > 150, b > 150) {
            (true, false, false) => Self::Red,
            (false, true, false) => Self::Green,
            (false, false, true) => Self::Blue,
            _ => Self::Other([r, g, b]),
        }
    }
}

/// The colour in the middle of a JPEG.
pub fn middle(jpeg: &[u8]) -> Colour {
    let pipeline = gst::parse::launch(
        "appsrc name=in ! jpegdec ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let input = pipeline.by_name("in").unwrap();
    let input = input.downcast::<gst_app::AppSrc>().unwrap();
    let output = pipeline.by_name("out").unwrap();
    let output = output.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    input
        .push_buffer(gst::Buffer::from_slice(jpeg.to_vec()))
        .unwrap();
    input.end_of_stream().unwrap();
    let sample = output.pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let shape = sample.caps().unwrap().structure(0).unwrap().to_owned();
    let (width, height): (i32, i32) = (shape.get("width").unwrap(), shape.get("height").unwrap());
    let map = sample.buffer().unwrap().map_readable().unwrap();
    let stride = map.len() / height as usize;
    let at = stride * (height as usize / 2) + 3 * (width as usize / 2);
    Colour::of([map[at], map[at + 1], map[at + 2]])
}
