//! When packets leave: a picture's burst spread over time where the path is narrow.
//!
//! A key frame is ten times a normal picture. Sent at once into a queue of a few hundred
//! milliseconds most of it is lost, is asked for again, and is lost again. Where nothing was ever
//! seen to queue, packets leave as they come: a local network takes them, and waiting would only
//! delay the picture. (RFC 8834 §3.1 leaves it to the sender; others send at 2.5 times the target.)

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that may leave at once before anything is known of the path: a key frame of a large
/// picture.
const FIRST_BURST: f64 = 96_000.0;
/// Bits a second at which that is filled up again.
const FIRST_RATE: f64 = 20_000_000.0;
/// On a path with a queue: at so many times the target right after trouble…
const LEAST_FACTOR: f64 = 1.3;
/// …by so much more for every second of calm…
const FACTOR_PER_SECOND: f64 = 0.1;
/// …up to so many times.
const MOST_FACTOR: f64 = 4.0;
/// What may leave at once there, as a time at that rate, and in bytes.
const BURST: f64 = 0.02;
const LEAST_BURST: f64 = 3_000.0;

/// In which order packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What the far side misses: without it what follows is worth nothing.
    Repair,
    /// Pictures in their order.
    Picture,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knowledge {
    /// Nothing was ever seen to queue.
    NeverFull,
    /// A queue stood, and this is what the path takes.
    Narrow {
        /// Kbit/s to send by the controller.
        target_kbps: u32,
        /// Since the last trouble.
        calm: Duration,
    },
}

/// Holds what may not leave yet. `T` is a packet.
#[derive(Debug)]
pub struct Pacer<T> {
    lanes: [VecDeque<(u32, T)>; 2],
    queued_bytes: u64,
    /// Bits a second, and bytes at most at once.
    rate: f64,
    burst: f64,
    /// Bytes that may leave now; below zero by less than a packet.
    budget: f64,
    filled: Option<Instant>,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self {
            lanes: [VecDeque::new(), VecDeque::new()],
            queued_bytes: 0,
            rate: FIRST_RATE,
            burst: FIRST_BURST,
            budget: FIRST_BURST,
            filled: None,
        }
    }
}

impl<T> Pacer<T> {
    /// Learns of the path; what is saved up beyond its burst is void.
    pub fn learn(&mut self, now: Instant, knowledge: Knowledge) {
        self.fill(now);
        (self.rate, self.burst) = match knowledge {
            Knowledge::NeverFull => (FIRST_RATE, FIRST_BURST),
            Knowledge::Narrow { target_kbps, calm } => {
                let factor =
                    (LEAST_FACTOR + FACTOR_PER_SECOND * calm.as_secs_f64()).min(MOST_FACTOR);
                let rate = f64::from(target_kbps.max(1)) * 1_000.0 * factor;
                (rate, (rate / 8.0 * BURST).max(LEAST_BURST))
            }
        };
        self.budget = self.budget.min(self.burst);
    }

    /// A packet that wants to leave; `bytes` on the wire.
    pub fn push(&mut self, lane: Lane, bytes: u32, packet: T) {
        self.queued_bytes += u64::from(bytes);
        self.lanes[lane as usize].push_back((bytes, packet));
    }

