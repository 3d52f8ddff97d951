//! Brings actors back: each is rebuilt from its factory after a full-jitter delay, alone.
//!
//! actix's own `Supervisor` restarts the context but not the actor, sees no panics and has no
//! delay; hence this one. It learns of an end through the [`Life`] guard and of a stuck actor
//! through the heartbeat.

use std::time::{Duration, Instant};

use futures::future::{LocalBoxFuture, join_all};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::event::EventKind;
use super::mailbox::Slot;
use super::supervised::{Crash, Death, Heartbeat, Life, Stop, Supervised};
use crate::base::backoff::Backoff;

/// A life this long counts as healthy and resets the delay.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How often every actor is asked for a sign of life, and how long it may take to give one.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// The longest time between two beats of the pulse while the supervisor works: a round begins every
/// [`HEARTBEAT_EVERY`] and waits as long for an actor that gives no sign of life.
pub const LONGEST_PULSE: Duration = Duration::from_secs(10);
/// How long an actor may take to free what it holds at shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(4);

/// How to make, reach and end one supervised actor.
pub struct ChildSpec {
    name: &'static str,
    spawn: Box<dyn Fn(Life)>,
    crash: Box<dyn Fn() -> bool>,
    heartbeat: Box<dyn Fn() -> LocalBoxFuture<'static, bool>>,
    stop: Box<dyn Fn() -> LocalBoxFuture<'static, ()>>,
    clear: Box<dyn Fn()>,
}

impl ChildSpec {
    /// `factory` builds a fresh actor for each life; `slot` always holds the present one.
    pub fn new<A: Supervised>(
        name: &'static str,
        slot: Slot<A>,
        factory: impl Fn(Life) -> A + 'static,
    ) -> Self {
        let (to_spawn, to_crash, to_beat, to_stop) =
            (slot.clone(), slot.clone(), slot.clone(), slot.clone());
        Self {
            name,
            spawn: Box::new(move |life| to_spawn.put(factory(life).start())),
            crash: Box::new(move || to_crash.tell(Crash).is_ok()),
            heartbeat: Box::new(move || {
                let slot = to_beat.clone();
                Box::pin(async move { slot.ask(Heartbeat, HEARTBEAT_EVERY).await.is_ok() })
            }),
            stop: Box::new(move || {
                let slot = to_stop.clone();
                Box::pin(async move {
                    if let Err(error) = slot.ask(Stop, STOP_LIMIT).await {
                        tracing::debug!(%error, "stopping an actor");
                    }
                })
            }),
            clear: Box::new(move || slot.clear()),
        }
    }
}

struct Child {
    spec: ChildSpec,
    generation: u64,
    alive: bool,
    started: Instant,
    restart_at: Option<tokio::time::Instant>,
    backoff: Backoff,
    restarts: u32,
}

/// Asks the supervisor, from any thread, to crash an actor by name.
pub struct CrashRequest {
    /// The actor's name.
    pub actor: String,
    /// Whether there is such an actor and it was told.
    pub done: tokio::sync::oneshot::Sender<bool>,
}

/// Owns the actors of one device.
pub struct Supervisor {
    children: Vec<Child>,
    board: Board,
    deaths: mpsc::UnboundedReceiver<Death>,
    report: mpsc::UnboundedSender<Death>,
    crashes: mpsc::Receiver<CrashRequest>,
    pulse: watch::Sender<u64>,
}

impl Supervisor {
    /// Prepares to run the given actors, in this order. `pulse` counts the completed rounds in
    /// which every actor gave a sign of life or was buried: it stands still exactly when the
    /// actors' thread does.
    pub fn new(
        specs: Vec<ChildSpec>,
        board: Board,
        crashes: mpsc::Receiver<CrashRequest>,
        pulse: watch::Sender<u64>,
    ) -> Self {
        let (report, deaths) = mpsc::unbounded_channel();
        let children = specs
            .into_iter()
            .map(|spec| Child {
                spec,
                generation: 0,
                alive: false,
                started: Instant::now(),
                restart_at: None,
                backoff: Backoff::standard(),
                restarts: 0,
            })
            .collect();
        Self {
            children,
            board,
            deaths,
            report,
            crashes,
            pulse,
        }
    }

