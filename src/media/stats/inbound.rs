//! One kind of media as it comes in: counted by sequence numbers (RFC 3550 appendix A).

use std::time::{Duration, Instant};

use super::{FlowStats, Meter};

/// Half seconds of history behind the recent loss.
const HISTORY: usize = 10;
const STEP: Duration = Duration::from_millis(500);
/// A jump beyond this is another numbering and not a gap (RFC 3550 A.1).
const MAX_JUMP: u16 = 3_000;

/// Counts what arrives of one kind. A far side that begins anew, with another SSRC or numbering,
/// is counted on from there.
#[derive(Clone, Debug)]
pub struct Inbound {
    clock_rate: u32,
    stream: Option<Numbering>,
    packets: u64,
    bytes: u64,
    /// Of numberings that are over.
    lost_before: u64,
    jitter: f64,
    meter: Meter,
    history: [Snapshot; HISTORY],
    next: usize,
    last_step: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Numbering {
    ssrc: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// Arrival less timestamp of the packet before, in the media's clock.
    transit: f64,
    origin: Instant,
    first_timestamp: u32,
    last_timestamp: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    expected: u64,
    lost: u64,
}

impl Inbound {
    /// `clock_rate` in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            stream: None,
            packets: 0,
            bytes: 0,
            lost_before: 0,
            jitter: 0.0,
            meter: Meter::new(),
            history: [Snapshot::default(); HISTORY],
            next: 0,
            last_step: None,
        }
    }

    /// A packet came in.
    pub fn packet(
        &mut self,
        now: Instant,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        payload: usize,
    ) {
        self.remember(now);
        self.packets += 1;
        self.bytes += payload as u64;
        self.bits(now, payload);
        match &mut self.stream {
            Some(stream) if stream.ssrc == ssrc && stream.continues(sequence) => {
                stream.take(sequence);
                let transit = stream.transit(now, timestamp, self.clock_rate);
                // Packets of one picture share a timestamp and leave at once: only the first of
                // each says something about the network.
                if timestamp != stream.last_timestamp {
                    let difference = (transit - stream.transit).abs();
                    self.jitter += (difference - self.jitter) / 16.0;
                    stream.transit = transit;
                    stream.last_timestamp = timestamp;
                }
            }
            former => {
                let over = former.as_ref().map_or(0, Numbering::lost);
                *former = Some(Numbering {
                    ssrc,
                    first: u64::from(sequence) + (1 << 16),
                    highest: u64::from(sequence) + (1 << 16),
                    received: 1,
                    transit: 0.0,
                    origin: now,
                    first_timestamp: timestamp,
                    last_timestamp: timestamp,
                });
                self.lost_before += over;
            }
        }
    }

    /// A retransmission under an SSRC of its own: it takes room, but repairs rather than counts.
    pub fn retransmission(&mut self, now: Instant, payload: usize) {
        self.bits(now, payload);
    }

    /// The numbers up to now.
    pub fn stats(&self, now: Instant) -> FlowStats {
        let present = self.snapshot();
        // Unwritten history is all zero, which is where counting began.
        let oldest = self.history[self.next];
        let expected = present.expected.saturating_sub(oldest.expected);
        let lost = present.lost.saturating_sub(oldest.lost);
        let seconds = self.jitter / f64::from(self.clock_rate.max(1));
        FlowStats {
            packets: self.packets,
            bytes: self.bytes,
            kbps: (self.meter.per_second(now) / 1_000.0).round() as u32,
            lost: present.lost,
            loss_permille: (lost * 1_000).checked_div(expected).unwrap_or(0).min(1_000) as u32,
            jitter: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        }
    }

    fn bits(&mut self, now: Instant, payload: usize) {
        let bits = u32::try_from(payload.saturating_mul(8)).unwrap_or(u32::MAX);
        self.meter.add(now, bits);
    }

    fn snapshot(&self) -> Snapshot {
        let lost = self.lost_before + self.stream.as_ref().map_or(0, Numbering::lost);
        Snapshot {
            expected: self.packets + lost,
            lost,
        }
    }

    fn remember(&mut self, now: Instant) {
        let due = self
            .last_step
            .is_none_or(|last| now.saturating_duration_since(last) >= STEP);
        if due {
            self.last_step = Some(now);
            self.history[self.next] = self.snapshot();
            self.next = (self.next + 1) % HISTORY;
        }
    }
}

