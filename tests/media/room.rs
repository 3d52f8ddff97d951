//! A room that exists as figures alone: what a microphone hears in it of a loudspeaker, and how
//! much of that is left behind our processing. Also measured by `make bench-echo`.

use std::path::Path;
use std::process::Command;

use cubelet::media::Processing;
use cubelet::media::sound::{FRAME, RATE, VoiceSwitch};
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub const CAPS: &str = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";

/// Some 20 s of who is called.
pub const FAR: &str = "Good evening. This is the house of the family Miller. We are on our way home \
    and will be with you in about five minutes. If you bring a parcel, please put it into the box \
    to the right of the door; I will open it for you now. Should it be too large, the neighbours \
    in number seven are at home and glad to take it. Thank you very much and have a good evening.";
/// Who stands at the door, speaking into it after 8 s.
pub const NEAR: &str = "Hello, here is the post office with a parcel for you. It is rather large.";
pub const NEAR_AT: usize = 8 * RATE;
/// What the canceller is given to find the echo.
pub const SETTLED: usize = 3 * RATE;

/// What became of echo and visitor.
#[derive(Debug)]
pub struct Figures {
    /// What is left of the echo, after 3 s of one speaking: decibels below what the microphone
    /// hears (ITU-T G.168: echo return loss enhancement).
    pub erle: f64,
    /// The same with everything but echo cancelling.
    pub erle_without: f64,
    /// The part of the visitor's voice that comes through while both speak, of what comes through
    /// while nobody else does.
    pub kept: f64,
}

/// What a voice switch makes of echo and visitor, without a canceller.
#[derive(Debug)]
pub struct HalfDuplexFigures {
    /// Decibels the echo of all the far side says is below what the microphone hears of it.
    pub echo_return: f64,
    /// The part of the visitor's voice that comes through while the far side is silent.
    pub kept: f64,
    /// The same while the far side speaks, which has the way.
    pub kept_against_the_far_side: f64,
}

/// From the mix to the loudspeaker and from the microphone to us, beside the room: a card's
/// buffers.
pub const CARD: usize = 12 * FRAME;

/// Plays both through the voice switch, as the device does: 10 ms at a time, no canceller.
pub fn measure_half_duplex() -> HalfDuplexFigures {
    let folder = tempfile::tempdir().unwrap();
    let far = speech("en-us", FAR, folder.path());
    let near = speech("en-gb", NEAR, folder.path());
    let mut echo = vec![0; CARD];
    echo.extend(Room::new(1).hears(&far));
    echo.truncate(far.len());
    let switched = |played: &[i16], heard: &[i16]| {
        let mut switch = VoiceSwitch::default();
        let mut left = heard.to_vec();
        for (played, heard) in played.chunks_exact(FRAME).zip(left.chunks_exact_mut(FRAME)) {
            switch.played(played);
            switch.heard(heard);
        }
        left
    };
    let visitor_at = |far: &[i16]| {
        let mut heard = vec![0; far.len()];
        heard[NEAR_AT..NEAR_AT + near.len()].copy_from_slice(&near);
        let left = switched(far, &heard);
        share(&left, &heard)
    };
    HalfDuplexFigures {
        echo_return: decibels(&echo, &switched(&far, &echo)),
        kept: visitor_at(&vec![0; far.len()]),
        kept_against_the_far_side: visitor_at(&far),
    }
}

/// Plays both through the product's processing.
pub fn measure() -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let far = speech("en-us", FAR, folder.path());
    let near = speech("en-gb", NEAR, folder.path());
    let (both_end, silence) = (NEAR_AT + near.len(), vec![0; far.len()]);
    assert!(both_end < far.len(), "they do not speak at the same time");
    let room = || Room::new(1);
    let echo = room().hears(&far);
    let with_visitor = |mut heard: Vec<i16>| {
        for (slot, sample) in heard[NEAR_AT..].iter_mut().zip(&near) {
            *slot = slot.saturating_add(*sample);
        }
        heard
    };
    let erle = |processing| {
        let left = process(processing, &far, &echo);
        decibels(&echo[SETTLED..left.len()], &left[SETTLED..])
    };
    let visitor = with_visitor(room().hears(&silence));
    let alone = process(Processing::ALL, &silence, &visitor);
    let both = process(Processing::ALL, &far, &with_visitor(echo.clone()));
    Figures {
        erle: erle(Processing::ALL),
        erle_without: erle(Processing {
            echo_cancel: false,
            ..Processing::ALL
        }),
        kept: share(&both[NEAR_AT..both_end], &alone[NEAR_AT..both_end]),
    }
}

