//! Encoded frames in, bytes of the file out. No clock, no disk.

use std::time::{Duration, Instant};

use super::boxes::{
    self, AUDIO_CLOCK, FREE_SIZE, TrackFormat, VIDEO_CLOCK, data_header, fragment, head, index,
};
use super::opus;
use super::picture::{Picture, PictureFormat};
use super::sample_table::{Pending, Sample, SampleTable};
use super::timeline::Timeline;
use crate::media::VideoCodec;
use crate::media::rtp::EncodedFrame;

/// A fragment is closed when it is so long or so large. Twice as often as a second of loss would
/// need, so that a slow write does not make it more.
const FRAGMENT: Duration = Duration::from_millis(500);
const FRAGMENT_BYTES: u64 = 1 << 20;
/// A packet of sound leaves its encoder when its last sample is in, and its time is its first's.
const AUDIO_PACKET: Duration = Duration::from_millis(20);

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in the file, or soon will be.
    Yes,
    /// Nothing can begin with it, or it is damaged.
    Skipped,
    /// The longest time is reached; nothing more is taken.
    Full,
}

/// The file cannot go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum MuxError {
    /// Players take one kind of picture per file.
    #[error("the encoder changed its parameters")]
    FormatChanged,
    /// A box cannot be made, which no input should cause.
    #[error("the file's structure: {0}")]
    Structure(String),
}

impl From<mp4_atom::Error> for MuxError {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Structure(error.to_string())
    }
}

/// What is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Whether there are to be pictures.
    pub picture: bool,
    pub sound: bool,
    pub max_duration: Duration,
    /// Seconds since 1904.
    pub created: u64,
}

#[derive(Debug)]
struct Track {
    format: TrackFormat,
    pending: Pending,
    table: SampleTable,
}

/// Builds one file.
#[derive(Debug)]
pub(super) struct Muxer {
    plan: Plan,
    begin: Option<Instant>,
    last: Duration,
    video: Option<Track>,
    audio: Option<Track>,
    video_time: Timeline,
    audio_time: Timeline,
    /// Where the last packet of sound ends, in its ticks.
    audio_end: Option<u64>,
    /// Of the pictures in it.
    format: Option<PictureFormat>,
    needs_key: bool,
    sequence: u32,
    written: u64,
}

/// What completes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The last fragment; empty when there is none.
    pub fragment: Vec<u8>,
    /// The index, to be appended after it.
    pub index: Vec<u8>,
    /// What replaces the bytes at [`boxes::FREE_AT`] once all else is on the disk.
    pub header: [u8; FREE_SIZE as usize],
}