impl Numbering {
    fn continues(&self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        !(MAX_JUMP..=u16::MAX - MAX_JUMP).contains(&ahead)
    }

    fn take(&mut self, sequence: u16) {
        self.received += 1;
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_JUMP {
            self.highest += u64::from(ahead);
        } else {
            // From before the first one, out of order.
            let behind = u64::from(u16::MAX - ahead) + 1;
            self.first = self.first.min(self.highest.saturating_sub(behind));
        }
    }

    fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.received)
    }

    fn transit(&self, now: Instant, timestamp: u32, clock_rate: u32) -> f64 {
        let arrived = now.saturating_duration_since(self.origin).as_secs_f64();
        // Half the range each way: the clock wraps after 13 hours of video.
        let sent = f64::from(timestamp.wrapping_sub(self.first_timestamp) as i32);
        arrived * f64::from(clock_rate) - sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn feed(inbound: &mut Inbound, start: Instant, numbers: impl Iterator<Item = u32>) -> Instant {
        let mut now = start;
        for n in numbers {
            now = start + 20 * MS * n;
            inbound.packet(now, 7, n as u16, n.wrapping_mul(960), 100);
        }
        now
    }

    #[test]
    fn what_is_missing_is_lost_also_over_the_wrap() {
        let mut inbound = Inbound::new(48_000);
        let numbers = (65_000..67_000).filter(|n| n % 20 != 0);
        let now = feed(&mut inbound, Instant::now(), numbers);
        let stats = inbound.stats(now);
        // 65,000 itself comes before the first one counted.
        assert_eq!((stats.packets, stats.lost), (1_900, 99));
        assert!((40..=60).contains(&stats.loss_permille), "{stats:?}");
        assert!((36..=42).contains(&stats.kbps), "{stats:?}");
        assert!(stats.jitter < MS, "{stats:?}");
    }

    #[test]
    fn recent_loss_forgets_what_is_long_over() {
        let mut inbound = Inbound::new(48_000);
        let numbers = (0..3_000).filter(|n| *n > 1_000 || n % 2 == 0);
        let now = feed(&mut inbound, Instant::now(), numbers);
        let stats = inbound.stats(now);
        assert_eq!((stats.loss_permille, stats.lost), (0, 500));
    }

    #[test]
    fn packets_out_of_order_are_not_lost() {
        let mut inbound = Inbound::new(48_000);
        let swapped = (100..300).map(|n| n ^ 1).chain([99]);
        let now = feed(&mut inbound, Instant::now(), swapped);
        assert_eq!(inbound.stats(now).lost, 0);
    }

    #[test]
    fn another_numbering_keeps_what_was_counted() {
        let mut inbound = Inbound::new(48_000);
        let start = Instant::now();
        feed(&mut inbound, start, (0..100).filter(|n| *n != 50));
        inbound.packet(start + 3_000 * MS, 8, 30_000, 5, 100);
        inbound.packet(start + 3_020 * MS, 8, 10_000, 5, 100);
        let stats = inbound.stats(start + 3_020 * MS);
        assert_eq!((stats.packets, stats.lost), (101, 1));
    }

    #[test]
    fn jitter_is_that_of_the_distances() {
        let mut inbound = Inbound::new(48_000);
        let start = Instant::now();
        for n in 0..500_u32 {
            let late = if n % 2 == 0 { 10 } else { 0 };
            inbound.packet(start + MS * (20 * n + late), 7, n as u16, n * 960, 100);
        }
        let jitter = inbound.stats(start).jitter;
        assert!((8 * MS..=12 * MS).contains(&jitter), "{jitter:?}");
    }

    proptest! {
        /// Whatever numbers come, nothing panics and loss stays a share.
        #[test]
        fn no_numbers_do_harm(
            packets in proptest::collection::vec((any::<u32>(), any::<u16>(), any::<u32>(), 0_u64..2_000), 0..400),
        ) {
            let mut inbound = Inbound::new(90_000);
            let mut now = Instant::now();
            for (ssrc, sequence, timestamp, wait) in packets {
                now += MS * wait as u32;
                inbound.packet(now, ssrc % 3, sequence, timestamp, 1_200);
                prop_assert!(inbound.stats(now).loss_permille <= 1_000);
            }
        }
    }
}
