//! One kind of media as it goes out, and what the far side's receiver reports say of it.

use std::time::{Duration, Instant};

use super::{FlowStats, Meter};

/// One report block about a stream of ours (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// 256ths lost since the report before.
    pub fraction_lost: u8,
    /// Packets lost in all: 24 bits, signed, as more may arrive than were sent.
    pub total_lost: u32,
    /// In the media's clock.
    pub jitter: u32,
}

/// Counts what is sent of one kind.
#[derive(Clone, Debug)]
pub struct Outbound {
    clock_rate: u32,
    packets: u64,
    bytes: u64,
    meter: Meter,
    last: Reception,
}

impl Outbound {
    /// `clock_rate` in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            packets: 0,
            bytes: 0,
            meter: Meter::new(),
            last: Reception::default(),
        }
    }

    /// A packet goes out, for the first time or again.
    pub fn packet(&mut self, now: Instant, payload: usize) {
        self.packets += 1;
        self.bytes += payload as u64;
        let bits = u32::try_from(payload.saturating_mul(8)).unwrap_or(u32::MAX);
        self.meter.add(now, bits);
    }

    /// The far side reports.
    pub fn reception(&mut self, reception: Reception) {
        self.last = reception;
    }

    /// The numbers up to now.
    pub fn stats(&self, now: Instant) -> FlowStats {
        let negative = self.last.total_lost & 0x80_0000 != 0;
        let lost = if negative {
            0
        } else {
            // Nobody can lose more than there was.
            u64::from(self.last.total_lost & 0xff_ffff).min(self.packets)
        };
        FlowStats {
            packets: self.packets,
            bytes: self.bytes,
            kbps: (self.meter.per_second(now) / 1_000.0).round() as u32,
            lost,
            loss_permille: u32::from(self.last.fraction_lost) * 1_000 / 256,
            jitter: Duration::from_secs(1) * self.last.jitter / self.clock_rate.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_jitter_are_the_last_reports() {
        let now = Instant::now();
        let mut outbound = Outbound::new(90_000);
        (0..1_000).for_each(|_| outbound.packet(now, 1_000));
        outbound.reception(Reception {
            fraction_lost: 13,
            total_lost: 40,
            jitter: 900,
        });
        let stats = outbound.stats(now);
        assert_eq!((stats.loss_permille, stats.lost), (50, 40));
        assert_eq!(stats.jitter, Duration::from_millis(10));
        assert_eq!(stats.lost_percent(), Some(4.0));
    }

    #[test]
    fn reports_of_nonsense_do_no_harm() {
        let now = Instant::now();
        let mut outbound = Outbound::new(0);
        outbound.packet(now, 1_000);
        for total_lost in [0x80_0000, 0xff_ffff, u32::MAX, 0x7f_ffff] {
            outbound.reception(Reception {
                fraction_lost: 255,
                total_lost,
                jitter: u32::MAX,
            });
            assert!(outbound.stats(now).lost <= 1);
        }
    }
}
