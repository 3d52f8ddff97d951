//! Everything slow, done before the bell rings.
//!
//! The first use of an element loads its plugin and whatever that links, which took 12 s on a
//! cold board. A short real run of every pipeline a call will need moves that to boot time. The
//! pipelines are gone afterwards; the loaded code and the chosen codecs stay.

use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use tokio::sync::oneshot;

use super::pipeline::Pipeline;
use super::{MediaError, VideoCodec, decoder, encoder, peer};

/// What prewarming found.
#[derive(Clone, Debug)]
pub struct PrewarmReport {
    /// Per format asked for: the encoder that works, or why none does.
    pub encoders: Vec<(VideoCodec, Result<encoder::Encoder, encoder::NoEncoder>)>,
    /// Per format asked for: the decoder that works.
    pub decoders: Vec<(VideoCodec, Option<decoder::Decoder>)>,
    /// What does not work besides: sound, snapshots, certificates.
    pub trouble: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Starts prewarming on a thread of its own and returns at once. The receiver yields the report;
/// it may be dropped.
///
/// # Errors
/// [`MediaError`] when GStreamer or the thread does not start.
pub fn prewarm(codecs: &[VideoCodec]) -> Result<oneshot::Receiver<PrewarmReport>, MediaError> {
    let (done, report) = oneshot::channel();
    let codecs = codecs.to_vec();
    std::thread::Builder::new()
        .name("media-prewarm".into())
        .spawn(move || {
            if let Err(error) = super::initialise() {
                tracing::error!(%error, "media cannot start");
                return;
            }
            // Nobody may be waiting, and the work was worth doing all the same.
            let _ = done.send(run(&codecs));
        })
        .map_err(|error| MediaError::Threads(error.to_string()))?;
    Ok(report)
}

fn run(codecs: &[VideoCodec]) -> PrewarmReport {
    let started = Instant::now();
    let mut trouble = Vec::new();
    if let Err(error) = peer::prewarm_identity() {
        trouble.push(error);
    }
    let encoders = codecs
        .iter()
        .map(|codec| (*codec, encoder::probe(*codec)))
        .collect();
    let decoders = codecs
        .iter()
        .map(|codec| (*codec, decoder::probe(*codec)))
        .collect();
    for (what, description) in [
        (
            "sound",
            "audiotestsrc num-buffers=3 samplesperbuffer=960 \
             ! audio/x-raw,rate=48000,channels=1 ! audioconvert ! audioresample \
             ! opusenc ! rtpopuspay ! rtpjitterbuffer latency=0 ! rtpopusdepay ! opusdec \
             ! appsink name=out sync=false",
        ),
        (
            "snapshots",
            "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=320,height=240 \
             ! videoconvert ! jpegenc ! appsink name=out sync=false",
        ),
    ] {
        if let Err(reason) = run_once(description) {
            trouble.push(format!("{what}: {reason}"));
        }
    }
    // The encoders and decoders tried are gone; what they used should be too.
    crate::base::allocator::trim();
    let report = PrewarmReport {
        encoders,
        decoders,
        trouble,
        took: started.elapsed(),
    };
    tracing::info!(took = ?report.took, trouble = ?report.trouble, "media is warm");
    report
}

fn run_once(description: &str) -> Result<(), String> {
    const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);
    let pipeline = Pipeline::parse(description, |_| {})?;
    let output: gst_app::AppSink = pipeline.element("out")?;
    pipeline.play()?;
    match output.try_pull_sample(LIMIT) {
        Some(_) => Ok(()),
        None => Err(pipeline
            .play()
            .err()
            .unwrap_or_else(|| "nothing came out".into())),
    }
}
