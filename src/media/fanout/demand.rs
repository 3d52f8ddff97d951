//! What consumers want of a source, so that it captures and encodes only while somebody looks.

use crate::media::VideoCodec;

/// The sum of what all consumers want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Pictures or sound, in any form.
    pub capture: bool,
    pub(super) codecs: [bool; 2],
    pub(super) limits_kbps: [Option<u32>; 2],
    pub(super) keep_size: [bool; 2],
    pub(super) max_framerate: Option<u32>,
    pub(super) max_height: Option<u32>,
}

/// What nobody gets more of, whoever they are and whatever they ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Kbit/s of pictures.
    pub kbps: Option<u32>,
    /// Pictures per second.
    pub framerate: Option<u32>,
    /// Pixels of a picture's height; the width follows.
    pub height: Option<u32>,
}

impl Demand {
    /// Whether somebody subscribes to this format.
    pub fn wants(self, codec: VideoCodec) -> bool {
        self.codecs[codec.index()]
    }

    /// The lowest bitrate limit of those who subscribe to this format, and of the ceiling.
    pub fn limit_kbps(self, codec: VideoCodec) -> Option<u32> {
        self.limits_kbps[codec.index()]
    }

    /// Pictures per second at most.
    pub fn max_framerate(self) -> Option<u32> {
        self.max_framerate
    }

    /// Pixels of a picture's height at most.
    pub fn max_height(self) -> Option<u32> {
        self.max_height
    }

    /// Whether somebody needs pictures of this format to keep their size.
    pub fn keeps_size(self, codec: VideoCodec) -> bool {
        self.keep_size[codec.index()]
    }
}
