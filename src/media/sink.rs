//! Where decoded pictures and sound go.

/// What shows the far side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VideoSinkKind {
    /// Decoded, counted, not shown.
    #[default]
    Null,
    /// A window, or the whole display where there is no window system.
    Window,
}

/// What plays the far side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AudioSinkKind {
    /// Decoded, counted, not played.
    #[default]
    Null,
    /// An ALSA PCM by its name.
    Alsa {
        /// As of `aplay -L`.
        device: String,
    },
}

impl VideoSinkKind {
    /// Pictures are shown when they are decoded and not at a planned time: a planned time adds
    /// the jitter buffer's whole latency to every picture, and nobody at a door needs lip sync.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Null => "fakesink name=sink sync=false async=false",
            Self::Window => "videoconvert ! autovideosink name=sink sync=false",
        }
    }
}

impl AudioSinkKind {
    /// The device name is not part of the description: it is set as a property, so that no
    /// configured name can be read as pipeline syntax.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Null => "fakesink name=sink sync=false async=false",
            Self::Alsa { .. } => {
                "audioconvert ! audioresample \
                 ! alsasink name=sink buffer-time=60000 latency-time=10000"
            }
        }
    }
}
