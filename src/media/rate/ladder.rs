//! Fewer and then smaller pictures where the bits do not suffice for all of them.

/// Bits a picture element needs at the least for a picture worth looking at, with the fast
/// encoders of a board.
const BITS_PER_PIXEL: f64 = 0.025;
/// So much more than the threshold is needed to go back up. The controller swings by less.
const UP: f64 = 1.35;

/// What the camera gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures per second.
    pub framerate: u32,
}

/// What nobody is sent more of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Pictures per second.
    pub framerate: Option<u32>,
    /// Pixels of height; the width follows.
    pub height: Option<u32>,
}

impl Most {
    /// A picture within these limits, of the same shape as far as even numbers allow.
    pub fn of(self, picture: Picture) -> Picture {
        let framerate = picture.framerate.min(self.framerate.unwrap_or(u32::MAX));
        let (width, height) = match self.height.filter(|most| *most < picture.height) {
            None => (picture.width, picture.height),
            Some(most) => {
                let height = (most & !1).max(16);
                let shape = u64::from(picture.width) * u64::from(height);
                let width = shape / u64::from(picture.height.max(1));
                // No more than it was, which fits.
                let width = u32::try_from(width).unwrap_or(picture.width);
                ((width & !1).max(16), height)
            }
        };
        Picture {
            width,
            height,
            framerate: framerate.max(1),
        }
    }
}

/// By what pictures are fewer and smaller, in the order in which they are reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduction {
    /// Not at all.
    #[default]
    None,
    /// Half as many.
    Rate,
    /// Half as many, of half the width and height.
    Half,
    /// Half as many, of a quarter of the width and height.
    Quarter,
}

const STEPS: [Reduction; 4] = [
    Reduction::None,
    Reduction::Rate,
    Reduction::Half,
    Reduction::Quarter,
];

impl Reduction {
    /// One of so many pictures is encoded.
    pub fn rate_divisor(self) -> u32 {
        if self == Self::None { 1 } else { 2 }
    }

    /// The size encoded; even, as every format wants it.
    pub fn size(self, picture: Picture) -> (u32, u32) {
        let divisor = match self {
            Self::None | Self::Rate => 1,
            Self::Half => 2,
            Self::Quarter => 4,
        };
        let even = |pixels: u32| ((pixels / divisor) & !1).max(16);
        (even(picture.width), even(picture.height))
    }

    /// What to do with `kbps`, when this is done now. `keeps_size` while somebody needs pictures
    /// of one size, such as a recording.
    pub fn next(self, picture: Picture, kbps: u32, keeps_size: bool) -> Self {
        let last = if keeps_size {
            Self::Rate
        } else {
            Self::Quarter
        };
        STEPS
            .into_iter()
            .take_while(|step| *step <= last)
            .find(|step| {
                let needs = step.needs(picture);
                f64::from(kbps) >= if *step < self { needs * UP } else { needs }
            })
            .unwrap_or(last)
    }

    /// Kbit/s.
    fn needs(self, picture: Picture) -> f64 {
        let (width, height) = self.size(picture);
        let rate = f64::from(picture.framerate) / f64::from(self.rate_divisor());
        f64::from(width) * f64::from(height) * rate * BITS_PER_PIXEL / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Picture = Picture {
        width: 1_280,
        height: 720,
        framerate: 30,
    };

    #[test]
    fn the_rate_goes_first_and_then_the_size() {
        let at = |kbps| Reduction::None.next(HD, kbps, false);
        assert_eq!(at(1_200), Reduction::None);
        assert_eq!(at(600), Reduction::Rate);
        assert_eq!(at(300), Reduction::Half);
        assert_eq!(at(64), Reduction::Quarter);
        assert_eq!(Reduction::Half.size(HD), (640, 360));
        assert_eq!(Reduction::None.next(HD, 64, true), Reduction::Rate);
    }

    #[test]
    fn a_picture_within_limits_keeps_its_shape() {
        let within = |height, framerate| Most { framerate, height }.of(HD);
        let of = |width, height, framerate| Picture {
            width,
            height,
            framerate,
        };
        assert_eq!(within(None, None), HD);
        assert_eq!(within(Some(720), Some(60)), HD);
        assert_eq!(within(Some(361), Some(10)), of(640, 360, 10));
        assert_eq!(within(Some(240), None), of(426, 240, 30));
        assert_eq!(within(Some(0), Some(0)), of(28, 16, 1));
    }

    proptest! {
        /// A target that swings by a quarter around any value changes nothing after the first
        /// swing down.
        #[test]
        fn a_swinging_target_does_not_flap(kbps in 50_u32..5_000) {
            let low = Reduction::None.next(HD, kbps, false);
            prop_assert_eq!(low.next(HD, kbps * 5 / 4, false), low);
            prop_assert_eq!(low.next(HD, kbps, false), low);
        }
    }
}
