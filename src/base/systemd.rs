//! What systemd is told: ready, how it goes, still alive, stopping (`sd_notify(3)`). Every call
//! is fine without systemd, where there is no socket to tell.

use std::time::Duration;

use sd_notify::NotifyState;

/// It runs and will go on trying: `Type=notify` units become active.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// It is about to end, as asked.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A sign of life; within [`watchdog_period`] of the last one, or systemd ends the process.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The unit's `WatchdogSec=`, if it is meant for this process.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        tracing::debug!(%error, "systemd was not told");
    }
}
