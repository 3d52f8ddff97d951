//! A microphone heard for a second, a loudspeaker made to sound, the one by the other: whether they
//! work, where `device::sound` tells whether they open.

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};

use super::echo;

/// Every card has it, converted or not.
const RATE: u32 = 48_000;
/// What is heard, and how long.
const TONE_HZ: f64 = 440.0;
const LENGTH: Duration = Duration::from_secs(1);
/// A quarter of full scale: loud enough to be heard, and not to frighten.
const AMPLITUDE: f64 = 0.25;
/// A device that gives nothing for this long gives nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a chirp is listened for.
const LISTEN: Duration = Duration::from_millis(1_500);
/// Frames moved at a time.
const CHUNK: usize = 480;

/// How loud a second of sound was, in dB below full scale; digital silence is minus infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Of the loudest sample.
    pub peak: f64,
    /// Of all together (root mean square).
    pub mean: f64,
}

/// A device that does not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// ALSA's words.
    #[error("{0}")]
    Alsa(#[from] alsa::Error),
    /// It opens, and nothing comes or goes.
    #[error("it opens, but no sound moves within {} s", PATIENCE.as_secs())]
    Stuck,
    /// What was played cannot be compared with what was heard.
    #[error("the loudspeaker runs at {0} Hz, the microphone at {1} Hz")]
    Rates(u32, u32),
}

/// Listens to a microphone for a second. Blocks for that long, five seconds at most.
///
/// # Errors
/// [`TrialError`].
pub fn listen(name: &str) -> Result<Level, TrialError> {
    // Not blocking: a device that gives nothing must not keep us.
    let pcm = PCM::new(name, Direction::Capture, true)?;
    let channels = prepare(&pcm)?;
    pcm.start()?;
    let io = pcm.io_i16()?;
    let wanted = frames(LENGTH);
    let mut samples = Vec::with_capacity(wanted * channels);
    let mut chunk = vec![0; CHUNK * channels];
    let end = Instant::now() + PATIENCE;
    while samples.len() < wanted * channels {
        if Instant::now() > end {
            return Err(TrialError::Stuck);
        }
        match io.readi(&mut chunk) {
            Ok(frames) => samples.extend_from_slice(&chunk[..frames * channels]),
            Err(error) => wait_or_recover(&pcm, error)?,
        }
    }
    Ok(level(&samples))
}

/// Plays a tone of a second. Blocks for that long, five seconds at most.
///
/// # Errors
/// [`TrialError`].
pub fn play(name: &str) -> Result<(), TrialError> {
    let pcm = PCM::new(name, Direction::Playback, true)?;
    let channels = prepare(&pcm)?;
    let io = pcm.io_i16()?;
    let tone = tone(frames(LENGTH), channels);
    let mut left = &tone[..];
    let end = Instant::now() + PATIENCE;
    while !left.is_empty() {
        if Instant::now() > end {
            return Err(TrialError::Stuck);
        }
        let next = left.len().min(CHUNK * channels);
        match io.writei(&left[..next]) {
            Ok(frames) => left = &left[frames * channels..],
            Err(error) => wait_or_recover(&pcm, error)?,
        }
    }
    let pcm_delay = || pcm.delay().is_ok_and(|frames| frames > 0);
    while pcm_delay() && Instant::now() < end {
        pcm.wait(Some(20))?;
        std::thread::yield_now();
    }
    Ok(())
}

