//! A picture brought to the screen's shape: turned, mirrored, cut or put between bars, scaled.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use super::super::pipeline::Pipeline;
use super::{Fit, Look, Rotation};

/// The elements of [`Shape`], between what delivers pictures and what shows them.
pub(super) const ELEMENTS: &str = "videoflip name=turn ! videocrop name=crop ! videoconvert \
     ! videoscale name=scale ! capsfilter name=shape";

/// Changed while pictures flow.
#[derive(Clone)]
pub(super) struct Shape(Arc<Inner>);

struct Inner {
    turn: gst::Element,
    crop: gst::Element,
    scale: gst::Element,
    caps: gst::Element,
    state: Mutex<State>,
}

struct State {
    look: Look,
    /// Of the screen, pixels.
    size: (u32, u32),
    /// Of the pictures as they are turned, in pixels that are square.
    source: Option<Proportions>,
}

/// Of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Proportions {
    /// Pixels as they are stored.
    size: (u32, u32),
    /// A pixel's width to its height.
    pixel: (u32, u32),
}

/// What is cut off, pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Crop {
    /// At the left, and as much at the right.
    sides: u32,
    /// At the top, and as much at the bottom.
    ends: u32,
}

impl Shape {
    /// Of a pipeline that holds [`ELEMENTS`].
    pub(super) fn of(pipeline: &Pipeline, look: Look, size: (u32, u32)) -> Result<Self, String> {
        let crop: gst::Element = pipeline.element("crop")?;
        let input = crop.static_pad("sink").ok_or("videocrop has no input")?;
        let inner = Arc::new(Inner {
            turn: pipeline.element("turn")?,
            crop,
            scale: pipeline.element("scale")?,
            caps: pipeline.element("shape")?,
            state: Mutex::new(State {
                look,
                size,
                source: None,
            }),
        });
        let told = Arc::downgrade(&inner);
        input.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let (Some(event), Some(shape)) = (info.event(), told.upgrade())
                && let gst::EventView::Caps(caps) = event.view()
                && let Ok(format) = gst_video::VideoInfo::from_caps(caps.caps())
            {
                let pixel = format.par();
                let part = |n: i32| u32::try_from(n).unwrap_or(1).max(1);
                let mut state = shape.state.lock();
                state.source = Some(Proportions {
                    size: (format.width(), format.height()),
                    pixel: (part(pixel.numer()), part(pixel.denom())),
                });
                shape.cut(&state);
            }
            gst::PadProbeReturn::Ok
        });
        inner.apply(&inner.state.lock());
        Ok(Self(inner))
    }

    /// Another look, from the next picture on.
    pub(super) fn set_look(&self, look: Look) {
        let mut state = self.0.state.lock();
        state.look = look;
        self.0.apply(&state);
    }

    /// The screen's size as pictures see it that are yet to be turned.
    pub(super) fn size(&self) -> (u32, u32) {
        let state = self.0.state.lock();
        let (width, height) = state.size;
        match state.look.rotation {
            Rotation::None | Rotation::Over => (width, height),
            Rotation::Right | Rotation::Left => (height, width),
        }
    }

    /// Another size of the screen.
    pub(super) fn set_size(&self, size: (u32, u32)) {
        let mut state = self.0.state.lock();
        if state.size != size {
            state.size = size;
            self.0.apply(&state);
        }
    }
}

impl Inner {
    fn apply(&self, state: &State) {
        let method = method(state.look.rotation, state.look.mirror);
        self.turn.set_property_from_str("video-direction", method);
        // Without, what the even numbers of a crop leave over would be bars of a line.
        let bars = state.look.fit == Fit::Contain;
        self.scale.set_property("add-borders", bars);
        let (width, height) = state.size;
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let caps = gst_video::VideoCapsBuilder::new()
            .format(gst_video::VideoFormat::Bgrx)
            .width(number(width))
            .height(number(height))
            .pixel_aspect_ratio(gst::Fraction::new(1, 1))
            .build();
        self.caps.set_property("caps", &caps);
        self.cut(state);
    }

