//! A first run from outside: the real program, a real hub and a real broker.
#![cfg(all(feature = "media", feature = "hub"))]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod bad_input;
#[path = "../control/broker.rs"]
// The whole of it serves the control tests; here a broker is enough.
#[allow(dead_code)]
mod broker;
mod devices;
mod first_run;
mod network;
mod read_only_root;
mod site;