/// Speech at 48 kHz, made by `espeak-ng`.
pub fn speech(voice: &str, text: &str, folder: &Path) -> Vec<i16> {
    gst::init().unwrap();
    let file = folder.join(format!("{voice}.wav"));
    let made = Command::new("espeak-ng")
        .args(["-v", voice, "-w"])
        .arg(&file)
        .arg(text)
        .status();
    let made = made.unwrap_or_else(|error| panic!("espeak-ng: {error}; see scripts/setup test"));
    assert!(made.success());
    let pipeline = launch(&format!(
        "filesrc name=file ! wavparse ! audioconvert ! audioresample ! {CAPS} \
         ! appsink name=out sync=false"
    ));
    let source = pipeline.by_name("file").unwrap();
    source.set_property("location", &file);
    let out = sink(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut samples = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        samples.extend(read(&sample));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

/// From loudspeaker to microphone: 5 ms of way, then 150 ms in which the sound falls by 60 dB.
pub struct Room {
    taps: Vec<(usize, f64)>,
    /// All that was played so far.
    played: Vec<f64>,
    noise: StdRng,
}

impl Room {
    /// Velvet noise, two echoes a millisecond, 6 dB quieter than what was played.
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let reverberation = RATE * 150 / 1000;
        let mut taps: Vec<(usize, f64)> = (0..reverberation)
            .step_by(FRAME / 20)
            .map(|at| {
                let at = at + random.random_range(0..FRAME / 20);
                let sign = if random.random() { 1.0 } else { -1.0 };
                let decay = 10f64.powf(-3.0 * at as f64 / reverberation as f64);
                (RATE * 5 / 1000 + at, sign * decay)
            })
            .collect();
        let energy: f64 = taps.iter().map(|(_, gain)| gain * gain).sum();
        for (_, gain) in &mut taps {
            *gain *= 0.5 / energy.sqrt();
        }
        Self {
            taps,
            played: Vec::new(),
            noise: StdRng::seed_from_u64(7),
        }
    }

    /// What of `played`, all of it, arrives at the microphone, in a room that is not quite silent.
    fn hears(mut self, played: &[i16]) -> Vec<i16> {
        self.hear(played, 0)
    }

    /// The same with what goes on from what was played before; `late`: samples the way takes beside
    /// the room.
    pub fn hear(&mut self, played: &[i16], late: usize) -> Vec<i16> {
        self.played
            .extend(played.iter().map(|sample| f64::from(*sample)));
        let begin = self.played.len() - played.len();
        let mut heard = vec![0_f64; played.len()];
        for (delay, gain) in &self.taps {
            let delay = delay + late;
            let silent = delay.saturating_sub(begin).min(heard.len());
            let from = (begin + silent).saturating_sub(delay);
            for (slot, sample) in heard[silent..].iter_mut().zip(&self.played[from..]) {
                *slot += gain * sample;
            }
        }
        let noise = heard.into_iter();
        noise
            .map(|sample| (sample + self.noise.random_range(-20.0..20.0)) as i16)
            .collect()
    }
}

/// Runs both branches of the product's processing, 10 ms at a time and as fast as it goes.
fn process(processing: Processing, played: &[i16], heard: &[i16]) -> Vec<i16> {
    gst::init().unwrap();
    let stage = processing.stage(true);
    assert_eq!(stage.active, processing, "{:?}", stage.lack);
    let pipeline = launch(&format!(
        "appsrc name=played format=time caps={CAPS} ! {} \
           appsink name=speaker sync=false async=false \
         appsrc name=heard format=time caps={CAPS} ! {} \
           appsink name=out sync=false async=false",
        stage.playback, stage.capture
    ));
    let source = |name: &str| {
        let source = pipeline.by_name(name).unwrap();
        source.downcast::<gst_app::AppSrc>().unwrap()
    };
    let (far, near) = (source("played"), source("heard"));
    let speaker = pipeline.by_name("speaker").unwrap();
    let speaker = speaker.downcast::<gst_app::AppSink>().unwrap();
    let out = sink(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut left = Vec::with_capacity(heard.len());
    for (n, (played, heard)) in played
        .chunks_exact(FRAME)
        .zip(heard.chunks_exact(FRAME))
        .enumerate()
    {
        let time = gst::ClockTime::from_mseconds(10 * n as u64);
        far.push_buffer(buffer(played, time)).unwrap();
        // What is heard was played before.
        speaker.pull_sample().unwrap();
        near.push_buffer(buffer(heard, time)).unwrap();
        left.extend(read(&out.pull_sample().unwrap()));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    left
}

/// Decibels between the power of two sounds.
pub fn decibels(of: &[i16], to: &[i16]) -> f64 {
    10.0 * ((product(of, of) + 1.0) / (product(to, to) + 1.0)).log10()
}

/// How much of `wanted` is in `sound`, as a factor.
pub fn share(sound: &[i16], wanted: &[i16]) -> f64 {
    product(sound, wanted) / product(wanted, wanted)
}

fn product(one: &[i16], other: &[i16]) -> f64 {
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

pub fn launch(description: &str) -> gst::Pipeline {
    let element = gst::parse::launch(description).unwrap();
    element.downcast().unwrap()
}

pub fn sink(pipeline: &gst::Pipeline) -> gst_app::AppSink {
    let sink = pipeline.by_name("out").unwrap();
    sink.downcast().unwrap()
}

fn buffer(samples: &[i16], time: gst::ClockTime) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    let fresh = buffer.get_mut().unwrap();
    fresh.set_pts(time);
    fresh.set_duration(gst::ClockTime::from_mseconds(10));
    buffer
}

pub fn read(sample: &gst::Sample) -> Vec<i16> {
    let map = sample.buffer().unwrap().map_readable().unwrap();
    map.chunks_exact(2)
        .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
        .collect()
}
