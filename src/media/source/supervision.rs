//! The life of a source: run while wanted, come back after failures, end when told.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::media::SourceEvent;

/// How long a device stays open after the last consumer left: hanging up and calling again
/// should not reopen it.
const LINGER: Duration = Duration::from_secs(5);
/// A run this long forgives the failures before it.
const HEALTHY: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// A device that opens but gives nothing for this long has failed.
pub(in crate::media) const SILENCE: Duration = Duration::from_secs(5);

/// What wakes a source's thread.
pub(in crate::media) enum Signal {
    /// The consumers' demand changed.
    Demand,
    /// Data flows since now.
    Flowing,
    /// A pipeline of the current attempt ended.
    Failed { attempt: u64, reason: String },
    /// The device may be there again: it is tried at once.
    Arrived,
    /// The owner wants it to end.
    Stop,
}

/// What the supervision runs. Created and dropped on the source's thread.
pub(in crate::media) trait Stage {
    /// Brings it in line with the demand, for instance by starting an encoder.
    fn adjust(&mut self) -> Result<(), String>;
    /// When data last came out of the device.
    fn last_data(&self) -> Option<Instant>;
    /// The encoder running now.
    fn encoder(&self) -> Option<String>;
    /// So long may the device give nothing before it has failed.
    fn patience(&self) -> Duration {
        SILENCE
    }
    /// Whether opening the device anew would give more than what runs.
    fn is_outdated(&mut self) -> bool {
        false
    }
}

/// The supervised part.
pub(in crate::media) trait Capture {
    type Stage: Stage;
    /// Opens the device. Failures later on arrive as [`Signal::Failed`] with this attempt.
    fn open(&mut self, attempt: u64) -> Result<Self::Stage, String>;
    fn wanted(&self) -> bool;
    /// The device failed, and for now there is nothing.
    fn failed(&mut self, reason: &str);
    /// While there is no device: sees to what consumers get instead.
    fn stand_by(&mut self) {}
    /// The device was closed, as nobody wants it.
    fn closed(&mut self);
}

/// Runs until [`Signal::Stop`], on the calling thread. The device is opened at once, wanted or
/// not, so that a dead camera is known at boot and not when the bell rings.
pub(in crate::media) fn supervise<C: Capture>(
    capture: &mut C,
    signals: &Receiver<Signal>,
    mut tell: impl FnMut(SourceEvent),
) {
    let mut backoff = retry_delays();
    let mut attempt = 0;
    let mut first = true;
    loop {
        if !first && !capture.wanted() {
            match signals.recv() {
                Ok(Signal::Stop) | Err(_) => break,
                Ok(_) => continue,
            }
        }
        first = false;
        attempt += 1;
        let started = Instant::now();
        match run(capture, attempt, signals, &mut tell) {
            Outcome::Stop => break,
            Outcome::Unwanted => capture.closed(),
            Outcome::Outdated => first = true,
            Outcome::Failed(reason) => {
                tracing::warn!(reason, "source failed");
                capture.failed(&reason);
                tell(SourceEvent::Failed { reason });
                if started.elapsed() > HEALTHY {
                    backoff.reset();
                }
                // Never quicker than the first delay: opening a device may disturb the bus.
                let delay = backoff.next_delay().max(FIRST_RETRY);
                if !wait(capture, signals, Instant::now() + delay) {
                    break;
                }
                first = true;
            }
        }
    }
    capture.closed();
    tell(SourceEvent::Stopped);
}

fn retry_delays() -> Backoff {
    Backoff::new(FIRST_RETRY, LAST_RETRY).unwrap_or_else(|_| Backoff::standard())
}

/// Waits for the time or the device, or returns false when told to stop.
fn wait<C: Capture>(capture: &mut C, signals: &Receiver<Signal>, until: Instant) -> bool {
    capture.stand_by();
    loop {
        match signals.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Ok(Signal::Demand) => capture.stand_by(),
            Ok(Signal::Flowing | Signal::Failed { .. }) => {}
            Ok(Signal::Arrived) | Err(RecvTimeoutError::Timeout) => return true,
        }
    }
}

enum Outcome {
    Stop,
    Unwanted,
    Outdated,
    Failed(String),
}

