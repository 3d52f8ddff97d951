//! The two branches of a device's pipeline, as text to build it from.

use gst::prelude::*;
use gstreamer as gst;

use super::card::BUFFER;
use super::device::{AudioDeviceSettings, AudioSourceKind};
use super::halves::Half;
use super::processing::ProcessingStage;
use crate::media::pipeline::Pipeline;
use crate::media::sink::AudioSinkKind;

/// What every stage in between works in.
const CAPS: &str = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";

// Sinks that wait for a first buffer to begin with would wait for each other where what is heard
// comes of what is played; there is nothing to wait for in a live pipeline.

pub(super) fn playback(settings: &AudioDeviceSettings, stage: &ProcessingStage) -> String {
    let microseconds = BUFFER.as_micros();
    let sink = match &settings.loudspeaker {
        // The default buffer of 200 ms is 200 ms of delay.
        AudioSinkKind::Alsa { .. } | AudioSinkKind::Null => {
            format!("alsasink name=speaker buffer-time={microseconds} latency-time=10000")
        }
        AudioSinkKind::Tap(_) => {
            let nanoseconds = BUFFER.as_nanos();
            format!("{CAPS} ! appsink name=speaker async=false render-delay={nanoseconds}")
        }
    };
    // The silence paces the branch.
    format!(
        "audiotestsrc is-live=true wave=silence samplesperbuffer=480 ! {CAPS} \
         ! identity name=mix silent=true ! {} audioconvert ! audioresample ! {sink} ",
        stage.playback
    )
}

pub(super) fn capture(settings: &AudioDeviceSettings, stage: &ProcessingStage) -> String {
    let (processing, dtx) = (&stage.capture, settings.dtx);
    let source = match &settings.microphone {
        AudioSourceKind::Alsa { .. } => {
            "alsasrc name=microphone buffer-time=60000 latency-time=10000".to_owned()
        }
        AudioSourceKind::Feed(_) => {
            format!("appsrc name=microphone is-live=true format=time caps={CAPS}")
        }
        AudioSourceKind::TestTone => {
            "audiotestsrc name=microphone is-live=true wave=sine volume=0.3 samplesperbuffer=960"
                .to_owned()
        }
        AudioSourceKind::Test | AudioSourceKind::None => {
            "audiotestsrc name=microphone is-live=true wave=ticks samplesperbuffer=960".to_owned()
        }
    };
    // FEC is only written when the encoder is told to expect loss.
    format!(
        "{source} ! audioconvert ! audioresample ! {CAPS} \
         ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=200000000 leaky=downstream \
         ! {processing} identity name=processed silent=true \
         ! opusenc name=encoder bitrate=32000 frame-size=20 inband-fec=true \
           packet-loss-percentage=5 audio-type=voice dtx={dtx} \
         ! rtpopuspay mtu=1200 pt=96 dtx={dtx} ! appsink name=out sync=false async=false "
    )
}

/// Names the card. As a property, so that no configured name is read as pipeline syntax.
pub(super) fn use_device(pipeline: &Pipeline, half: Half, device: &str) -> Result<(), String> {
    let element: gst::Element = pipeline.element(half.name())?;
    element.set_property("device", device);
    if device == "null" {
        // ALSA's `null` takes and gives as much as one likes, and would be a clock without a pace.
        element.set_property("provide-clock", false);
    }
    Ok(())
}
