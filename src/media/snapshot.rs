//! One raw picture to one JPEG.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;
use tokio::sync::oneshot;

use super::pipeline::{End, Pipeline};

/// Encoding one 4K picture takes a Pi 3 under a second.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Encodes on a thread made for it: pictures are rare, and the encoder's start-up blocks.
pub(super) async fn encode_jpeg_on_own_thread(
    sample: gst::Sample,
    size: Size,
) -> Result<Bytes, String> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("snapshot".into())
        .spawn(move || {
            // The asker may have gone away in the meantime.
            let _ = done.send(encode_jpeg(&sample, size));
        })
        .map_err(|error| error.to_string())?;
    result
        .await
        .unwrap_or_else(|_| Err("the encoder thread died".into()))
}

/// How large the JPEG is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As captured.
    Full,
    /// So many pixels wide, to be sent along with something else.
    Thumbnail(u32),
}

/// Encodes here and now; blocks for some milliseconds.
pub(super) fn encode_jpeg(sample: &gst::Sample, size: Size) -> Result<Bytes, String> {
    let caps = sample.caps().ok_or("the picture has no format")?;
    let buffer = sample.buffer().ok_or("the sample holds no picture")?;
    let (scaling, quality) = match size {
        Size::Full => (String::new(), 85),
        Size::Thumbnail(width) => {
            let format = format!("video/x-raw,width={width},pixel-aspect-ratio=1/1");
            (format!("! videoscale ! {format} "), 60)
        }
    };
    let pipeline = Pipeline::parse(
        &format!(
            "appsrc name=in format=time {scaling}! videoconvert ! jpegenc quality={quality} \
             ! appsink name=out sync=false max-buffers=1"
        ),
        |end| {
            if let End::Failed(reason) = end {
                tracing::debug!(reason, "JPEG encoding failed");
            }
        },
    )?;
    let input: gst_app::AppSrc = pipeline.element("in")?;
    let output: gst_app::AppSink = pipeline.element("out")?;
    input.set_caps(Some(&caps.to_owned()));
    pipeline.play()?;
    let mut copy = buffer.to_owned();
    // Timestamps of a long-running camera mean nothing to a pipeline that starts now.
    let fields = copy.make_mut();
    fields.set_pts(gst::ClockTime::ZERO);
    fields.set_dts(gst::ClockTime::NONE);
    input
        .push_buffer(copy)
        .and_then(|_| input.end_of_stream())
        .map_err(|error| error.to_string())?;
    let jpeg = output
        .try_pull_sample(LIMIT)
        .ok_or("the JPEG encoder gave nothing")?;
    let map = jpeg
        .buffer()
        .ok_or("the JPEG encoder gave an empty sample")?
        .map_readable()
        .map_err(|error| error.to_string())?;
    Ok(Bytes::copy_from_slice(&map))
}