fn run<C: Capture>(
    capture: &mut C,
    attempt: u64,
    signals: &Receiver<Signal>,
    tell: &mut impl FnMut(SourceEvent),
) -> Outcome {
    let mut stage = match capture.open(attempt) {
        Ok(stage) => stage,
        Err(reason) => return Outcome::Failed(reason),
    };
    let opened = Instant::now();
    let mut unwanted_since = None;
    let mut told = None;
    loop {
        if let Err(reason) = stage.adjust() {
            return Outcome::Failed(reason);
        }
        if stage.is_outdated() {
            return Outcome::Outdated;
        }
        let now = Instant::now();
        if stage.last_data().is_some() && told != Some(stage.encoder()) {
            told = Some(stage.encoder());
            tell(SourceEvent::Running {
                encoder: stage.encoder(),
            });
        }
        unwanted_since = match (capture.wanted(), unwanted_since) {
            (true, _) => None,
            (false, None) => Some(now),
            (false, since) => since,
        };
        let patience = stage.patience();
        let silent_at = stage.last_data().unwrap_or(opened) + patience;
        if now >= silent_at {
            return Outcome::Failed(format!("the device gave nothing for {patience:?}"));
        }
        let close_at = unwanted_since.map(|since| since + LINGER);
        if close_at.is_some_and(|at| now >= at) {
            return Outcome::Unwanted;
        }
        let next = close_at.map_or(silent_at, |at| at.min(silent_at));
        match signals.recv_timeout(next.saturating_duration_since(now)) {
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Outcome::Stop,
            Ok(Signal::Failed {
                attempt: of,
                reason,
            }) if of == attempt => return Outcome::Failed(reason),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The owner's end of a source's thread. Dropping it stops the source, on the source's thread.
pub(in crate::media) struct Thread {
    signals: Sender<Signal>,
    running: Option<JoinHandle<()>>,
}

impl Thread {
    pub(in crate::media) fn spawn(
        name: &str,
        signals: Sender<Signal>,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<Self, String> {
        let running = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(|error| format!("cannot start the {name} thread: {error}"))?;
        Ok(Self {
            signals,
            running: Some(running),
        })
    }
}

/// Stops a source, if there is one. The future is over when its thread is: until then it may be loading
/// plug-ins, and a process that ends in the middle of that is aborted by GLib.
pub(in crate::media) fn ended(mut thread: Option<Thread>) -> impl Future<Output = ()> + use<> {
    let running = thread.as_mut().and_then(|thread| thread.running.take());
    drop(thread);
    async move {
        if let Some(running) = running {
            // A thread that panicked has ended too.
            let _ = tokio::task::spawn_blocking(|| running.join()).await;
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // A thread that is already gone has stopped.
        let _ = self.signals.send(Signal::Stop);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    struct Nothing;

    impl Stage for Nothing {
        fn adjust(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn last_data(&self) -> Option<Instant> {
            None
        }

        fn encoder(&self) -> Option<String> {
            None
        }
    }

    /// A device that is never there, and tells of its coming each time it is looked for.
    struct Absent {
        signals: Sender<Signal>,
        opened: u32,
        stood_by: u32,
    }

    impl Capture for Absent {
        type Stage = Nothing;

        fn open(&mut self, _attempt: u64) -> Result<Nothing, String> {
            self.opened += 1;
            let signal = match self.opened {
                50.. => Signal::Stop,
                _ => Signal::Arrived,
            };
            self.signals.send(signal).unwrap();
            Err("not there".into())
        }

        fn wanted(&self) -> bool {
            true
        }

        fn failed(&mut self, _reason: &str) {}

        fn stand_by(&mut self) {
            self.stood_by += 1;
        }

        fn closed(&mut self) {}
    }

    #[test]
    fn a_device_that_arrives_is_opened_at_once() {
        let (signals, received) = channel();
        let mut absent = Absent {
            signals,
            opened: 0,
            stood_by: 0,
        };
        let began = Instant::now();
        let mut failures = 0;
        supervise(&mut absent, &received, |event| {
            failures += u32::from(matches!(event, SourceEvent::Failed { .. }));
        });
        assert_eq!((absent.opened, failures, absent.stood_by), (50, 50, 50));
        // By the pauses alone it would be a minute at the least.
        assert!(began.elapsed() < FIRST_RETRY * 25, "{:?}", began.elapsed());
    }
}