/// Plays a chirp and listens for it: how long it is on its way, from when it is handed to the
/// loudspeaker to when the microphone gives it; none if it is not heard within a second and a bit.
/// Blocks for two seconds, five at most.
///
/// # Errors
/// [`TrialError`].
pub fn measure_echo(microphone: &str, speaker: &str) -> Result<Option<Duration>, TrialError> {
    let capture = PCM::new(microphone, Direction::Capture, true)?;
    let playback = PCM::new(speaker, Direction::Playback, true)?;
    let (heard_channels, channels) = (prepare(&capture)?, prepare(&playback)?);
    let rate = capture.hw_params_current()?.get_rate()?;
    let played_rate = playback.hw_params_current()?.get_rate()?;
    if rate != played_rate {
        return Err(TrialError::Rates(played_rate, rate));
    }
    let (input, output) = (capture.io_i16()?, playback.io_i16()?);
    let full = f32::from(i16::MAX);
    let wanted = (LISTEN.as_secs_f64() * f64::from(rate)) as usize;
    let mut chirp = echo::chirp(rate);
    // Silence behind it: a loudspeaker that runs dry may stop the other, too.
    chirp.resize(wanted, 0.0);
    let sound: Vec<i16> = chirp
        .iter()
        .flat_map(|sample| std::iter::repeat_n((sample * full) as i16, channels))
        .collect();
    let (mut left, mut heard) = (&sound[..], Vec::with_capacity(wanted));
    let mut chunk = vec![0; CHUNK * heard_channels];
    capture.start()?;
    // What is in the microphone's buffer already was heard before the chirp.
    let before = capture.delay().unwrap_or(0).max(0) as usize;
    let end = Instant::now() + PATIENCE;
    while heard.len() < before + wanted {
        if Instant::now() > end {
            return Err(TrialError::Stuck);
        }
        let next = left.len().min(CHUNK * channels);
        if next > 0 {
            match output.writei(&left[..next]) {
                Ok(frames) => left = &left[frames * channels..],
                // Full: there is time to listen.
                Err(error) if error.errno() == libc::EAGAIN => {}
                Err(error) => playback.try_recover(error, true)?,
            }
        }
        match input.readi(&mut chunk) {
            Ok(frames) => {
                let frames = chunk[..frames * heard_channels].chunks_exact(heard_channels);
                heard.extend(frames.map(|frame| {
                    let sum: f32 = frame.iter().map(|sample| f32::from(*sample)).sum();
                    sum / (full * heard_channels as f32)
                }));
            }
            Err(error) => wait_or_recover(&capture, error)?,
        }
    }
    Ok(echo::find(&heard[before..], rate))
}

/// Mono if the device has it, else what it has.
fn prepare(pcm: &PCM) -> Result<usize, TrialError> {
    let params = HwParams::any(pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_format(Format::s16())?;
    params.set_rate(RATE, ValueOr::Nearest)?;
    let channels = params.set_channels_near(1)?;
    pcm.hw_params(&params)?;
    pcm.prepare()?;
    Ok(channels.max(1) as usize)
}

fn wait_or_recover(pcm: &PCM, error: alsa::Error) -> Result<(), TrialError> {
    if error.errno() == libc::EAGAIN {
        pcm.wait(Some(100))?;
        return Ok(());
    }
    pcm.try_recover(error, true)?;
    Ok(())
}

fn frames(length: Duration) -> usize {
    length.as_secs() as usize * RATE as usize
}

fn tone(frames: usize, channels: usize) -> Vec<i16> {
    let sample = |n: usize| {
        let phase = TAU * TONE_HZ * n as f64 / f64::from(RATE);
        (phase.sin() * AMPLITUDE * f64::from(i16::MAX)) as i16
    };
    (0..frames)
        .flat_map(|n| std::iter::repeat_n(sample(n), channels))
        .collect()
}

fn level(samples: &[i16]) -> Level {
    let full = f64::from(i16::MAX);
    let peak = samples
        .iter()
        .map(|sample| f64::from(sample.unsigned_abs()))
        .fold(0.0, f64::max);
    let squares: f64 = samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum();
    let mean = (squares / samples.len().max(1) as f64).sqrt();
    let decibels = |value: f64| 20.0 * (value / full).log10();
    Level {
        peak: decibels(peak),
        mean: decibels(mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tone_is_twelve_decibels_below_full_scale_and_silence_has_no_level() {
        let heard = level(&tone(RATE as usize, 2));
        assert!((heard.peak + 12.04).abs() < 0.1, "{heard:?}");
        assert!((heard.mean + 15.05).abs() < 0.1, "{heard:?}");
        assert_eq!(level(&[0; 480]).peak, f64::NEG_INFINITY);
        assert_eq!(level(&[]).mean, f64::NEG_INFINITY);
    }

    #[test]
    fn a_device_that_does_not_exist_is_an_error() {
        assert!(listen("no_such_pcm").is_err());
        assert!(play("no_such_pcm").is_err());
    }
}
