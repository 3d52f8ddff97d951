//! One unbroken RTP stream per peer, out of frames whose source may change under it.

use std::time::{Duration, Instant};

use super::frame::{EncodedFrame, RunId};

/// The numbering one peer sees: its own sequence numbers, counted, and timestamps that advance
/// with the source within a run and with the wall clock across runs.
///
/// Counting rather than translating the encoder's numbers means that a frame this peer's queue
/// dropped leaves no gap: a gap would make the receiver ask for packets that never existed.
#[derive(Debug)]
pub struct RtpRewriter {
    clock_rate: u32,
    next_sequence: u16,
    timeline: Timeline,
}

#[derive(Debug)]
enum Timeline {
    Unstarted {
        first_timestamp: u32,
    },
    Running {
        run: RunId,
        /// Added to the run's timestamps.
        offset: u32,
        last_timestamp: u32,
        last_at: Instant,
    },
}

/// The header fields of one packet as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// RFC 3550 §5.1.
    pub sequence: u16,
    /// In the payload's clock.
    pub timestamp: u32,
}

impl RtpRewriter {
    /// RFC 3550 §5.1 wants random starts. The sequence keeps clear of the upper half: a start
    /// just below the wrap makes SRTP receivers that lose the first packets guess the rollover
    /// counter wrong (RFC 3711 §3.3.1).
    pub fn new(clock_rate: u32, random_sequence: u16, random_timestamp: u32) -> Self {
        Self {
            clock_rate,
            next_sequence: random_sequence & 0x7fff,
            timeline: Timeline::Unstarted {
                first_timestamp: random_timestamp,
            },
        }
    }

    /// The number of the first packet of the next frame.
    pub fn next_sequence(&self) -> u16 {
        self.next_sequence
    }

    /// Numbers the packets of the next frame, in order. `now` is the time of sending.
    pub fn frame(
        &mut self,
        frame: &EncodedFrame,
        now: Instant,
    ) -> impl Iterator<Item = Rewritten> + use<> {
        let timestamp = self.timestamp(frame, now);
        let first = self.next_sequence;
        // A frame has at most a few thousand packets, bounded by its assembler.
        let count = u16::try_from(frame.packets.len()).unwrap_or(u16::MAX);
        self.next_sequence = first.wrapping_add(count);
        (0..count).map(move |n| Rewritten {
            sequence: first.wrapping_add(n),
            timestamp,
        })
    }

    /// Passes over a frame that is not sent; time goes on with it.
    pub fn skip(&mut self, frame: &EncodedFrame, now: Instant) {
        self.timestamp(frame, now);
    }

    /// The timestamp of this moment, for what is of no frame.
    pub fn moment(&mut self, now: Instant) -> u32 {
        match self.timeline {
            Timeline::Unstarted { first_timestamp } => {
                // Whatever comes goes on from here by the wall clock.
                self.timeline = Timeline::Running {
                    run: RunId::fresh(),
                    offset: 0,
                    last_timestamp: first_timestamp,
                    last_at: now,
                };
                first_timestamp
            }
            Timeline::Running {
                last_timestamp,
                last_at,
                ..
            } => last_timestamp.wrapping_add(self.ticks(now.saturating_duration_since(last_at))),
        }
    }

