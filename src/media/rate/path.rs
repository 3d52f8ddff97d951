//! What became of each packet sent: matched with the transport-wide feedback of the far side
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

use super::Feedback;
use crate::media::stats::Meter;

/// Packets remembered: over four seconds of 10 Mbit/s. A power of two.
const REMEMBERED: usize = 4_096;
/// The least delay is sought among the last one to two such spans: long enough that a queue of
/// our own making is not taken for the path, short enough to follow a change of path and clocks
/// that drift apart.
const BASE_SPAN: Duration = Duration::from_secs(15);
/// What arrives is judged from so long after the first packet on: a queue stands by then.
const FIRST_MOMENTS: Duration = Duration::from_millis(100);
/// Microseconds by which clocks cannot drift within a call: the far side began a new count.
const NEW_CLOCK: i64 = 60_000_000;

/// What the far side says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has not come, so far.
    Lost,
    /// It came, when by the far side's clock if it says so.
    Arrived(Option<Duration>),
}

/// Which packet it was, in the numbers of its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// RFC 3550 §5.1.
    pub ssrc: u32,
    /// RFC 3550 §5.1.
    pub sequence: u16,
}

#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    bytes: u32,
    packet: SentPacket,
    number: u16,
    reported: bool,
}

/// Remembers what was sent and measures the path by what is reported. Allocates once.
pub struct Path {
    sent: Box<[Option<Sent>]>,
    origin: Instant,
    /// Least delay in microseconds, of an arbitrary zero: the span before and the present one.
    least: [Option<i64>; 2],
    span_began: Instant,
    delivered: Meter<6>,
    last_arrival: Duration,
}

impl Path {
    /// Of a connection that begins now.
    pub fn new(now: Instant) -> Self {
        Self {
            sent: vec![None; REMEMBERED].into_boxed_slice(),
            origin: now,
            least: [None; 2],
            span_began: now,
            delivered: Meter::new(),
            last_arrival: Duration::ZERO,
        }
    }

    /// A packet goes out with this transport-wide number; `bytes` on the wire.
    pub fn sent(&mut self, now: Instant, number: u16, packet: SentPacket, bytes: u32) {
        self.sent[usize::from(number) % REMEMBERED] = Some(Sent {
            at: now,
            bytes,
            packet,
            number,
            reported: false,
        });
    }

    /// One report of the far side. Packets that were not sent, or reported before, are ignored;
    /// `lost` is told which have not come.
    pub fn reported(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = (u16, Fate)>,
        mut lost: impl FnMut(SentPacket),
    ) -> Feedback {
        if now.saturating_duration_since(self.span_began) >= BASE_SPAN {
            self.span_began = now;
            self.least = [self.least[1], None];
        }
        let mut feedback = Feedback::default();
        let mut least_delay = None::<i64>;
        for (number, fate) in packets {
            let slot = &mut self.sent[usize::from(number) % REMEMBERED];
            let Some(sent) = slot
                .as_mut()
                .filter(|sent| sent.number == number && !sent.reported)
            else {
                continue;
            };
            let sent_packet = *sent;
            match fate {
                // It may still come, and be reported again; but then too late to be of use.
                Fate::Lost => {
                    sent.reported = true;
                    feedback.lost += 1;
                    lost(sent_packet.packet);
                }
                Fate::Arrived(at) => {
                    sent.reported = true;
                    feedback.received += 1;
                    feedback.round_trip = Some(now.saturating_duration_since(sent_packet.at));
                    if let Some(at) = at {
                        let delay = self.arrived(sent_packet, at);
                        least_delay = Some(least_delay.map_or(delay, |least| least.min(delay)));
                    }
                }
            }
        }
        if let Some(delay) = least_delay {
            feedback.queueing = Some(self.above_the_least(delay));
            let last = self.origin + self.last_arrival;
            let rate = self.delivered.per_second_of(last, FIRST_MOMENTS);
            feedback.delivered_kbps = Some((rate * 8.0 / 1_000.0) as u32);
        }
        feedback
    }

