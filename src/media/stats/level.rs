//! How loud a sound is: peak and root mean square over the last second. Sans-IO.

use std::time::{Duration, Instant};

/// What samples are gathered in.
const BLOCK: Duration = Duration::from_millis(100);
/// Blocks remembered: [`LevelMeter::WINDOW`].
const BLOCKS: usize = 10;
/// The largest sample there can be.
const FULL_SCALE: f64 = 32_768.0;

/// The loudness of a sound in whole dBFS, from 0 down to −127, which is silence: the scale of
/// RFC 6464 §3. Full scale is a square wave as loud as samples can be; a sine is −3 then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Level {
    /// Root mean square, dBFS: how loud it is.
    pub rms_dbfs: i8,
    /// The loudest sample, dBFS: whether it is distorted, near 0.
    pub peak_dbfs: i8,
}

impl Level {
    /// No sound at all.
    pub const SILENCE: Self = Self {
        rms_dbfs: -127,
        peak_dbfs: -127,
    };
}

/// Takes samples and tells how loud the last of them were. Nothing is allocated.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    blocks: [Block; BLOCKS],
    at: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    began: Option<Instant>,
    squares: u64,
    samples: u64,
    peak: u16,
}

impl LevelMeter {
    /// How long a sound counts in [`LevelMeter::level`].
    pub const WINDOW: Duration = Duration::from_secs(1);
    /// The same in [`LevelMeter::recent`]: longer than the pauses within a word.
    pub const RECENT: Duration = Duration::from_millis(300);

    /// Samples that came at this time.
    pub fn push(&mut self, now: Instant, samples: &[i16]) {
        let present = self.blocks[self.at].began;
        if present.is_none_or(|began| now.saturating_duration_since(began) >= BLOCK) {
            self.at = (self.at + 1) % BLOCKS;
            self.blocks[self.at] = Block {
                began: Some(now),
                ..Block::default()
            };
        }
        let block = &mut self.blocks[self.at];
        for sample in samples {
            let size = sample.unsigned_abs();
            block.peak = block.peak.max(size);
            block.squares += u64::from(size) * u64::from(size);
        }
        block.samples += samples.len() as u64;
    }

    /// Of the last second; nothing when no samples came in it.
    pub fn level(&self, now: Instant) -> Option<Level> {
        self.over(now, Self::WINDOW)
    }

    /// Of the last moment: who speaks now.
    pub fn recent(&self, now: Instant) -> Option<Level> {
        self.over(now, Self::RECENT)
    }

    fn over(&self, now: Instant, window: Duration) -> Option<Level> {
        let counts = |block: &&Block| {
            let began = block.began;
            began.is_some_and(|began| now.saturating_duration_since(began) < window)
        };
        let (mut squares, mut samples, mut peak) = (0, 0, 0);
        for block in self.blocks.iter().filter(counts) {
            squares += block.squares;
            samples += block.samples;
            peak = peak.max(block.peak);
        }
        let mean = squares as f64 / samples as f64;
        (samples > 0).then(|| Level {
            rms_dbfs: dbfs(mean.sqrt()),
            peak_dbfs: dbfs(f64::from(peak)),
        })
    }
}

/// The level of so large a sample.
fn dbfs(size: f64) -> i8 {
    // Of 0 the logarithm is minus infinity, which is bounded as well.
    let level = 20.0 * (size / FULL_SCALE).log10();
    level.round().clamp(-127.0, 0.0) as i8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn meter(samples: &[i16], now: Instant) -> LevelMeter {
        let mut meter = LevelMeter::default();
        meter.push(now, samples);
        meter
    }

    #[test]
    fn full_scale_half_and_silence_are_0_minus_6_and_minus_127() {
        let now = Instant::now();
        for (sample, level) in [(i16::MIN, 0), (16_384, -6), (1, -90), (0, -127)] {
            let told = meter(&[sample; 480], now).level(now);
            let both = Level {
                rms_dbfs: level,
                peak_dbfs: level,
            };
            assert_eq!(told, Some(both), "{sample}");
        }
    }

    #[test]
    fn a_sine_is_3_db_below_its_peak() {
        let now = Instant::now();
        let sine: Vec<i16> = (0..4_800)
            .map(|n| (32_767.0 * (f64::from(n) * std::f64::consts::TAU / 48.0).sin()) as i16)
            .collect();
        let level = meter(&sine, now).level(now).expect("a level");
        assert_eq!((level.rms_dbfs, level.peak_dbfs), (-3, 0));
    }

    #[test]
    fn a_clap_counts_for_a_second_and_a_moment_in_who_speaks_now() {
        let start = Instant::now();
        let mut meter = LevelMeter::default();
        meter.push(start, &[20_000; 480]);
        for n in 1..200 {
            meter.push(start + n * 10 * MS, &[0; 480]);
            let (second, moment) = (
                meter.level(start + n * 10 * MS),
                meter.recent(start + n * 10 * MS),
            );
            let peak = |level: Option<Level>| level.expect("a level").peak_dbfs;
            assert_eq!(peak(second) > -127, n < 100, "after {n} frames");
            assert_eq!(peak(moment) > -127, n < 30, "after {n} frames");
        }
    }

    #[test]
    fn what_falls_silent_altogether_has_no_level() {
        let start = Instant::now();
        let meter = meter(&[1_000; 480], start);
        assert!(meter.level(start + 999 * MS).is_some());
        assert_eq!(meter.level(start + 1_000 * MS), None);
    }

    proptest! {
        #[test]
        fn the_mean_is_never_above_the_peak_and_half_the_sound_is_6_db_less(
            samples in prop::collection::vec(-32_000i16..32_000, 1..960)
        ) {
            let now = Instant::now();
            let level = meter(&samples, now).level(now).expect("a level");
            prop_assert!(level.rms_dbfs <= level.peak_dbfs);
            let doubled: Vec<i16> = samples.iter().map(|s| s / 2 * 2).collect();
            let halved: Vec<i16> = samples.iter().map(|s| s / 2).collect();
            let of = |samples: &[i16]| meter(samples, now).level(now).expect("a level");
            let (loud, quiet) = (of(&doubled), of(&halved));
            if quiet.rms_dbfs > -127 {
                prop_assert!((5..=7).contains(&(loud.rms_dbfs - quiet.rms_dbfs)));
            }
        }
    }
}