    /// Numbers one packet that is of no frame.
    pub fn packet(&mut self) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        sequence
    }

    fn ticks(&self, elapsed: Duration) -> u32 {
        let ticks = elapsed.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        // Truncation is the wrap-around of the RTP clock.
        (ticks & u128::from(u32::MAX)) as u32
    }

    fn timestamp(&mut self, frame: &EncodedFrame, now: Instant) -> u32 {
        let (offset, timestamp) = match self.timeline {
            Timeline::Unstarted { first_timestamp } => (
                first_timestamp.wrapping_sub(frame.rtp_timestamp),
                first_timestamp,
            ),
            Timeline::Running { run, offset, .. } if run == frame.run => {
                (offset, frame.rtp_timestamp.wrapping_add(offset))
            }
            Timeline::Running {
                last_timestamp,
                last_at,
                ..
            } => {
                let elapsed = now.saturating_duration_since(last_at);
                // At least one tick, or two different frames would share a timestamp.
                let timestamp = last_timestamp.wrapping_add(self.ticks(elapsed).max(1));
                (timestamp.wrapping_sub(frame.rtp_timestamp), timestamp)
            }
        };
        self.timeline = Timeline::Running {
            run: frame.run,
            offset,
            last_timestamp: timestamp,
            last_at: now,
        };
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::Packet;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::Duration;

    fn frame(run: RunId, rtp_timestamp: u32, packets: usize, now: Instant) -> EncodedFrame {
        EncodedFrame {
            run,
            rtp_timestamp,
            key: true,
            packets: vec![
                Packet {
                    marker: false,
                    payload: Bytes::new(),
                };
                packets
            ],
            encoded_at: now,
        }
    }

    #[test]
    fn a_new_run_continues_by_the_wall_clock() {
        let start = Instant::now();
        let mut rewriter = RtpRewriter::new(90_000, 10, 1_000);
        let first: Vec<_> = rewriter
            .frame(&frame(RunId::fresh(), 77, 1, start), start)
            .collect();
        let later = start + Duration::from_secs(2);
        let second: Vec<_> = rewriter
            .frame(&frame(RunId::fresh(), 5, 1, later), later)
            .collect();
        assert_eq!(first[0].timestamp, 1_000);
        assert_eq!(second[0].timestamp, 1_000 + 180_000);
        assert_eq!(second[0].sequence, first[0].sequence + 1);
    }

    #[test]
    fn what_is_of_no_frame_has_the_time_of_its_moment_and_a_number_in_the_sequence() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut rewriter = RtpRewriter::new(48_000, 10, 1_000);
        assert_eq!((rewriter.moment(start), rewriter.packet()), (1_000, 10));
        let run = RunId::fresh();
        let sound = |at: u64, rewriter: &mut RtpRewriter| {
            let frame = frame(run, 77 + at as u32 * 48, 1, after(at));
            rewriter.frame(&frame, after(at)).next().unwrap()
        };
        let first = sound(20, &mut rewriter);
        assert_eq!((first.timestamp, first.sequence), (1_000 + 20 * 48, 11));
        assert_eq!(rewriter.moment(after(30)), 1_000 + 30 * 48);
        assert_eq!(rewriter.packet(), 12);
        // The source's clock is a little ahead; what is left out still tells it.
        rewriter.skip(&frame(run, 77 + 130 * 48 + 5, 1, after(130)), after(130));
        assert_eq!(rewriter.moment(after(130)), 1_000 + 130 * 48 + 5);
        let next = sound(150, &mut rewriter);
        assert_eq!((next.timestamp, next.sequence), (1_000 + 150 * 48, 13));
    }

    proptest! {
        /// Whatever the sources do, sequence numbers have no gap, also over the wrap.
        #[test]
        fn sequence_numbers_never_gap(
            start in any::<u16>(),
            sizes in proptest::collection::vec((1_usize..40, any::<bool>(), any::<u32>()), 1..3000),
        ) {
            let now = Instant::now();
            let mut rewriter = RtpRewriter::new(90_000, start, 0);
            let mut expected = start & 0x7fff;
            let mut run = RunId::fresh();
            for (size, restarts, timestamp) in sizes {
                if restarts { run = RunId::fresh(); }
                for packet in rewriter.frame(&frame(run, timestamp, size, now), now) {
                    prop_assert_eq!(packet.sequence, expected);
                    expected = expected.wrapping_add(1);
                }
            }
        }

        /// Within a run the distance between two frames is the encoder's own, also over the wrap.
        #[test]
        fn a_run_keeps_its_own_pace(
            origin in any::<u32>(), source in any::<u32>(), step in 1_u32..1_000_000,
        ) {
            let now = Instant::now();
            let run = RunId::fresh();
            let mut rewriter = RtpRewriter::new(90_000, 0, origin);
            let a: Vec<_> = rewriter.frame(&frame(run, source, 1, now), now).collect();
            let b: Vec<_> =
                rewriter.frame(&frame(run, source.wrapping_add(step), 1, now), now).collect();
            prop_assert_eq!(a[0].timestamp, origin);
            prop_assert_eq!(b[0].timestamp, origin.wrapping_add(step));
        }

        /// Across runs time never stands still or runs backwards.
        #[test]
        fn a_switch_always_moves_forward(
            origin in any::<u32>(), first in any::<u32>(), second in any::<u32>(),
            pause in 0_u64..3_600_000,
        ) {
            let now = Instant::now();
            let mut rewriter = RtpRewriter::new(48_000, 0, origin);
            let a: Vec<_> = rewriter.frame(&frame(RunId::fresh(), first, 1, now), now).collect();
            let later = now + Duration::from_millis(pause);
            let b: Vec<_> =
                rewriter.frame(&frame(RunId::fresh(), second, 1, later), later).collect();
            let advance = b[0].timestamp.wrapping_sub(a[0].timestamp);
            prop_assert_eq!(u64::from(advance), (pause * 48).max(1));
        }
    }
}
