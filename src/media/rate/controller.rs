//! From feedback to a target.
//!
//! - **A queue that stands** (80 ms above the least delay, in the best packet of a report) means
//!   that more is sent than the path takes: down to 85 % of what arrives, to 70 % or 50 % when the
//!   queue is longer, so that it empties.
//! - **Loss above a tenth** without a queue: down by half of its share. Loss of 2 to 10 % holds.
//! - **Loss that does not yield** when less is sent is the path's own (radio), and no reason to
//!   send less: it is tolerated up to 15 %.
//! - **Calm**: up, the faster the longer ago the last trouble is, as a path that was full a moment
//!   ago is probed with care and one that was free for long is taken quickly; back to what it took
//!   while it was full at once. Never far beyond what was seen to arrive.

use std::time::{Duration, Instant};

/// A standing queue of this length is ours to remove.
const FULL: Duration = Duration::from_millis(80);
/// Below it the path has room.
const CALM: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_millis(250);
const VERY_LONG: Duration = Duration::from_millis(600);
/// Shares of loss.
const MUCH_LOSS: f64 = 0.10;
const LITTLE_LOSS: f64 = 0.02;
const MOST_TOLERATED: f64 = 0.15;
/// Loss is judged by so many packets and so much time at least.
const LOSS_PACKETS: u32 = 20;
const LOSS_SPAN: Duration = Duration::from_millis(400);
/// After so long of loss without a queue it is tried whether less helps.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a trial takes, and by how much less it tries.
const TRIAL: Duration = Duration::from_secs(2);
const TRIAL_FACTOR: f64 = 0.85;
/// After trouble nothing grows for so long.
const REST: Duration = Duration::from_millis(700);
/// Growth a second: before any trouble, and by each second since the last one.
const FIRST_GROWTH: f64 = 0.6;
const GROWTH_PER_SECOND: f64 = 0.015;
const MOST_GROWTH: f64 = 0.25;
/// What is lost so soon after a queue stood is put down to it.
const FULL_LATELY: Duration = Duration::from_secs(2);
/// Up to this share of what arrived while the path was full it grows back by this much a second…
const KNOWN_SHARE: f64 = 0.8;
const BACK_GROWTH: f64 = 0.35;
/// …then by no more than this…
const CAREFUL_GROWTH: f64 = 0.02;
/// …until so many times of it are reached, and the path has become wider.
const SURPASSED: f64 = 1.1;
/// A far side that says nothing for so long may be cut off.
const SILENCE: Duration = Duration::from_secs(1);

/// Within what a target stays, kbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Never less; what does not get through then is lost for this peer alone.
    pub min_kbps: u32,
    /// Never more; the stronger of the two if they contradict each other.
    pub max_kbps: u32,
}

impl Bounds {
    fn clamp(self, kbps: f64) -> f64 {
        let max = f64::from(self.max_kbps.max(1));
        kbps.clamp(f64::from(self.min_kbps.max(1)).min(max), max)
    }
}

/// What one report says of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Packets that arrived.
    pub received: u32,
    /// Packets that did not.
    pub lost: u32,
    /// What arrived lately, kbit/s.
    pub delivered_kbps: Option<u32>,
    /// Delay of the least delayed packet above the path's own.
    pub queueing: Option<Duration>,
    /// From sending to hearing of it.
    pub round_trip: Option<Duration>,
}

/// The controller of one connection.
#[derive(Clone, Debug)]
pub struct RateController {
    bounds: Bounds,
    target: f64,
    last_feedback: Option<Instant>,
    last_silence: Option<Instant>,
    /// When the last trouble was over; none before the first.
    calm_since: Option<Instant>,
    next_reduction: Option<Instant>,
    /// At the last reduction because of it; none while there is none.
    last_queue: Option<Duration>,
    /// When a queue was last seen to stand; none before the first.
    last_full: Option<Instant>,
    /// What arrived while it stood, kbit/s: all the path takes.
    capacity: Option<f64>,
    loss: Loss,
    tolerated: f64,
    lossy_since: Option<Instant>,
    trial: Option<Trial>,
}

#[derive(Clone, Debug, Default)]
struct Loss {
    received: u32,
    lost: u32,
    since: Option<Instant>,
    share: f64,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    ends: Instant,
    before: f64,
}

impl RateController {
    /// Begins at `start_kbps`, within the bounds.
    pub fn new(bounds: Bounds, start_kbps: u32) -> Self {
        Self {
            bounds,
            target: bounds.clamp(f64::from(start_kbps)),
            last_feedback: None,
            last_silence: None,
            calm_since: None,
            next_reduction: None,
            last_queue: None,
            last_full: None,
            capacity: None,
            loss: Loss::default(),
            tolerated: 0.0,
            lossy_since: None,
            trial: None,
        }
    }

    /// Kbit/s to send, always within the bounds.
    pub fn target_kbps(&self) -> u32 {
        self.bounds.clamp(self.target).round() as u32
    }

    /// When a queue was last seen to stand on the path; none before the first.
    pub fn last_full(&self) -> Option<Instant> {
        self.last_full
    }

