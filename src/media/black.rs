//! A black picture, for far sides that would go on showing the last one they got.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::VideoCodec;
use super::encoder::{self, EncoderTarget};
use super::pipeline::Pipeline;
use super::rtp::{EncodedFrame, Packet, RunId, starts_key_frame};
use super::source::read_packet;

/// Encoding one small picture takes a few milliseconds; this is for an encoder that hangs.
const LIMIT: Duration = Duration::from_secs(5);

/// A black key frame that can be sent any number of times.
#[derive(Clone, Debug)]
pub(super) struct BlackPicture(Arc<[Packet]>);

impl BlackPicture {
    /// Encoded once per process and format. Blocks while encoding.
    ///
    /// # Errors
    /// Why it could not be encoded; the next call tries again.
    pub(super) fn get(codec: VideoCodec) -> Result<Self, String> {
        static KNOWN: Mutex<[Option<BlackPicture>; 2]> = Mutex::new([None, None]);
        // Held while encoding, so that two callers do not encode at once.
        let mut known = KNOWN.lock();
        let known = &mut known[codec.index()];
        if let Some(picture) = known {
            return Ok(picture.clone());
        }
        let picture = encode(codec)?;
        Ok(known.insert(picture).clone())
    }

    /// A frame of it; each is a run of its own, so that its time is that of its sending.
    pub(super) fn frame(&self) -> EncodedFrame {
        EncodedFrame {
            run: RunId::fresh(),
            rtp_timestamp: 0,
            key: true,
            packets: self.0.to_vec(),
            encoded_at: Instant::now(),
        }
    }
}

fn encode(codec: VideoCodec) -> Result<BlackPicture, String> {
    let encoder = encoder::probe(codec).map_err(|error| error.to_string())?;
    let target = EncoderTarget {
        bitrate_kbps: 500,
        framerate: 1,
    };
    let pipeline = Pipeline::parse(
        &format!(
            "videotestsrc pattern=black num-buffers=1 \
             ! video/x-raw,format=I420,width=320,height=240,framerate=1/1 ! {} \
             ! appsink name=out sync=false",
            encoder.description(target)
        ),
        |_| {},
    )?;
    let output: gst_app::AppSink = pipeline.element("out")?;
    pipeline.play()?;
    let until = Instant::now() + LIMIT;
    let mut packets = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = gst::ClockTime::from_mseconds(left.as_millis() as u64);
        let Some(sample) = output.try_pull_sample(wait) else {
            break;
        };
        let packet = sample.buffer().and_then(read_packet);
        packets.extend(packet.map(|(_, packet)| packet));
    }
    let is_key = packets
        .iter()
        .any(|packet| starts_key_frame(codec, &packet.payload));
    if !is_key {
        return Err(format!("no key frame of {codec} within {LIMIT:?}"));
    }
    Ok(BlackPicture(packets.into()))
}
