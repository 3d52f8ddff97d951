//! What a package installs and what systemd makes of it: units, users, files, notifications.

mod notify;
mod units;
