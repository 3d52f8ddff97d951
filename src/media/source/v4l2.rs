//! Which format to ask of a V4L2 camera.
//!
//! A USB camera gives 720p at 30 pictures a second only as MJPEG (raw would need 440 Mbit/s) and
//! a board camera only raw, so the camera is asked what it can do before it is told.

use gst::prelude::*;
use gstreamer as gst;

/// A format to capture in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CaptureFormat {
    /// What is pinned between the camera and the rest.
    pub(super) caps: gst::Caps,
    /// Needs a JPEG decoder behind it.
    pub(super) jpeg: bool,
}

/// Opens the device far enough to ask it, and chooses.
pub(super) fn choose(
    device: &str,
    width: u32,
    height: u32,
    framerate: u32,
) -> Result<CaptureFormat, String> {
    let camera = gst::ElementFactory::make("v4l2src")
        .property("device", device)
        .build()
        .map_err(|error| error.to_string())?;
    let bus = gst::Bus::new();
    camera.set_bus(Some(&bus));
    let opened = camera.set_state(gst::State::Ready);
    let caps = camera
        .static_pad("src")
        .map(|pad| pad.query_caps(None))
        .unwrap_or_else(gst::Caps::new_empty);
    // A device that was opened can always be closed.
    let _ = camera.set_state(gst::State::Null);
    if opened.is_err() {
        let reason = bus
            .pop_filtered(&[gst::MessageType::Error])
            .and_then(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error.error().to_string()),
                _ => None,
            })
            .unwrap_or_else(|| "it does not open".into());
        return Err(format!("{device}: {reason}"));
    }
    best(&caps, width, height, framerate)
        .ok_or_else(|| format!("{device}: it offers neither raw pictures nor MJPEG"))
}

/// The first wish the camera can fulfil: the size at full rate before the size at any rate before
/// any size; raw before MJPEG, as it saves a decoder.
fn best(offered: &gst::Caps, width: u32, height: u32, framerate: u32) -> Option<CaptureFormat> {
    let raw = "video/x-raw";
    let jpeg = "image/jpeg";
    let size = |media: &str| {
        gst::Caps::builder(media)
            .field("width", width as i32)
            .field("height", height as i32)
    };
    let full_rate = gst::Fraction::new(framerate as i32, 1);
    let wishes = [raw, jpeg]
        .map(|media| (media, size(media).field("framerate", full_rate).build()))
        .into_iter()
        .chain([raw, jpeg].map(|media| (media, size(media).build())))
        .chain([raw, jpeg].map(|media| (media, gst::Caps::builder(media).build())));
    for (media, wish) in wishes {
        if offered.can_intersect(&wish) {
            return Some(CaptureFormat {
                caps: wish,
                jpeg: media == jpeg,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn a_usb_camera_is_read_as_mjpeg_when_raw_is_too_slow() {
        let caps = offered(
            "video/x-raw,format=YUY2,width=1280,height=720,framerate=10/1; \
             image/jpeg,width=1280,height=720,framerate={30/1,15/1}",
        );
        let format = best(&caps, 1280, 720, 30).unwrap();
        assert!(format.jpeg);
    }

    #[test]
    fn a_board_camera_is_read_raw() {
        let caps = offered(
            "video/x-raw,format=NV12,width=[32,1920],height=[32,1080],framerate=[1/1,60/1]; \
             image/jpeg,width=1280,height=720,framerate=30/1",
        );
        assert!(!best(&caps, 1280, 720, 30).unwrap().jpeg);
    }

    #[test]
    fn a_camera_without_the_size_is_used_as_it_is() {
        let caps = offered("video/x-raw,format=YUY2,width=320,height=240,framerate=30/1");
        let format = best(&caps, 1280, 720, 30).unwrap();
        assert_eq!(format.caps.to_string(), "video/x-raw");
    }

    #[test]
    fn a_device_that_is_no_camera_is_refused() {
        let caps = offered("video/x-h265");
        assert_eq!(best(&caps, 1280, 720, 30), None);
    }
}