    fn cut(&self, state: &State) {
        let crop = match (state.look.fit, state.source) {
            (Fit::Cover, Some(source)) => cover(source, state.size),
            _ => Crop::default(),
        };
        for (side, pixels) in [
            ("left", crop.sides),
            ("right", crop.sides),
            ("top", crop.ends),
            ("bottom", crop.ends),
        ] {
            // Less than the picture's own size, which GStreamer keeps in the same type.
            let pixels = i32::try_from(pixels).unwrap_or(0);
            self.crop.set_property(side, pixels);
        }
    }
}

/// What is cut off a picture so that the rest has the screen's proportions.
fn cover(Proportions { size, pixel }: Proportions, screen: (u32, u32)) -> Crop {
    let wide = |n: u32| u128::from(n);
    // Width to height of picture and screen, as fractions of one denominator.
    let picture = wide(size.0) * wide(pixel.0) * wide(screen.1);
    let whole = wide(size.1) * wide(pixel.1) * wide(screen.0);
    // Halves of formats with half the colour are even themselves.
    let half = |all: u32, kept: u128| {
        let kept = u32::try_from(kept).unwrap_or(all).clamp(2.min(all), all);
        (all - kept) / 4 * 2
    };
    if picture > whole {
        let kept = wide(size.0) * whole / picture;
        Crop {
            sides: half(size.0, kept),
            ends: 0,
        }
    } else if picture > 0 {
        let kept = wide(size.1) * picture / whole.max(1);
        Crop {
            sides: 0,
            ends: half(size.1, kept),
        }
    } else {
        Crop::default()
    }
}

/// GStreamer's word for it. Mirrored is what is seen, left and right, after it was turned.
fn method(rotation: Rotation, mirror: bool) -> &'static str {
    match (rotation, mirror) {
        (Rotation::None, false) => "identity",
        (Rotation::Right, false) => "90r",
        (Rotation::Over, false) => "180",
        (Rotation::Left, false) => "90l",
        (Rotation::None, true) => "horiz",
        (Rotation::Right, true) => "ul-lr",
        (Rotation::Over, true) => "vert",
        (Rotation::Left, true) => "ur-ll",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn square(width: u32, height: u32) -> Proportions {
        Proportions {
            size: (width, height),
            pixel: (1, 1),
        }
    }

    #[test]
    fn the_longer_sides_are_cut() {
        let crop = |sides, ends| Crop { sides, ends };
        assert_eq!(cover(square(640, 480), (1280, 720)), crop(0, 60));
        assert_eq!(cover(square(1280, 720), (640, 480)), crop(160, 0));
        assert_eq!(cover(square(640, 480), (320, 240)), crop(0, 0));
        let broad = Proportions {
            size: (720, 576),
            pixel: (16, 15),
        };
        assert_eq!(cover(broad, (640, 480)), crop(0, 0));
    }

    proptest! {
        #[test]
        fn what_is_left_has_the_screens_proportions(
            width in 16_u32..4000, height in 16_u32..4000, wide in 16_u32..4000, high in 16_u32..4000,
        ) {
            let crop = cover(square(width, height), (wide, high));
            let (left, top) = (width - 2 * crop.sides, height - 2 * crop.ends);
            prop_assert!(crop.sides == 0 || crop.ends == 0);
            prop_assert!(crop.sides.is_multiple_of(2) && crop.ends.is_multiple_of(2));
            // As near as even numbers come.
            let off = (f64::from(left) - f64::from(top) * f64::from(wide) / f64::from(high)).abs();
            let most = 5.0 * (1.0 + f64::from(wide) / f64::from(high));
            prop_assert!(off <= most, "{left}x{top} for {wide}x{high}");
        }
    }
}
