//! A sound for those in front of the device: a tone, a file, or a text that is read out.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use tokio::sync::oneshot;

use super::pipeline::{End, Pipeline};
pub use super::sound::Tone;
use super::sound::{Loudspeaker, NotPlayed, Voice, read_samples};

/// The longest an announcement may play.
pub const LONGEST: Duration = Duration::from_secs(60);

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// One of the built-in sounds.
    Tone(Tone),
    /// A file GStreamer can decode: WAV, Ogg Opus, FLAC ….
    File(PathBuf),
    /// Read out by `espeak-ng`.
    Speech {
        /// As of `espeak-ng --voices`.
        voice: String,
        /// What.
        text: String,
    },
}

/// The program that reads out.
const SPEAKER: &str = "espeak-ng";

/// Whether this machine can read out.
pub fn has_speech() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(SPEAKER).is_file())
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

impl From<NotPlayed> for AnnouncementError {
    fn from(error: NotPlayed) -> Self {
        match error {
            NotPlayed::Failed(reason) => Self::Failed(reason),
            NotPlayed::Stopped => Self::Stopped,
            NotPlayed::TooLong => Self::TooLong,
        }
    }
}

/// What became of it, for whoever waits.
///
/// # Errors
/// As it was told, or that no thread plays it.
pub async fn played(
    done: oneshot::Receiver<Result<(), AnnouncementError>>,
) -> Result<(), AnnouncementError> {
    done.await
        .unwrap_or_else(|_| Err(AnnouncementError::Failed("no thread plays it".into())))
}

/// An announcement being played, on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Playback {
    voices: Arc<Vec<Voice>>,
    signals: Sender<Signal>,
}

enum Signal {
    Ended(End),
    Unheard(NotPlayed),
    Stop,
}

impl Announcement {
    /// Plays it on each of these at once, mixed with whatever else is heard there; returns at
    /// once. The receiver hears when the last of it has been played, or why it was not.
    pub fn play(
        &self,
        loudspeakers: &[&Loudspeaker],
    ) -> (Playback, oneshot::Receiver<Result<(), AnnouncementError>>) {
        let (signals, received) = channel();
        let (done, result) = oneshot::channel();
        let (announcement, from_pipeline) = (self.clone(), signals.clone());
        let voices = loudspeakers.iter().map(|one| one.patient()).collect();
        let voices: Arc<Vec<Voice>> = Arc::new(voices);
        let heard = Arc::clone(&voices);
        let spawned = std::thread::Builder::new()
            .name("announcement".into())
            .spawn(move || {
                let deadline = Instant::now() + LONGEST;
                let outcome = match announcement.pipeline(&heard, deadline, from_pipeline) {
                    Ok(_playing) => {
                        let ended = received.recv_timeout(LONGEST);
                        let outcome = match ended {
                            Ok(Signal::Ended(End::Eos)) => heard
                                .iter()
                                .try_for_each(|voice| voice.drain(deadline))
                                .map_err(From::from),
                            Ok(Signal::Ended(End::Failed(reason))) => {
                                Err(AnnouncementError::Failed(reason))
                            }
                            Ok(Signal::Unheard(why)) => Err(why.into()),
                            Ok(Signal::Stop) => Err(AnnouncementError::Stopped),
                            Err(_) => Err(AnnouncementError::TooLong),
                        };
                        // The pipeline ends next, and must not wait for room.
                        heard.iter().for_each(Voice::close);
                        outcome
                    }
                    Err(reason) => Err(AnnouncementError::Failed(reason)),
                };
                // Whoever asked may have gone on.
                let _ = done.send(outcome);
            });
        if let Err(error) = spawned {
            // The receiver hears that nobody will answer.
            tracing::error!(%error, "no thread for an announcement");
        }
        (Playback { voices, signals }, result)
    }

    fn pipeline(
        &self,
        voices: &Arc<Vec<Voice>>,
        deadline: Instant,
        signals: Sender<Signal>,
    ) -> Result<Pipeline, String> {
        super::initialise().map_err(|error| error.to_string())?;
        let source = match self {
            Self::Tone(_) => {
                "appsrc name=made format=time \
                 caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved"
            }
            Self::File(_) => "filesrc name=file ! decodebin",
            Self::Speech { .. } => "appsrc name=made format=bytes ! wavparse",
        };
        let unheard = signals.clone();
        let pipeline = Pipeline::parse(
            &format!(
                "{source} ! audioconvert ! audioresample \
                 ! audio/x-raw,format=S16LE,rate=48000,channels=1 \
                 ! appsink name=out sync=false max-buffers=4"
            ),
            move |end| {
                // A thread that has ended needs no more news.
                let _ = signals.send(Signal::Ended(end));
            },
        )?;
        if let Self::File(path) = self {
            let file: gst::Element = pipeline.element("file")?;
            // As a property, so that no name is read as pipeline syntax.
            file.set_property("location", path.as_path());
        }
        let made = match self {
            Self::Tone(tone) => Some(bytes_of(&tone.samples())),
            Self::Speech { voice, text } => Some(read_out(voice, text)?),
            Self::File(_) => None,
        };
        if let Some(made) = made {
            let source: gst_app::AppSrc = pipeline.element("made")?;
            // Refused only by a pipeline that has failed, which is reported by itself.
            let _ = source.push_buffer(gst::Buffer::from_slice(made));
            let _ = source.end_of_stream();
        }
        let output: gst_app::AppSink = pipeline.element("out")?;
        let voices = Arc::clone(voices);
        let mut samples = Vec::new();
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(buffer) = sample.buffer() {
                read_samples(buffer, &mut samples);
            }
            // Each takes what it has room for, at the pace of its card.
            let mut all = voices.iter();
            all.try_for_each(|voice| voice.play(&samples, deadline))
                .map_err(|why| {
                    let _ = unheard.send(Signal::Unheard(why));
                    gst::FlowError::Eos
                })?;
            Ok(gst::FlowSuccess::Ok)
        });
        output.set_callbacks(callbacks.build());
        pipeline.play()?;
        Ok(pipeline)
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        // A thread that has ended has stopped.
        let _ = self.signals.send(Signal::Stop);
        self.voices.iter().for_each(Voice::close);
    }
}

fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

/// The text as a WAV file. The text goes in by standard input, so that none is read as an option.
fn read_out(voice: &str, text: &str) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("{SPEAKER}: {error}");
    let mut program = Command::new(SPEAKER)
        .args(["-v", voice, "--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut input) = program.stdin.take() {
        // It reads all of it before it speaks; then the pipe is closed.
        input.write_all(text.as_bytes()).map_err(cannot)?;
    }
    let spoken = program.wait_with_output().map_err(cannot)?;
    if !spoken.status.success() || spoken.stdout.is_empty() {
        let said = String::from_utf8_lossy(&spoken.stderr);
        let said = said.lines().next().unwrap_or("it says nothing");
        return Err(format!("{SPEAKER}: {said}"));
    }
    Ok(spoken.stdout)
}
