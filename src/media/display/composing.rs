//! Several pictures into one.

use std::collections::HashMap;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::super::pipeline::{End, Pipeline};
use super::Cell;
use super::layout::own_size;

/// Of the composed picture where no screen has one, pixels; no screen's has more of them.
pub(super) const SIZE: (u32, u32) = (1280, 720);
/// Composed pictures a second.
const RATE: i32 = 25;
/// Where pictures of another pipeline come in; the newest counts.
pub(super) const INPUT: &str =
    "appsrc is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream";

/// What the own picture goes through: made small before it is turned, which costs less.
fn own_branch(size: (u32, u32)) -> String {
    let (width, height) = own_size(size);
    format!(
        "! videoscale \
         ! video/x-raw,width=[2,{width}],height=[2,{height}],pixel-aspect-ratio=1/1 \
         ! videoflip video-direction=horiz"
    )
}

/// Several pictures in one.
pub(super) struct Composition {
    _pipeline: Pipeline,
    size: (u32, u32),
    seats: Vec<u64>,
    inputs: Vec<gst_app::AppSrc>,
    pads: Vec<gst::Pad>,
}

impl Composition {
    /// `own` is shown small, above the others and as in a mirror.
    pub(super) fn open(
        seats: &[u64],
        own: Option<u64>,
        size: (u32, u32),
        output: &gst_app::AppSrc,
        on_failure: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let (width, height) = size;
        let mut description = format!(
            "compositor name=mix background=black \
             ! video/x-raw,format=I420,width={width},height={height},framerate={RATE}/1 \
             ! appsink name=out sync=false max-buffers=1 drop=true"
        );
        for (n, seat) in seats.iter().enumerate() {
            let is_own = own == Some(*seat);
            let small = if is_own {
                own_branch(size)
            } else {
                String::new()
            };
            // Unseen until it has its place.
            description += &format!(" {INPUT} name=seat{n} ! videoconvert {small} ! mix.sink_{n}");
        }
        let pipeline = Pipeline::parse(&description, told(on_failure))?;
        let out: gst_app::AppSink = pipeline.element("out")?;
        let output = output.clone();
        out.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    push(&output, sample);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let mix: gst::Element = pipeline.element("mix")?;
        let mut inputs = Vec::new();
        let mut pads = Vec::new();
        for n in 0..seats.len() {
            inputs.push(pipeline.element(&format!("seat{n}"))?);
            let pad = mix.static_pad(&format!("sink_{n}"));
            let pad = pad.ok_or("the compositor has no such input")?;
            pad.set_property_from_str("sizing-policy", "keep-aspect-ratio");
            pad.set_property("alpha", 0.0_f64);
            pad.set_property("zorder", n as u32);
            pads.push(pad);
        }
        pipeline.play()?;
        Ok(Self {
            _pipeline: pipeline,
            size,
            seats: seats.to_vec(),
            inputs,
            pads,
        })
    }

    /// Of the composed picture, pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    pub(super) fn seats(&self) -> &[u64] {
        &self.seats
    }

    pub(super) fn inputs(&self) -> HashMap<u64, gst_app::AppSrc> {
        let seats = self.seats.iter().copied();
        seats.zip(self.inputs.iter().cloned()).collect()
    }

    /// Those without a place are not seen.
    pub(super) fn place(&self, places: &[(u64, Cell)]) {
        for (seat, pad) in self.seats.iter().zip(&self.pads) {
            let place = places.iter().find(|(number, _)| number == seat);
            if let Some((_, cell)) = place {
                // All below 2^31: they are parts of the picture, which is no larger than SIZE.
                pad.set_property("xpos", cell.x as i32);
                pad.set_property("ypos", cell.y as i32);
                pad.set_property("width", cell.width as i32);
                pad.set_property("height", cell.height as i32);
            }
            pad.set_property("alpha", if place.is_some() { 1.0_f64 } else { 0.0 });
        }
    }
}

/// Hands a picture of one pipeline to another, whose clock is another.
pub(super) fn push(input: &gst_app::AppSrc, sample: gst::Sample) {
    let Some(mut buffer) = sample.buffer_owned() else {
        return;
    };
    // The pixels stay shared.
    let timeless = buffer.make_mut();
    timeless.set_pts(gst::ClockTime::NONE);
    timeless.set_dts(gst::ClockTime::NONE);
    timeless.set_duration(gst::ClockTime::NONE);
    let sample = gst::Sample::builder()
        .buffer(&buffer)
        .caps_if_some(sample.caps_owned().as_ref())
        .build();
    // Refused only while the pipeline is being torn down.
    let _ = input.push_sample(&sample);
}

pub(super) fn told(
    on_failure: impl Fn(String) + Send + Sync + 'static,
) -> impl Fn(End) + Send + Sync {
    move |end| match end {
        End::Failed(reason) => on_failure(reason),
        End::Eos => {}
    }
}
