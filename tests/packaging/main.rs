//! What a package installs and what systemd makes of it: units, users, files, notifications.

// Outside #[test] functions too, a failed set-up fails the test by panicking.
#![allow(clippy::unwrap_used)]

mod notify;
mod units;