    /// The share of packets the path loses without being full: 0 to 1.
    pub fn own_loss(&self, now: Instant) -> f64 {
        let is_full = |at| now.saturating_duration_since(at) < FULL_LATELY;
        if self.last_full.is_some_and(is_full) {
            0.0
        } else {
            self.loss.share
        }
    }

    /// Changes the bounds, and with them the target if it lies outside.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.target = bounds.clamp(self.target);
    }

    /// The far side reports.
    pub fn handle(&mut self, now: Instant, feedback: Feedback) -> u32 {
        let elapsed = self
            .last_feedback
            .replace(now)
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
            .min(Duration::from_millis(500));
        self.last_silence = None;
        let queueing = feedback.queueing.unwrap_or_default();
        let judged = self.loss.add(now, feedback);
        if judged {
            self.judge_loss(now, queueing);
        }
        if queueing < CALM {
            self.last_queue = None;
        }
        let may_reduce = self.next_reduction.is_none_or(|next| now >= next);
        if queueing >= FULL {
            self.full(now, feedback);
            if may_reduce {
                self.empty_the_queue(now, queueing, feedback);
            }
        } else if judged && may_reduce && self.loss.share > self.tolerated + MUCH_LOSS {
            let before = self.loss.share;
            self.reduce(
                now,
                self.target * (1.0 - before / 2.0),
                feedback,
                Duration::ZERO,
            );
            self.try_out(now, before);
        } else if queueing < CALM
            && self.loss.share < self.tolerated + LITTLE_LOSS
            && self.trial.is_none()
        {
            self.grow(now, elapsed, feedback);
        }
        self.target_kbps()
    }

    /// To be called a few times a second: notices that nothing is reported any more.
    pub fn tick(&mut self, now: Instant) -> u32 {
        let heard = self.last_silence.or(self.last_feedback);
        if let Some(heard) = heard
            && now.saturating_duration_since(heard) >= SILENCE
        {
            self.last_silence = Some(now);
            self.target = self.bounds.clamp(self.target * 0.7);
            self.calm_since = Some(now + REST);
        }
        self.target_kbps()
    }

    /// Nothing was sent that could be reported on, so silence means nothing up to now.
    pub fn rest(&mut self, now: Instant) {
        self.last_silence = None;
        if let Some(last) = &mut self.last_feedback {
            *last = now;
        }
    }

    /// The longer the queue stands, the more of what arrives was sent into it.
    fn full(&mut self, now: Instant, feedback: Feedback) {
        let lately = |at| now.saturating_duration_since(at) < FULL_LATELY;
        let former = self.capacity.filter(|_| self.last_full.is_some_and(lately));
        let arrives = feedback.delivered_kbps.map(f64::from);
        self.capacity = former.into_iter().chain(arrives).reduce(f64::max);
        self.last_full = Some(now);
    }

    fn empty_the_queue(&mut self, now: Instant, queueing: Duration, feedback: Feedback) {
        let factor = match queueing {
            queue if queue >= VERY_LONG => 0.5,
            queue if queue >= LONG => 0.7,
            _ => 0.85,
        };
        // What arrives while a queue stands is what the path takes, unless little was sent.
        let arrives = feedback.delivered_kbps.map_or(self.target, f64::from);
        // A queue that shrinks is being emptied, and less than was meant need not be sent.
        let shrinks = self.last_queue.is_some_and(|last| queueing < last);
        let most = if shrinks { f64::MAX } else { self.target };
        let basis = arrives.min(most).max(self.target * 0.5);
        self.last_queue = Some(queueing);
        self.reduce(now, basis * factor, feedback, queueing);
        self.trial = None;
        self.lossy_since = None;
    }

    fn reduce(&mut self, now: Instant, to: f64, feedback: Feedback, queueing: Duration) {
        self.target = self.bounds.clamp(to.min(self.target));
        // Nothing of it can be seen before what is under way has passed, and been reported.
        let round_trip = feedback.round_trip.unwrap_or_default().min(SILENCE);
        let seen = now + round_trip.max(Duration::from_millis(100)) + queueing.min(SILENCE);
        self.next_reduction = Some(seen + Duration::from_millis(100));
        self.calm_since = Some(seen + REST);
    }

    fn judge_loss(&mut self, now: Instant, queueing: Duration) {
        let share = self.loss.share;
        if share < self.tolerated {
            self.tolerated = self.tolerated.mul_add(0.9, share * 0.1);
        }
        if let Some(trial) = self.trial
            && now >= trial.ends
        {
            self.trial = None;
            if share >= trial.before * 0.7 {
                self.tolerated = share.min(MOST_TOLERATED);
            }
        }
        let is_loss_alone = share > self.tolerated + LITTLE_LOSS && queueing < CALM;
        if !is_loss_alone {
            self.lossy_since = None;
            return;
        }
        let since = *self.lossy_since.get_or_insert(now);
        if self.trial.is_none() && now.saturating_duration_since(since) >= PATIENCE {
            self.target = self.bounds.clamp(self.target * TRIAL_FACTOR);
            self.try_out(now, share);
        }
    }

    /// Less is sent now; does it help?
    fn try_out(&mut self, now: Instant, before: f64) {
        self.trial.get_or_insert(Trial {
            ends: now + TRIAL,
            before,
        });
        self.lossy_since = None;
    }

    fn grow(&mut self, now: Instant, elapsed: Duration, feedback: Feedback) {
        let per_second = match self.calm_since {
            None => FIRST_GROWTH,
            Some(since) if now < since => return,
            Some(since) => {
                let calm = now.saturating_duration_since(since).as_secs_f64();
                (calm * GROWTH_PER_SECOND).min(MOST_GROWTH)
            }
        };
        if self
            .capacity
            .is_some_and(|kbps| self.target > kbps * SURPASSED)
        {
            self.capacity = None;
        }
        let per_second = match self.capacity {
            Some(kbps) if self.target < kbps * KNOWN_SHARE => BACK_GROWTH,
            Some(_) => per_second.min(CAREFUL_GROWTH),
            None => per_second,
        };
        let grown = self.target * (1.0 + per_second * elapsed.as_secs_f64());
        // A still picture needs less than the target, and so proves nothing about it.
        let proven = feedback
            .delivered_kbps
            .map_or(f64::MAX, |kbps| f64::from(kbps) * 1.5 + 100.0);
        self.target = self.bounds.clamp(grown.min(proven.max(self.target)));
    }
}

