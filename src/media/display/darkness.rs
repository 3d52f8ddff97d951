//! Whether there is anything to be seen on a picture.

use gstreamer as gst;
use gstreamer_video as gst_video;

/// Luma that is black, with a step of an encoder's inaccuracy above the 16 of ITU-R BT.601. What
/// a camera sees in the dark has noise above it.
const BLACK: u8 = 17;
/// Points looked at, across and down.
const POINTS: (u32, u32) = (24, 16);

/// Looks at the pictures of one stream, whose format is read once as long as it stays.
#[derive(Debug, Default)]
pub(super) struct Darkness {
    format: Option<(gst::Caps, Option<gst_video::VideoInfo>)>,
}

impl Darkness {
    /// Whether a picture of the formats decoders deliver is black all over. Others never are.
    pub(super) fn is_black(&mut self, sample: &gst::Sample) -> bool {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
            return false;
        };
        let Some(format) = self.format_of(caps) else {
            return false;
        };
        let Ok(frame) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, format) else {
            return false;
        };
        let luma = frame.plane_data(0).unwrap_or_default();
        let stride = usize::try_from(format.stride()[0]).unwrap_or(0);
        has_only_black(luma, stride, (format.width(), format.height()))
    }

    /// What the caps say, if it is a format whose first plane is luma.
    fn format_of(&mut self, caps: &gst::CapsRef) -> Option<&gst_video::VideoInfo> {
        use gst_video::VideoFormat::{I420, Nv12, Yv12};
        // Those of one stream are one object, which compares at once.
        let is_known = self
            .format
            .as_ref()
            .is_some_and(|(known, _)| known.as_ptr() == caps.as_ptr() || **known == *caps);
        if !is_known {
            let info = gst_video::VideoInfo::from_caps(caps).ok();
            let info = info.filter(|info| matches!(info.format(), I420 | Yv12 | Nv12));
            self.format = Some((caps.to_owned(), info));
        }
        self.format.as_ref()?.1.as_ref()
    }
}

/// Nothing at all counts as something: it is not known to be black.
fn has_only_black(luma: &[u8], stride: usize, (width, height): (u32, u32)) -> bool {
    // In the middle of equal parts.
    let middle = |n: u32, of: u32, length: u32| {
        let at = u64::from(length) * u64::from(2 * n + 1) / u64::from(2 * of);
        usize::try_from(at).unwrap_or(usize::MAX)
    };
    let (across, down) = POINTS;
    (0..down).all(|row| {
        let line = middle(row, down, height).saturating_mul(stride);
        (0..across).all(|column| {
            let at = line.saturating_add(middle(column, across, width));
            luma.get(at).is_some_and(|luma| *luma <= BLACK)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(format: gst_video::VideoFormat, size: (u32, u32), luma: u8) -> gst::Sample {
        let info = gst_video::VideoInfo::builder(format, size.0, size.1)
            .build()
            .unwrap();
        let buffer = gst::Buffer::from_slice(vec![luma; info.size()]);
        let caps = info.to_caps().unwrap();
        gst::Sample::builder().buffer(&buffer).caps(&caps).build()
    }

    #[test]
    fn a_stream_that_changes_its_format_is_looked_at_in_the_new_one() {
        use gst_video::VideoFormat::{I420, Rgb};
        gst::init().unwrap();
        let mut darkness = Darkness::default();
        assert!(darkness.is_black(&sample(I420, (64, 48), 16)));
        assert!(darkness.is_black(&sample(I420, (64, 48), 16)));
        assert!(darkness.is_black(&sample(I420, (32, 24), 16)));
        assert!(!darkness.is_black(&sample(I420, (32, 24), 90)));
        assert!(!darkness.is_black(&sample(Rgb, (32, 24), 0)), "not known");
        assert!(darkness.is_black(&sample(I420, (32, 24), 16)));
    }

    #[test]
    fn a_picture_is_black_if_nothing_of_it_is_light() {
        let (width, height, stride) = (64, 48, 80);
        let mut luma = vec![16; stride * height];
        let size = (width as u32, height as u32);
        // What is beyond the picture's edge is not of it.
        for line in luma.chunks_mut(stride) {
            line[width..].fill(255);
        }
        assert!(has_only_black(&luma, stride, size));
        for line in luma.chunks_mut(stride).skip(30).take(4) {
            line[20..26].fill(40);
        }
        assert!(!has_only_black(&luma, stride, size));
        assert!(!has_only_black(&[], stride, size));
    }
}
