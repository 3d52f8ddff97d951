//! What is done to the microphone's sound before it is encoded: echo, noise, gain, rumble.
//!
//! The work is `webrtcdsp`'s, the audio processing of WebRTC. Its canceller needs a
//! `webrtcechoprobe` in the same pipeline that hears what the loudspeaker plays, at the same rate
//! and made before either prerolls: hence text for both branches from one place.

use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;

/// A name for the two elements to know each other by. They look for it in the whole process: two
/// devices with one name might listen to each other's loudspeakers.
fn probe_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("echo{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What is wanted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processing {
    /// Takes what the loudspeaker plays out of what the microphone hears.
    pub echo_cancel: bool,
    /// Takes out what does not change: fans, hum.
    pub noise_suppression: bool,
    /// Brings voices near and far to one loudness.
    pub gain_control: bool,
    /// Takes out what is below speech: wind, steps.
    pub high_pass: bool,
}

/// What can be had of it, as text to build a pipeline from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessingStage {
    /// What runs.
    pub active: Processing,
    /// Between mix and loudspeaker; empty, or elements that each end in `!`. 48 kHz, S16LE, one
    /// channel.
    pub playback: String,
    /// Between microphone and encoder, in the same form.
    pub capture: String,
    /// Why something that is wanted is not there.
    pub lack: Option<String>,
}

impl Processing {
    /// Everything.
    pub const ALL: Self = Self {
        echo_cancel: true,
        noise_suppression: true,
        gain_control: true,
        high_pass: true,
    };

    /// Whether anything is wanted.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }

    /// What this machine can do of it. Without a loudspeaker there is no echo to cancel.
    /// GStreamer must have been initialised.
    pub fn stage(self, has_loudspeaker: bool) -> ProcessingStage {
        let wanted = Self {
            echo_cancel: self.echo_cancel && has_loudspeaker,
            ..self
        };
        if !wanted.is_any() {
            return ProcessingStage::default();
        }
        let missing = ["webrtcdsp", "webrtcechoprobe"]
            .into_iter()
            .find(|element| gst::ElementFactory::find(element).is_none());
        if let Some(element) = missing {
            return ProcessingStage {
                lack: Some(format!(
                    "sound is not processed: GStreamer has no {element} here (Debian's package \
                     gstreamer1.0-plugins-bad)"
                )),
                ..ProcessingStage::default()
            };
        }
        let probe = probe_name();
        // Not delay-agnostic: then the canceller is given what is played as soon as it is mixed, and
        // not when it is heard, which is a card's whole buffer too early. Its filter is 48 ms long.
        let capture = format!(
            "webrtcdsp name=dsp probe={probe} echo-cancel={} echo-suppression-level=moderate \
             delay-agnostic=false extended-filter=true noise-suppression={} \
             noise-suppression-level=moderate gain-control={} high-pass-filter={} ! ",
            wanted.echo_cancel, wanted.noise_suppression, wanted.gain_control, wanted.high_pass
        );
        let playback = if wanted.echo_cancel {
            format!("webrtcechoprobe name={probe} ! ")
        } else {
            String::new()
        };
        ProcessingStage {
            active: wanted,
            playback,
            capture,
            lack: None,
        }
    }
}