    /// The next packet that may leave now.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.fill(now);
        if self.budget <= 0.0 {
            return None;
        }
        let (bytes, packet) = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
        self.queued_bytes -= u64::from(bytes);
        self.budget -= f64::from(bytes);
        Some(packet)
    }

    /// When the next packet may leave; none while none waits.
    pub fn due(&self) -> Option<Instant> {
        let filled = self.filled.filter(|_| !self.is_empty())?;
        let missing = (-self.budget).max(0.0) * 8.0 / self.rate;
        // A bit more than nothing is needed.
        Some(filled + Duration::from_secs_f64(missing) + Duration::from_micros(1))
    }

    /// How long what waits takes to leave.
    pub fn backlog(&self) -> Duration {
        Duration::from_secs_f64(self.queued_bytes as f64 * 8.0 / self.rate)
    }

    /// What waits in this lane, in order.
    pub fn waiting(&self, lane: Lane) -> impl Iterator<Item = &T> {
        self.lanes[lane as usize].iter().map(|(_, packet)| packet)
    }

    /// Nothing of what waits is wanted any more.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(VecDeque::clear);
        self.queued_bytes = 0;
    }

    fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    fn fill(&mut self, now: Instant) {
        let filled = self.filled.get_or_insert(now);
        let elapsed = now.saturating_duration_since(*filled);
        *filled = now.max(*filled);
        self.budget = (self.budget + elapsed.as_secs_f64() * self.rate / 8.0).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn narrow(target_kbps: u32) -> Knowledge {
        Knowledge::Narrow {
            target_kbps,
            calm: Duration::ZERO,
        }
    }

    /// All that leaves up to a time, at the times at which something is due.
    fn leave<T>(pacer: &mut Pacer<T>, mut now: Instant, until: Instant) -> Vec<(Instant, T)> {
        let mut left = Vec::new();
        loop {
            while let Some(packet) = pacer.pop(now) {
                left.push((now, packet));
            }
            match pacer.due() {
                Some(due) if due <= until => now = now.max(due),
                _ => return left,
            }
        }
    }

    #[test]
    fn on_an_unknown_path_a_key_frame_leaves_at_once() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        for n in 0..60 {
            pacer.push(Lane::Picture, 1_200, n);
        }
        assert_eq!(leave(&mut pacer, start, start).len(), 60);
    }

    #[test]
    fn on_a_narrow_path_it_is_spread_and_repairs_overtake_it() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.learn(start, narrow(300));
        for n in 0..20 {
            pacer.push(Lane::Picture, 1_200, n);
        }
        assert_eq!(pacer.backlog().as_millis(), 492, "24 kB at 390 kbit/s");
        let first = leave(&mut pacer, start, start);
        assert_eq!(
            first.len(),
            3,
            "the burst of 3 kB, and a packet begun in it"
        );
        pacer.push(Lane::Repair, 1_200, 100);
        let rest = leave(&mut pacer, start, start + 1_000 * MS);
        assert_eq!(rest[0].1, 100);
        assert!(rest[1..].iter().map(|(_, n)| *n).eq(3..20));
        let took = rest[17].0 - start;
        assert!((430 * MS..480 * MS).contains(&took), "{took:?}");
        assert_eq!((pacer.due(), pacer.backlog()), (None, Duration::ZERO));
    }

    #[test]
    fn with_calm_it_is_spread_less() {
        let start = Instant::now();
        let rate_after = |calm| {
            let mut pacer = Pacer::<()>::default();
            let target_kbps = 1_000;
            pacer.learn(start, Knowledge::Narrow { target_kbps, calm });
            pacer.rate
        };
        assert_eq!(rate_after(Duration::from_secs(7)), 2_000_000.0);
        assert_eq!(rate_after(Duration::from_secs(600)), 4_000_000.0);
    }

    proptest! {
        /// In any second no more leaves than rate and burst allow, and everything leaves in time.
        #[test]
        fn the_rate_is_kept(
            packets in proptest::collection::vec((0_u64..200, 100_u32..1_300), 1..200),
            kbps in 50_u32..5_000,
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut pacer = Pacer::default();
            pacer.learn(now, narrow(kbps));
            let mut left = Vec::new();
            for (wait, bytes) in &packets {
                let next = now + MS * *wait as u32;
                left.extend(leave(&mut pacer, now, next));
                now = next;
                pacer.push(Lane::Picture, *bytes, *bytes);
            }
            let until = now + pacer.backlog() + 100 * MS;
            left.extend(leave(&mut pacer, now, until));
            prop_assert_eq!(left.len(), packets.len());
            let rate = f64::from(kbps) * 1_300.0 / 8.0;
            for (n, (from, _)) in left.iter().enumerate() {
                let mut bytes = 0.0;
                for (at, size) in &left[n..] {
                    bytes += f64::from(*size);
                    let allowed = (*at - *from).as_secs_f64() * rate
                        + (rate * BURST).max(LEAST_BURST) + 1_300.0;
                    prop_assert!(bytes <= allowed + 1.0, "{bytes} of {allowed}");
                }
            }
        }
    }
}
