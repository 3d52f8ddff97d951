//! A sound for those in front of the device: the tone before a recording, or a file in its place.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use tokio::sync::oneshot;

use super::pipeline::{End, Pipeline};
use super::sink::AudioSinkKind;

/// The longest an announcement may play.
pub const LONGEST: Duration = Duration::from_secs(60);

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// 1 kHz for 600 ms, as answering machines have it.
    Tone,
    /// A file GStreamer can decode: WAV, Ogg Opus, FLAC ….
    File(PathBuf),
}

/// It was not heard, or not to its end.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnnouncementError {
    /// The file or the loudspeaker does not work.
    #[error("the announcement cannot be played: {0}")]
    Failed(String),
    /// It went on for longer than [`LONGEST`] and was ended.
    #[error("the announcement is longer than {LONGEST:?}")]
    TooLong,
    /// It was stopped.
    #[error("the announcement was stopped")]
    Stopped,
}

/// An announcement being played, on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Playback {
    signals: Sender<Signal>,
}

enum Signal {
    Ended(End),
    Stop,
}

impl Announcement {
    /// Plays it; returns at once. The receiver hears when the last of it has been played, or why
    /// it was not.
    pub fn play(
        &self,
        sink: &AudioSinkKind,
    ) -> (Playback, oneshot::Receiver<Result<(), AnnouncementError>>) {
        let (signals, received) = channel();
        let (done, result) = oneshot::channel();
        let (announcement, sink, from_pipeline) = (self.clone(), sink.clone(), signals.clone());
        let spawned = std::thread::Builder::new()
            .name("announcement".into())
            .spawn(move || {
                let outcome = match announcement.pipeline(&sink, from_pipeline) {
                    Ok(_playing) => match received.recv_timeout(LONGEST) {
                        Ok(Signal::Ended(End::Eos)) => Ok(()),
                        Ok(Signal::Ended(End::Failed(reason))) => {
                            Err(AnnouncementError::Failed(reason))
                        }
                        Ok(Signal::Stop) => Err(AnnouncementError::Stopped),
                        Err(_) => Err(AnnouncementError::TooLong),
                    },
                    Err(reason) => Err(AnnouncementError::Failed(reason)),
                };
                // Whoever asked may have gone on.
                let _ = done.send(outcome);
            });
        if let Err(error) = spawned {
            // The receiver hears that nobody will answer.
            tracing::error!(%error, "no thread for an announcement");
        }
        (Playback { signals }, result)
    }

    fn pipeline(&self, sink: &AudioSinkKind, signals: Sender<Signal>) -> Result<Pipeline, String> {
        super::initialise().map_err(|error| error.to_string())?;
        let source = match self {
            // 60 buffers of 10 ms.
            Self::Tone => {
                "audiotestsrc wave=sine freq=1000 volume=0.4 samplesperbuffer=480 num-buffers=60 \
                 ! audio/x-raw,format=S16LE,rate=48000,channels=1"
            }
            Self::File(_) => "filesrc name=file ! decodebin ! audioconvert ! audioresample",
        };
        let pipeline =
            Pipeline::parse(&format!("{source} ! {}", sink.description()), move |end| {
                // A thread that has ended needs no more news.
                let _ = signals.send(Signal::Ended(end));
            })?;
        if let Self::File(path) = self {
            let file: gst::Element = pipeline.element("file")?;
            // As a property, so that no name is read as pipeline syntax.
            file.set_property("location", path.as_path());
        }
        if let AudioSinkKind::Alsa { device } = sink {
            let sink: gst::Element = pipeline.element("sink")?;
            sink.set_property("device", device);
        }
        pipeline.play()?;
        Ok(pipeline)
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        // A thread that has ended has stopped.
        let _ = self.signals.send(Signal::Stop);
    }
}
