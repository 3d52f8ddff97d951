//! The device's configuration and its local control over MQTT, from outside.

// Outside #[test] functions too, a failed set-up fails the test by panicking.
#![allow(clippy::unwrap_used)]

mod config_check;
mod config_docs;
mod config_load;
mod config_secrets;
mod fixture;
