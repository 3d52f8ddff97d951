//! Which decoder this machine really has; tried with pictures a working encoder made.

use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::VideoCodec;
use super::encoder::{self, Encoder};
use super::pipeline::Pipeline;

/// Enough to start the slowest driver.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// A decoder that was seen working, or the last resort where that could not be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    /// The GStreamer element.
    pub element: &'static str,
    codec: VideoCodec,
}

/// Hardware first. openh264 before libav: loading libav costs 40 MB and 150 libraries, for a
/// decoder that is no faster on the pictures of a call.
fn candidates(codec: VideoCodec) -> &'static [&'static str] {
    match codec {
        VideoCodec::H264 => &[
            "v4l2slh264dec",
            "v4l2h264dec",
            "mppvideodec",
            "openh264dec",
            "avdec_h264",
        ],
        VideoCodec::Vp8 => &["v4l2slvp8dec", "vp8dec", "avdec_vp8"],
    }
}

impl Decoder {
    /// From RTP to pictures; the decoder is named `decoder`. After damage nothing is shown until
    /// the next key frame, which is asked for with an upstream event.
    pub(super) fn description(self) -> String {
        let (depayloader, parser) = match self.codec {
            VideoCodec::H264 => ("rtph264depay", "h264parse ! "),
            VideoCodec::Vp8 => ("rtpvp8depay", ""),
        };
        let decoder = match self.element {
            // Frame threads would hold back as many pictures as there are threads.
            "avdec_h264" => "avdec_h264 name=decoder max-threads=1 output-corrupt=false",
            "avdec_vp8" => "avdec_vp8 name=decoder max-threads=1",
            element => &format!("{element} name=decoder"),
        };
        format!("{depayloader} wait-for-keyframe=true request-keyframe=true ! {parser}{decoder}")
    }

    /// The caps of RTP as it enters a receive pipeline.
    pub(super) fn rtp_caps(codec: VideoCodec) -> gst::Caps {
        gst::Caps::builder("application/x-rtp")
            .field("media", "video")
            .field("encoding-name", codec.encoding_name())
            .field("clock-rate", 90_000)
            .field("payload", i32::from(super::peer::RECEIVE_PAYLOAD_TYPE))
            .build()
    }

    fn try_out(self, packets: &[gst::Buffer]) -> Result<(), String> {
        if gst::ElementFactory::find(self.element).is_none() {
            return Err("not installed".into());
        }
        let pipeline = Pipeline::parse(
            &format!(
                "appsrc name=in format=time ! {} ! appsink name=out sync=false",
                self.description()
            ),
            |_| {},
        )?;
        let input: gst_app::AppSrc = pipeline.element("in")?;
        let output: gst_app::AppSink = pipeline.element("out")?;
        input.set_caps(Some(&Self::rtp_caps(self.codec)));
        pipeline.play()?;
        for packet in packets {
            input
                .push_buffer(packet.clone())
                .map_err(|error| error.to_string())?;
        }
        input.end_of_stream().map_err(|error| error.to_string())?;
        match output.try_pull_sample(LIMIT) {
            Some(_) => Ok(()),
            None => Err(pipeline
                .play()
                .err()
                .unwrap_or_else(|| "no picture came out".into())),
        }
    }
}

/// From RTP to pictures of what a camera of the network sends, by its name in the description
/// (RFC 4566 `rtpmap`): more than calls speak, and H264 of profiles calls do not have.
pub(super) fn of_network_camera(encoding: &str) -> Result<String, String> {
    let installed = |elements: &[&'static str]| {
        let is_there = |element: &&&str| gst::ElementFactory::find(element).is_some();
        elements.iter().find(is_there).copied()
    };
    let chosen = match encoding {
        "H264" => {
            // openh264 takes no B-pictures and no interlaced ones, and cameras have both.
            let found = probe(VideoCodec::H264).map(|decoder| {
                let element = match decoder.element {
                    "openh264dec" => installed(&["avdec_h264"]).unwrap_or("openh264dec"),
                    element => element,
                };
                Decoder { element, ..decoder }
            });
            found.map(Decoder::description)
        }
        "VP8" => probe(VideoCodec::Vp8).map(Decoder::description),
        "H265" => installed(&["avdec_h265", "libde265dec"])
            .map(|element| format!("rtph265depay ! h265parse ! {element}")),
        "JPEG" => installed(&["jpegdec", "avdec_mjpeg"])
            .map(|element| format!("rtpjpegdepay ! {element}")),
        "MP4V-ES" => installed(&["avdec_mpeg4"])
            .map(|element| format!("rtpmp4vdepay ! mpeg4videoparse ! {element}")),
        _ => None,
    };
    chosen.ok_or_else(|| {
        format!("it sends {encoding}, which nothing here decodes: have the camera send H264")
    })
}

/// Like [`encoder::survey`] for decoders; without a working encoder there is nothing to try them
/// with, and each says so.
pub fn survey(codec: VideoCodec) -> Vec<encoder::Verdict> {
    let packets = encoder::probe(codec)
        .map_err(|error| error.to_string())
        .and_then(Encoder::try_out);
    candidates(codec)
        .iter()
        .map(|element| encoder::Verdict {
            element,
            refused: match &packets {
                Ok(packets) => Decoder { element, codec }.try_out(packets).err(),
                Err(reason) => Some(format!("not tried: {reason}")),
            },
        })
        .collect()
}

/// The first decoder that works; tried once per process and format. Blocks while trying. Where
/// nothing can encode the pictures to try with, the first installed software decoder.
pub fn probe(codec: VideoCodec) -> Option<Decoder> {
    static CHOSEN: Mutex<[Option<Decoder>; 2]> = Mutex::new([None, None]);
    super::initialise().ok()?;
    let mut chosen = CHOSEN.lock();
    if let Some(decoder) = chosen[codec.index()] {
        return Some(decoder);
    }
    let packets = encoder::probe(codec)
        .map_err(|error| error.to_string())
        .and_then(Encoder::try_out)
        .unwrap_or_default();
    for element in candidates(codec) {
        let decoder = Decoder { element, codec };
        let works = if packets.is_empty() {
            !element.starts_with("v4l2") && gst::ElementFactory::find(element).is_some()
        } else {
            match decoder.try_out(&packets) {
                Ok(()) => true,
                Err(reason) => {
                    tracing::debug!(%codec, element, reason, "video decoder refused");
                    false
                }
            }
        };
        if works {
            tracing::info!(%codec, element, "video decoder chosen");
            chosen[codec.index()] = Some(decoder);
            return Some(decoder);
        }
    }
    None
}
