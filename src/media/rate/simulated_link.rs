//! The controller on a link of our own: a queue, a capacity, a delay, and seeded loss.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Bounds, Fate, Path, RateController, SentPacket};

const MS: Duration = Duration::from_millis(1);
const PACKET: u32 = 1_200;
const BOUNDS: Bounds = Bounds {
    min_kbps: 100,
    max_kbps: 4_000,
};

/// A bottleneck with a tail-drop queue.
struct Link {
    kbps: f64,
    delay: Duration,
    /// How long the queue may get.
    queue: Duration,
    loss: f64,
    /// When the last packet in the queue has left.
    busy_until: Instant,
    random: StdRng,
}

impl Link {
    /// When the packet arrives, if it does.
    fn carry(&mut self, now: Instant) -> Option<Instant> {
        let begins = self.busy_until.max(now);
        if begins - now > self.queue {
            return None;
        }
        let takes = f64::from(PACKET) * 8.0 / (self.kbps * 1_000.0);
        self.busy_until = begins + Duration::from_secs_f64(takes);
        let is_lost = self.random.random_bool(self.loss);
        (!is_lost).then(|| self.busy_until + self.delay)
    }
}

/// A sender at 30 pictures a second which obeys its controller, and a far side that reports every
/// 100 ms.
struct Sender {
    start: Instant,
    now: Instant,
    link: Link,
    path: Path,
    controller: RateController,
    number: u16,
    owed: f64,
    picture: u32,
    under_way: VecDeque<(u16, Option<Instant>)>,
    reports: VecDeque<(Instant, Vec<(u16, Fate)>)>,
    longest_queue: Duration,
}

impl Sender {
    fn new(link: Link, start_kbps: u32) -> Self {
        let start = link.busy_until;
        Self {
            start,
            now: start,
            link,
            path: Path::new(start),
            controller: RateController::new(BOUNDS, start_kbps),
            number: 0,
            owed: 0.0,
            picture: 0,
            under_way: VecDeque::new(),
            reports: VecDeque::new(),
            longest_queue: Duration::ZERO,
        }
    }

    /// One picture's time.
    fn step(&mut self) {
        self.now += Duration::from_micros(33_333);
        self.picture += 1;
        // Pictures differ in size, and every 300th is a key frame of ten times the size.
        let weight = match self.picture {
            n if n.is_multiple_of(300) => 10.0,
            n => 0.7 + f64::from(n % 7) / 10.0,
        };
        self.owed += f64::from(self.controller.target_kbps()) * 1_000.0 / 30.0 * weight;
        while self.owed >= f64::from(PACKET) * 8.0 {
            self.owed -= f64::from(PACKET) * 8.0;
            let packet = SentPacket {
                ssrc: 1,
                sequence: self.number,
            };
            self.path.sent(self.now, self.number, packet, PACKET);
            let arrives = self.link.carry(self.now);
            self.under_way.push_back((self.number, arrives));
            self.number = self.number.wrapping_add(1);
        }
        if self.picture.is_multiple_of(3) {
            self.far_side_reports();
        }
        while self.reports.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((at, report)) = self.reports.pop_front() {
                let feedback = self.path.reported(at, report, |_| ());
                self.controller.handle(at, feedback);
            }
        }
        self.controller.tick(self.now);
        let queue = self.link.busy_until.saturating_duration_since(self.now);
        self.longest_queue = self.longest_queue.max(queue);
    }

    fn far_side_reports(&mut self) {
        let mut report = Vec::new();
        // A packet is missed when a later one has arrived.
        let last = self
            .under_way
            .iter()
            .rposition(|(_, at)| at.is_some_and(|at| at <= self.now));
        for _ in 0..last.map_or(0, |last| last + 1) {
            if let Some((number, at)) = self.under_way.pop_front() {
                let fate = at.map_or(Fate::Lost, |at| Fate::Arrived(Some(at - self.start)));
                report.push((number, fate));
            }
        }
        if !report.is_empty() {
            self.reports.push_back((self.now + self.link.delay, report));
        }
    }

    /// The targets of each picture's time, for so long.
    fn run(&mut self, seconds: u32) -> Vec<u32> {
        (0..seconds * 30)
            .map(|_| {
                self.step();
                self.controller.target_kbps()
            })
            .collect()
    }
}

fn link(kbps: u32, delay: u64, queue: u64, loss: f64, seed: u64) -> Link {
    Link {
        kbps: kbps.into(),
        delay: MS * delay as u32,
        queue: MS * queue as u32,
        loss,
        busy_until: Instant::now(),
        random: StdRng::seed_from_u64(seed),
    }
}

fn mean(targets: &[u32]) -> f64 {
    targets.iter().map(|kbps| f64::from(*kbps)).sum::<f64>() / targets.len() as f64
}

proptest! {
    // The same paths in every run: what is asserted are degrees of quality, which a path in some
    // thousands misses (one at random: swings of 2.7 times with 1,666 kbit/s and 0.7 % of loss).
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(20_261_128),
        ..ProptestConfig::default()
    })]

    /// From any start it settles below the capacity and uses most of it, without swinging.
    #[test]
    fn it_settles_below_the_capacity(
        kbps in 250_u32..3_000, start in 100_u32..4_000, delay in 5_u64..80,
        queue in 250_u64..800, loss in 0.0..0.01_f64, seed in any::<u64>(),
    ) {
        let mut sender = Sender::new(link(kbps, delay, queue, loss, seed), start);
        sender.run(40);
        sender.longest_queue = Duration::ZERO;
        let targets = sender.run(60);
        let share = mean(&targets) / f64::from(kbps);
        prop_assert!((0.60..=1.0).contains(&share), "used {share:.2} of {kbps}");
        let (least, most) = (targets.iter().min().unwrap(), targets.iter().max().unwrap());
        let swing = f64::from(*most) / f64::from(*least);
        prop_assert!(swing <= 2.5, "swings from {least} to {most} of {kbps}");
        prop_assert!(f64::from(*most) <= f64::from(kbps) * 1.2, "{most} of {kbps}");
    }

    /// When the capacity falls it follows within 3 s, and when it is back, within 25 s.
    #[test]
    fn it_follows_the_capacity_down_and_up(
        kbps in 800_u32..3_000, part in 0.25..0.6_f64, delay in 5_u64..80, seed in any::<u64>(),
    ) {
        let mut sender = Sender::new(link(kbps, delay, 500, 0.0, seed), 1_000);
        sender.run(30);
        let little = f64::from(kbps) * part;
        sender.link.kbps = little;
        sender.run(3);
        let fallen = mean(&sender.run(10));
        prop_assert!(fallen <= little, "{fallen} of {little}");
        sender.run(10);
        sender.link.kbps = f64::from(kbps);
        sender.run(25);
        let back = mean(&sender.run(10));
        prop_assert!(back >= f64::from(kbps) * 0.6, "{back} of {kbps}");
    }

    /// Loss that is the path's own is no reason to starve the picture.
    #[test]
    fn it_stands_loss_that_is_not_its_own(
        kbps in 1_500_u32..3_000, loss in 0.03..0.09_f64, delay in 5_u64..80, seed in any::<u64>(),
    ) {
        let mut sender = Sender::new(link(kbps, delay, 500, loss, seed), 1_000);
        sender.run(60);
        let kept = mean(&sender.run(30));
        prop_assert!(kept >= 600.0, "{kept} of {kbps} with {loss:.2} lost");
    }
}
