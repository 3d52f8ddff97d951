//! The sounds a device has built in, as samples. Sans-IO.
//!
//! The pitches and cadences of the telephone's own are those of ETSI TR 101 041-2 (425 Hz): heard
//! by whoever has ever called somebody, they need no explanation.

use std::f32::consts::TAU;
use std::time::Duration;

use super::RATE;

/// How loud the loudest sample is, of 1.
const LOUDEST: f32 = 0.4;
/// Beginnings and ends are faded over so long, or they would click.
const FADE: usize = RATE * 5 / 1000;
/// The network's tone, Hz.
const NETWORK: f32 = 425.0;

/// A built-in sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// 1 kHz for 600 ms, as answering machines have it: somebody is about to be heard.
    Notice,
    /// Two notes of a door bell.
    Chime,
    /// A telephone's bell.
    Phone,
    /// It rings at the other side.
    Ringback,
    /// Nobody takes the call.
    Unanswered,
}

impl Tone {
    /// It once, 48 kHz, one channel.
    pub fn samples(self) -> Vec<i16> {
        match self {
            Self::Notice => beep(1_000.0, 600),
            Self::Chime => chime(),
            Self::Phone => phone(),
            Self::Ringback => beep(NETWORK, 1_000),
            Self::Unanswered => {
                let mut all = Vec::new();
                for _ in 0..4 {
                    all.extend(beep(NETWORK, 500));
                    all.extend(silence(500));
                }
                all
            }
        }
    }

    /// What lies between it and the next one where it is repeated.
    pub fn pause(self) -> Duration {
        match self {
            Self::Notice | Self::Unanswered => Duration::ZERO,
            Self::Chime | Self::Phone => Duration::from_secs(2),
            Self::Ringback => Duration::from_secs(4),
        }
    }
}

fn length(ms: usize) -> usize {
    RATE * ms / 1000
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; length(ms)]
}

fn beep(hz: f32, ms: usize) -> Vec<i16> {
    let count = length(ms);
    (0..count)
        .map(|n| sample(LOUDEST * wave(hz, n) * edge(n, count)))
        .collect()
}

/// E5, then C5 into its last sound.
fn chime() -> Vec<i16> {
    let (first, second) = (struck(659.26, 1_800), struck(523.25, 1_800));
    let begins = length(600);
    let count = begins + second.len();
    let at = |note: &[f32], n: usize| note.get(n).copied().unwrap_or_default();
    (0..count)
        .map(|n| {
            let later = n.checked_sub(begins).map_or(0.0, |n| at(&second, n));
            sample((at(&first, n) + later) * edge(n, count))
        })
        .collect()
}

/// A bar that was struck: its harmonics die away, the higher the sooner.
fn struck(hz: f32, ms: usize) -> Vec<f32> {
    let harmonics: [(f32, f32, f32); 3] = [(1.0, 0.6, 2.5), (2.0, 0.25, 5.0), (3.0, 0.15, 9.0)];
    (0..length(ms))
        .map(|n| {
            let seconds = n as f32 / RATE as f32;
            let sum: f32 = harmonics
                .iter()
                .map(|(times, share, decay)| share * wave(hz * times, n) * (-decay * seconds).exp())
                .sum();
            LOUDEST * sum
        })
        .collect()
}

/// Two bursts of a warble.
fn phone() -> Vec<i16> {
    let mut all = Vec::new();
    for burst in 0..2 {
        if burst > 0 {
            all.extend(silence(200));
        }
        for turn in 0..10 {
            let hz = if turn % 2 == 0 { 800.0 } else { 1_000.0 };
            all.extend(beep(hz, 40));
        }
    }
    all
}

fn wave(hz: f32, n: usize) -> f32 {
    (TAU * hz * n as f32 / RATE as f32).sin()
}

/// Up from nothing at the beginning, down to it at the end.
fn edge(n: usize, count: usize) -> f32 {
    let nearest = n.min(count - n) as f32;
    (nearest / FADE as f32).min(1.0)
}

fn sample(value: f32) -> i16 {
    // Far inside the range: nothing above is louder than 1.
    (value * f32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tone; 5] = [
        Tone::Notice,
        Tone::Chime,
        Tone::Phone,
        Tone::Ringback,
        Tone::Unanswered,
    ];

    #[test]
    fn no_tone_clips_or_clicks_and_each_is_heard() {
        for tone in ALL {
            let samples = tone.samples();
            let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
            assert!((6_000..20_000).contains(&loudest.unwrap()), "{tone:?}");
            assert_eq!(samples[0], 0, "{tone:?}");
            assert!(samples.last().unwrap().unsigned_abs() < 200, "{tone:?}");
        }
    }

    #[test]
    fn the_networks_tones_have_the_networks_pitch_and_length() {
        let crossings = |samples: &[i16]| {
            let pairs = samples.windows(2);
            pairs.filter(|pair| pair[0] < 0 && pair[1] >= 0).count()
        };
        let ringback = Tone::Ringback.samples();
        assert_eq!(ringback.len(), RATE);
        assert!((424..=425).contains(&crossings(&ringback)));
        let unanswered = Tone::Unanswered.samples();
        assert_eq!(unanswered.len(), 4 * RATE);
        assert!(unanswered[RATE / 2..RATE].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn only_what_is_repeated_has_a_pause() {
        assert_eq!(Tone::Ringback.pause(), Duration::from_secs(4));
        assert_eq!(Tone::Notice.pause(), Duration::ZERO);
    }
}