    /// Starts every actor, keeps them alive until `shutdown`, then stops them in reverse order.
    /// Must run inside an actix system.
    pub async fn run(mut self, shutdown: CancellationToken) {
        for index in 0..self.children.len() {
            self.start(index);
        }
        let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next_restart = self
                .children
                .iter()
                .filter_map(|child| child.restart_at)
                .min();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(death) = self.deaths.recv() => self.on_death(&death),
                Some(request) = self.crashes.recv() => self.on_crash(request),
                _ = beat.tick() => self.on_heartbeat().await,
                () = sleep_until(next_restart), if next_restart.is_some() => self.restart_due(),
            }
        }
        for child in self.children.iter().rev().filter(|child| child.alive) {
            (child.spec.stop)().await;
        }
    }

    fn start(&mut self, index: usize) {
        let child = &mut self.children[index];
        child.generation += 1;
        child.alive = true;
        child.started = Instant::now();
        child.restart_at = None;
        (child.spec.spawn)(Life {
            child: index,
            generation: child.generation,
            deaths: self.report.clone(),
        });
        let (name, restarts) = (child.spec.name, child.restarts);
        self.board.update(|state| {
            let health = state.health.entry(name.to_owned()).or_default();
            health.alive = true;
            health.restarts = restarts;
        });
    }

    fn on_death(&mut self, death: &Death) {
        let is_present = self.children[death.child].generation == death.generation;
        if !is_present || !self.children[death.child].alive {
            return;
        }
        let reason = if death.panicked {
            "panicked"
        } else {
            "stopped by itself"
        };
        self.bury(death.child, reason);
    }

    fn bury(&mut self, index: usize, reason: &str) {
        let child = &mut self.children[index];
        if child.started.elapsed() >= HEALTHY_AFTER {
            child.backoff.reset();
        }
        let delay = child.backoff.next_delay();
        child.alive = false;
        child.restart_at = Some(tokio::time::Instant::now() + delay);
        (child.spec.clear)();
        let name = child.spec.name;
        tracing::error!(actor = name, reason, ?delay, "actor died; bringing it back");
        self.board.update(|state| {
            let health = state.health.entry(name.to_owned()).or_default();
            health.alive = false;
            health.last_end = Some(reason.to_owned());
        });
    }

    fn restart_due(&mut self) {
        let now = tokio::time::Instant::now();
        for index in 0..self.children.len() {
            if self.children[index].restart_at.is_some_and(|at| at <= now) {
                self.children[index].restarts += 1;
                self.start(index);
                let name = self.children[index].spec.name.to_owned();
                let reason = self
                    .board
                    .read(|state| state.health.get(&name)?.last_end.clone());
                self.board.publish(EventKind::ActorRestarted {
                    actor: name,
                    reason: reason.unwrap_or_default(),
                });
            }
        }
    }

    fn on_crash(&mut self, request: CrashRequest) {
        let child = self
            .children
            .iter()
            .find(|child| child.alive && child.spec.name == request.actor);
        let told = child.is_some_and(|child| (child.spec.crash)());
        // The asker may have stopped waiting.
        let _ = request.done.send(told);
    }

    async fn on_heartbeat(&mut self) {
        let asked: Vec<(usize, u64)> = self
            .children
            .iter()
            .enumerate()
            .filter(|(_, child)| child.alive)
            .map(|(index, child)| (index, child.generation))
            .collect();
        let answers = join_all(
            asked
                .iter()
                .map(|(index, _)| (self.children[*index].spec.heartbeat)()),
        )
        .await;
        // An end reported while we waited is the better explanation of a missing answer.
        while let Ok(death) = self.deaths.try_recv() {
            self.on_death(&death);
        }
        for ((index, generation), answered) in asked.into_iter().zip(answers) {
            let child = &self.children[index];
            if !answered && child.alive && child.generation == generation {
                self.bury(index, "gave no sign of life");
            }
        }
        self.pulse.send_modify(|rounds| *rounds += 1);
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