    /// Gives its delay, of an arbitrary zero.
    fn arrived(&mut self, sent: Sent, at: Duration) -> i64 {
        self.last_arrival = self.last_arrival.max(at);
        // Of an arbitrary zero as well, and within the range of an `Instant`.
        if let Some(arrived) = self.origin.checked_add(at) {
            self.delivered.add(arrived, sent.bytes);
        }
        let left = sent.at.saturating_duration_since(self.origin);
        micros(at) - micros(left)
    }

    fn above_the_least(&mut self, delay: i64) -> Duration {
        let known = self.least.iter().flatten().min().copied();
        if known.is_some_and(|known| (delay - known).abs() > NEW_CLOCK) {
            self.least = [None; 2];
            self.delivered = Meter::new();
            self.last_arrival = Duration::ZERO;
        }
        let present = self.least[1].map_or(delay, |least| least.min(delay));
        self.least[1] = Some(present);
        let least = self.least[0].map_or(present, |former| former.min(present));
        Duration::from_micros(u64::try_from(delay - least).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn packet(number: u16) -> SentPacket {
        SentPacket {
            ssrc: 7,
            sequence: number.wrapping_add(1_000),
        }
    }

    #[test]
    fn delay_loss_and_rate_are_those_of_the_path() {
        let start = Instant::now();
        let mut path = Path::new(start);
        let far_clock = Duration::from_secs(1_000);
        for n in 0..200_u16 {
            path.sent(start + 10 * MS * u32::from(n), n, packet(n), 1_000);
        }
        let arrived = |n: u16, queue: Duration| {
            let fate = if n % 10 == 9 {
                Fate::Lost
            } else {
                Fate::Arrived(Some(far_clock + 10 * MS * u32::from(n) + 30 * MS + queue))
            };
            (n, fate)
        };
        let mut lost = Vec::new();
        let calm = path.reported(
            start + 1_000 * MS,
            (0..100).map(|n| arrived(n, Duration::ZERO)),
            |packet| lost.push(packet.sequence),
        );
        assert_eq!((calm.received, calm.lost), (90, 10));
        assert!(lost.into_iter().eq((0..10).map(|n| 1_009 + 10 * n)));
        assert_eq!(calm.queueing, Some(Duration::ZERO));
        let delivered = calm.delivered_kbps.unwrap();
        assert!((650..=800).contains(&delivered), "{delivered}");
        let queued = path.reported(
            start + 2_000 * MS,
            (100..200).map(|n| arrived(n, 50 * MS)),
            |_| (),
        );
        assert_eq!(queued.queueing, Some(50 * MS));
        let again = path.reported(
            start + 2_000 * MS,
            (0..200).map(|n| arrived(n, 50 * MS)),
            |_| (),
        );
        assert_eq!((again.received, again.lost, again.queueing), (0, 0, None));
    }

    #[test]
    fn a_longer_path_becomes_the_base_in_time() {
        let start = Instant::now();
        let mut path = Path::new(start);
        let mut last = None;
        for n in 0..600_u16 {
            let now = start + 100 * MS * u32::from(n);
            let delay = if n < 100 { 10 * MS } else { 90 * MS };
            path.sent(now, n, packet(n), 100);
            let elapsed = now - start;
            let fate = Fate::Arrived(Some(elapsed + delay));
            last = path.reported(now + delay, [(n, fate)], |_| ()).queueing;
        }
        assert_eq!(last, Some(Duration::ZERO));
    }

    proptest! {
        /// Reports of anything do no harm.
        #[test]
        fn no_report_does_harm(
            reports in proptest::collection::vec(
                (any::<u16>(), proptest::option::of(proptest::option::of(any::<u64>()))), 0..300),
        ) {
            let mut now = Instant::now();
            let mut path = Path::new(now);
            for (number, fate) in reports {
                now += MS;
                path.sent(now, number, packet(number), 1_200);
                let fate = match fate {
                    None => Fate::Lost,
                    Some(at) => Fate::Arrived(at.map(Duration::from_micros)),
                };
                let feedback = path.reported(now, [(number, fate), (number.wrapping_add(9), fate)], |_| ());
                prop_assert!(feedback.received + feedback.lost <= 2);
            }
        }
    }
}