impl Loss {
    /// Whether there is a new share to judge.
    fn add(&mut self, now: Instant, feedback: Feedback) -> bool {
        self.received = self.received.saturating_add(feedback.received);
        self.lost = self.lost.saturating_add(feedback.lost);
        let since = *self.since.get_or_insert(now);
        let all = u64::from(self.received) + u64::from(self.lost);
        if all < u64::from(LOSS_PACKETS) || now.saturating_duration_since(since) < LOSS_SPAN {
            return false;
        }
        let share = f64::from(self.lost) / all as f64;
        *self = Self {
            share: self.share.mul_add(0.6, share * 0.4),
            since: Some(now),
            ..Self::default()
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);
    const BOUNDS: Bounds = Bounds {
        min_kbps: 150,
        max_kbps: 2_000,
    };

    fn anything() -> impl Strategy<Value = (Feedback, u64)> {
        (
            (any::<u32>(), any::<u32>()),
            proptest::option::of(any::<u32>()),
            proptest::option::of(any::<u64>()),
            proptest::option::of(any::<u64>()),
            0_u64..5_000,
        )
            .prop_map(
                |((received, lost), delivered_kbps, queueing, round_trip, wait)| {
                    let feedback = Feedback {
                        received,
                        lost,
                        delivered_kbps,
                        queueing: queueing.map(Duration::from_micros),
                        round_trip: round_trip.map(Duration::from_micros),
                    };
                    (feedback, wait)
                },
            )
    }

    proptest! {
        /// It begins at the start, or at the nearest within the bounds. Whatever is reported, and
        /// however the bounds change, the target stays within them.
        #[test]
        fn the_target_begins_at_the_start_and_never_leaves_its_bounds(
            feedback in proptest::collection::vec(anything(), 1..200),
            start in any::<u32>(),
            bounds in proptest::collection::vec((any::<u32>(), any::<u32>()), 1..4),
        ) {
            let mut now = Instant::now();
            let mut controller = RateController::new(BOUNDS, start);
            prop_assert_eq!(controller.target_kbps(), start.clamp(150, 2_000));
            for (n, (feedback, wait)) in feedback.into_iter().enumerate() {
                now += MS * wait as u32;
                let (min_kbps, max_kbps) = bounds[n % bounds.len()];
                controller.set_bounds(Bounds { min_kbps, max_kbps });
                let max = max_kbps.max(1);
                let min = min_kbps.clamp(1, max);
                for target in [controller.tick(now), controller.handle(now, feedback)] {
                    prop_assert!((min..=max).contains(&target), "{target} of {min} to {max}");
                }
            }
        }
    }

    #[test]
    fn a_far_side_that_falls_silent_is_sent_less() {
        let start = Instant::now();
        let mut controller = RateController::new(BOUNDS, 1_000);
        assert_eq!(
            controller.tick(start + 60_000 * MS),
            1_000,
            "none was expected yet"
        );
        controller.handle(start, Feedback::default());
        assert_eq!(controller.tick(start + 900 * MS), 1_000);
        assert_eq!(controller.tick(start + 1_000 * MS), 700);
        assert_eq!(controller.tick(start + 1_500 * MS), 700);
        assert_eq!(controller.tick(start + 2_000 * MS), 490);
        controller.rest(start + 30_000 * MS);
        assert_eq!(controller.tick(start + 30_900 * MS), 490);
        (31..60).for_each(|n| {
            controller.tick(start + 1_000 * MS * n);
        });
        assert_eq!(controller.target_kbps(), 150);
    }
}
