//! One stream's timestamps on the clock all streams share.
//!
//! Timestamps of two encoders have nothing in common, and they are the only ones without jitter;
//! the moment a frame left its encoder is common, and late by whatever the machine was busy with.
//! So a stream's timestamps are laid against the arrivals by the earliest of them: a frame can be
//! late, never early.

use std::time::{Duration, Instant};

use crate::media::rtp::{EncodedFrame, RunId};

/// Arrivals are looked at for drift over so long.
const WINDOW: Duration = Duration::from_secs(5);
/// The two clocks may be apart by so much before the timestamps are laid anew.
const DRIFT: Duration = Duration::from_millis(20);
/// A frame so late did not wait in a queue: its source stood still.
const STANDSTILL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    anchor: Option<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    run: RunId,
    /// The last frame's timestamp, as sent and counted from the anchor.
    timestamp: u32,
    ticks: u64,
    /// Where timestamp 0 of this count lies.
    zero: Instant,
    window_began: Instant,
    least_lateness: Duration,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            anchor: None,
        }
    }

    /// When the frame was made. Nearly monotonic: it steps back by a few milliseconds when the
    /// frames before turn out to have been late.
    pub(super) fn place(&mut self, frame: &EncodedFrame) -> Instant {
        let arrived = frame.encoded_at;
        let clock_rate = self.clock_rate;
        let Some(anchor) = self.anchor.as_mut().filter(|old| old.run == frame.run) else {
            self.anchor = Some(Anchor::at(frame));
            return arrived;
        };
        let step = frame.rtp_timestamp.wrapping_sub(anchor.timestamp);
        // A step back is none of an encoder in order; taken for a wrap it would be half a day.
        anchor.ticks += u64::from(if step > u32::MAX / 2 { 0 } else { step });
        anchor.timestamp = frame.rtp_timestamp;
        let predicted = anchor.zero + duration(anchor.ticks, clock_rate);
        let Some(lateness) = arrived.checked_duration_since(predicted) else {
            anchor.zero -= predicted - arrived;
            anchor.begin_window(arrived);
            return arrived;
        };
        if lateness > STANDSTILL {
            *anchor = Anchor::at(frame);
            return arrived;
        }
        anchor.least_lateness = anchor.least_lateness.min(lateness);
        if arrived - anchor.window_began >= WINDOW {
            if anchor.least_lateness > DRIFT {
                anchor.zero += anchor.least_lateness;
            }
            anchor.begin_window(arrived);
        }
        predicted
    }
}

impl Anchor {
    fn at(frame: &EncodedFrame) -> Self {
        Self {
            run: frame.run,
            timestamp: frame.rtp_timestamp,
            ticks: 0,
            zero: frame.encoded_at,
            window_began: frame.encoded_at,
            least_lateness: Duration::MAX,
        }
    }

    fn begin_window(&mut self, now: Instant) {
        self.window_began = now;
        self.least_lateness = Duration::MAX;
    }
}

fn duration(ticks: u64, clock_rate: u32) -> Duration {
    let rate = u64::from(clock_rate);
    Duration::from_secs(ticks / rate) + Duration::from_nanos(ticks % rate * 1_000_000_000 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn frame(run: RunId, number: u32, encoded_at: Instant) -> EncodedFrame {
        EncodedFrame {
            run,
            rtp_timestamp: u32::MAX.wrapping_add(number.wrapping_mul(960)),
            key: true,
            packets: Vec::new(),
            encoded_at,
        }
    }

    #[test]
    fn late_frames_keep_the_distance_of_their_timestamps() {
        let (start, run) = (Instant::now(), RunId::fresh());
        let mut timeline = Timeline::new(48_000);
        for (number, late_ms) in [0, 3, 40, 0, 12].into_iter().enumerate() {
            let ideal = start + FRAME * number as u32;
            let arrived = ideal + Duration::from_millis(late_ms);
            let placed = timeline.place(&frame(run, number as u32, arrived));
            assert_eq!(placed, ideal, "frame {number}");
        }
    }

    #[test]
    fn a_late_first_frame_does_not_make_the_stream_late() {
        let (start, run) = (Instant::now(), RunId::fresh());
        let mut timeline = Timeline::new(48_000);
        timeline.place(&frame(run, 0, start + Duration::from_millis(70)));
        let placed: Vec<Instant> = (1..4)
            .map(|n| timeline.place(&frame(run, n, start + FRAME * n)))
            .collect();
        assert_eq!(
            placed,
            [start + FRAME, start + FRAME * 2, start + FRAME * 3]
        );
    }

    #[test]
    fn a_clock_that_runs_slow_is_followed() {
        let (start, run) = (Instant::now(), RunId::fresh());
        let mut timeline = Timeline::new(48_000);
        // One per cent: the timestamps fall behind by 600 ms in a minute.
        let mut last = Duration::ZERO;
        for n in 0..3_000 {
            let arrived = start + FRAME * n + FRAME * n / 100;
            let placed = timeline.place(&frame(run, n, arrived));
            last = arrived.saturating_duration_since(placed);
        }
        assert!(last < Duration::from_millis(75), "{last:?} behind");
    }

    #[test]
    fn a_new_run_and_a_standstill_begin_anew_at_their_arrival() {
        let start = Instant::now();
        let (first, second) = (RunId::fresh(), RunId::fresh());
        let mut timeline = Timeline::new(48_000);
        timeline.place(&frame(first, 0, start));
        let later = start + Duration::from_secs(9);
        assert_eq!(timeline.place(&frame(first, 1, later)), later);
        let restarted = later + Duration::from_millis(700);
        assert_eq!(timeline.place(&frame(second, 7, restarted)), restarted);
    }
}
