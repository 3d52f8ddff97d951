//! How long sound is on its way from the loudspeaker to the microphone: a chirp, and where it is in
//! what was heard.
//!
//! By normalised cross-correlation. A chirp is found below noise that is louder than it, and, other
//! than a tone, at one place only.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

/// From the lowest to the highest pitch, Hz: what small loudspeakers play and small rooms carry.
const FROM_HZ: f32 = 500.0;
const TO_HZ: f32 = 4_000.0;
/// How long it sounds.
pub const CHIRP: Duration = Duration::from_millis(200);
/// Half of full scale: as loud as speech.
const AMPLITUDE: f32 = 0.5;
/// Samples are looked at at no more than about this rate, which the chirp's pitches need not more of.
const LOOKED_AT_HZ: u32 = 12_000;
/// How alike what is heard must be, 0 to 1. Noise alone comes to 0.15; a chirp as loud as the noise
/// around it to 0.7.
const ALIKE: f32 = 0.25;

/// What the canceller reaches of the delay a card does not tell of; later, less of the echo goes
/// with each millisecond. Its filter is 48 ms long, and 40 ms are measured (docs/benchmarks.md, "Echo").
pub const REACH: Duration = Duration::from_millis(40);

/// What is to be said of a delay.
pub fn warning(delay: Duration) -> Option<String> {
    (delay > REACH).then(|| {
        format!(
            "echo comes back after {} ms, and cancelling it is known to hold to {} ms beyond what the \
             sound card tells of: try a call, and if the other side hears itself set `[audio] duplex` \
             to \"half\"",
            delay.as_millis(),
            REACH.as_millis()
        )
    })
}

/// The chirp, one channel at this rate.
pub fn chirp(rate: u32) -> Vec<f32> {
    let length = samples(CHIRP, rate);
    let seconds = CHIRP.as_secs_f32();
    let sample = |n: usize| {
        let at = n as f32 / rate as f32;
        let phase = TAU * (FROM_HZ * at + (TO_HZ - FROM_HZ) * at * at / (2.0 * seconds));
        // Fading in and out: a click would be heard, and found, by itself.
        let fade = (PI * n as f32 / length as f32).sin().powi(2);
        phase.sin() * fade * AMPLITUDE
    };
    (0..length).map(sample).collect()
}

/// Where in what was heard the chirp begins, from the first sample; none if it was not heard.
pub fn find(heard: &[f32], rate: u32) -> Option<Duration> {
    let step = (rate / LOOKED_AT_HZ).max(1) as usize;
    let chirp = thinned(&chirp(rate), step);
    let heard = thinned(heard, step);
    let own = energy(&chirp);
    let mut around = energy(heard.get(..chirp.len())?);
    let (mut best, mut place) = (0.0_f32, 0);
    for at in 0..=heard.len() - chirp.len() {
        if at > 0 {
            let (gone, come) = (heard[at - 1], heard[at + chirp.len() - 1]);
            around += come * come - gone * gone;
        }
        let product: f32 = chirp.iter().zip(&heard[at..]).map(|(a, b)| a * b).sum();
        // Silence is like nothing, and rounding must not make it so.
        let alike = product.abs() / (own * around.max(own * 1e-6)).sqrt();
        if alike > best {
            (best, place) = (alike, at);
        }
    }
    (best >= ALIKE).then(|| Duration::from_secs_f64((place * step) as f64 / f64::from(rate)))
}

/// Every so many samples their mean.
fn thinned(samples: &[f32], step: usize) -> Vec<f32> {
    let mean = |some: &[f32]| some.iter().sum::<f32>() / step as f32;
    samples.chunks_exact(step).map(mean).collect()
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

fn samples(length: Duration, rate: u32) -> usize {
    (length.as_secs_f64() * f64::from(rate)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// A second and a half of noise of this amplitude, with the chirp at these places (ms), each so
    /// much quieter than it is.
    fn room(rate: u32, noise: f32, echoes: &[(u64, f32)]) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(7);
        let length = samples(Duration::from_millis(1_500), rate);
        let mut heard: Vec<f32> = (0..length)
            .map(|_| random.random_range(-1.0..1.0) * noise)
            .collect();
        for (ms, gain) in echoes {
            let at = samples(Duration::from_millis(*ms), rate);
            for (place, sample) in heard[at..].iter_mut().zip(chirp(rate)) {
                *place += sample * gain;
            }
        }
        heard
    }

    fn is_at(found: Option<Duration>, ms: u64) {
        let found = found.expect("heard").as_secs_f64() * 1_000.0;
        assert!((found - ms as f64).abs() < 0.5, "{found} instead of {ms}");
    }

    #[test]
    fn the_chirp_is_found_to_half_a_millisecond_at_every_rate() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            for ms in [0, 7, 143, 900] {
                is_at(find(&room(rate, 0.0, &[(ms, 0.3)]), rate), ms);
            }
        }
    }

    #[test]
    fn it_is_found_in_noise_louder_than_it_and_upside_down() {
        is_at(find(&room(48_000, 0.2, &[(143, 0.3)]), 48_000), 143);
        is_at(find(&room(48_000, 0.05, &[(80, -0.2)]), 48_000), 80);
    }

    #[test]
    fn of_several_ways_through_the_room_the_loudest_counts() {
        let echoes = [(60, 0.3), (95, 0.15), (140, 0.08)];
        is_at(find(&room(48_000, 0.02, &echoes), 48_000), 60);
    }

    #[test]
    fn silence_noise_and_tones_are_no_chirp() {
        assert_eq!(find(&[], 48_000), None);
        assert_eq!(find(&vec![0.0; 72_000], 48_000), None);
        assert_eq!(find(&room(48_000, 0.5, &[]), 48_000), None);
        let hum: Vec<f32> = (0..72_000)
            .map(|n| (TAU * 1_000.0 * n as f32 / 48_000.0).sin())
            .collect();
        assert_eq!(find(&hum, 48_000), None);
    }

    #[test]
    fn a_delay_is_warned_of_beyond_what_the_canceller_reaches() {
        assert_eq!(warning(Duration::from_millis(40)), None);
        let warning = warning(Duration::from_millis(41)).unwrap();
        assert!(
            warning.contains("41 ms") && warning.contains("duplex"),
            "{warning}"
        );
    }
}