impl Muxer {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            begin: None,
            last: Duration::ZERO,
            video: None,
            audio: None,
            video_time: Timeline::new(VIDEO_CLOCK),
            audio_time: Timeline::new(AUDIO_CLOCK),
            audio_end: None,
            format: None,
            needs_key: false,
            sequence: 0,
            written: 0,
        }
    }

    /// When the recording began, by the first frame in it.
    pub(super) fn begin(&self) -> Option<Instant> {
        self.begin
    }

    /// From the beginning to the last frame.
    pub(super) fn duration(&self) -> Duration {
        self.last
    }

    /// Whether there are pictures, or may be, and sound.
    pub(super) fn has(&self) -> (bool, bool) {
        (self.video.is_some(), self.audio.is_some())
    }

    /// No picture came: record the sound alone.
    pub(super) fn give_up_on_pictures(&mut self) {
        self.plan.picture = false;
    }

    pub(super) fn video(
        &mut self,
        codec: VideoCodec,
        frame: &EncodedFrame,
    ) -> Result<Taken, MuxError> {
        let at = self.video_time.place(frame);
        let Some(picture) = Picture::read(codec, frame) else {
            self.needs_key = true;
            return Ok(Taken::Skipped);
        };
        if self.begin.is_none() {
            let format = picture.format.as_ref().filter(|_| picture.is_key);
            let Some(format) = format.filter(|_| self.plan.picture) else {
                return Ok(Taken::Skipped);
            };
            // A format that cannot be read is damaged; another comes with the next key frame.
            let Some(size) = format.size() else {
                return Ok(Taken::Skipped);
            };
            self.video = Some(Track::new(
                TrackFormat::video(1, format, size)?,
                VIDEO_CLOCK / 30,
            ));
            self.format = Some(format.clone());
            self.start(at);
        }
        let (Some(track), Some(format)) = (&mut self.video, &self.format) else {
            return Ok(Taken::Skipped);
        };
        if picture.is_key {
            if picture.format.is_some_and(|told| told != *format) {
                return Err(MuxError::FormatChanged);
            }
            self.needs_key = false;
        }
        if self.needs_key || format.codec() != codec {
            return Ok(Taken::Skipped);
        }
        let since = at.saturating_duration_since(self.begin.unwrap_or(at));
        if since >= self.plan.max_duration {
            return Ok(Taken::Full);
        }
        self.last = self.last.max(since);
        let time = ticks(since, VIDEO_CLOCK);
        track.pending.push(time, picture.is_key, picture.data);
        Ok(Taken::Yes)
    }

    pub(super) fn audio(&mut self, frame: &EncodedFrame) -> Result<Taken, MuxError> {
        let at = self.audio_time.place(frame);
        let at = at.checked_sub(AUDIO_PACKET).unwrap_or(at);
        if self.begin.is_none() && !self.plan.picture {
            self.start(at);
        }
        let (Some(begin), Some(track)) = (self.begin, &mut self.audio) else {
            return Ok(Taken::Skipped);
        };
        let Some(since) = at.checked_duration_since(begin) else {
            return Ok(Taken::Skipped);
        };
        if since + AUDIO_PACKET > self.plan.max_duration {
            return Ok(Taken::Full);
        }
        // RFC 7587 §4.1: one packet is one frame.
        let Some(packet) = frame.packets.first() else {
            return Ok(Taken::Skipped);
        };
        self.last = self.last.max(since + AUDIO_PACKET);
        let time = ticks(since, AUDIO_CLOCK);
        if let Some(end) = self.audio_end {
            track.be_silent(end, time);
        }
        let length = opus::duration(&packet.payload);
        self.audio_end = Some(time + length.unwrap_or(opus::SILENCE_TICKS));
        track.pending.push(time, true, packet.payload.to_vec());
        Ok(Taken::Yes)
    }

    fn start(&mut self, at: Instant) {
        self.begin = Some(at);
        if self.plan.sound {
            let id = if self.video.is_some() { 2 } else { 1 };
            self.audio = Some(Track::new(
                TrackFormat::audio(id),
                ticks(AUDIO_PACKET, AUDIO_CLOCK) as u32,
            ));
        }
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.video.iter().chain(&self.audio)
    }

    fn tracks_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        self.video.iter_mut().chain(&mut self.audio)
    }

    /// Whether what waits is enough for a fragment.
    pub(super) fn is_due(&self) -> bool {
        let bytes: u64 = self.tracks().map(|track| track.pending.bytes()).sum();
        bytes >= FRAGMENT_BYTES
            || self
                .tracks()
                .any(|track| track.pending.span() >= ticks(FRAGMENT, track.format.clock))
    }

    /// Bytes of the file so far, with those that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.written
            + self
                .tracks()
                .map(|track| track.pending.bytes())
                .sum::<u64>()
    }

    /// Whether all that was handed over is in a file of this length.
    pub(super) fn is_whole(&self, length: u64) -> bool {
        self.written == length
    }

    /// What is to be appended to the file now; empty when nothing waits.
    pub(super) fn flush(&mut self) -> Result<Vec<u8>, MuxError> {
        let mut bytes = Vec::new();
        if self.written == 0 && self.begin.is_some() {
            let formats: Vec<_> = self.tracks().map(|track| track.format.clone()).collect();
            bytes = head(&formats, self.plan.created)?;
        }
        let at = self.written + bytes.len() as u64;
        let mut waiting: Vec<(&mut Track, Vec<Sample>)> = self
            .video
            .iter_mut()
            .chain(&mut self.audio)
            .map(|track| {
                let samples = track.pending.take();
                (track, samples)
            })
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        if !waiting.is_empty() {
            self.sequence += 1;
            let parts: Vec<_> = waiting
                .iter()
                .map(|(track, samples)| (&track.format, samples.as_slice()))
                .collect();
            let (moof, offsets) = fragment(self.sequence, &parts)?;
            for ((track, samples), offset) in waiting.iter_mut().zip(offsets) {
                let time = samples.first().map_or(0, |first| first.time);
                let entries = samples
                    .iter()
                    .map(|one| (one.data.len() as u32, one.duration, one.is_key));
                track.table.add_chunk(at + offset, time, entries);
            }
            bytes.extend_from_slice(&moof);
        }
        self.written += bytes.len() as u64;
        Ok(bytes)
    }

    /// The end; what was recorded in all.
    pub(super) fn finish(mut self) -> Result<Ending, MuxError> {
        if let (Some(track), Some(end)) = (&mut self.audio, self.audio_end) {
            track.be_silent(end, ticks(self.last, AUDIO_CLOCK));
        }
        for track in self.tracks_mut() {
            track.pending.end();
        }
        let fragment = self.flush()?;
        let tables: Vec<_> = self
            .tracks()
            .map(|track| (&track.format, &track.table))
            .collect();
        Ok(Ending {
            fragment,
            index: index(&tables, self.plan.created)?,
            header: data_header(self.written.max(boxes::FREE_AT + FREE_SIZE)),
        })
    }
}

impl Track {
    fn new(format: TrackFormat, usual: u32) -> Self {
        Self {
            format,
            pending: Pending::new(usual),
            table: SampleTable::default(),
        }
    }

    /// What was not sent is silence: browsers play a packet right after the one before, whatever
    /// their times are, and would be ahead of the pictures. In ticks of sound.
    fn be_silent(&mut self, from: u64, until: u64) {
        let mut end = from;
        while end + opus::SILENCE_TICKS <= until {
            self.pending.push(end, true, opus::SILENCE.to_vec());
            end += opus::SILENCE_TICKS;
        }
    }
}

fn ticks(duration: Duration, clock: u32) -> u64 {
    // A recording is hours at most: far below 2^64 nanoseconds times the clock.
    (duration.as_nanos() * u128::from(clock) / 1_000_000_000) as u64
}
