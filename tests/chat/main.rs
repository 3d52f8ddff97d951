//! The device's clients against real counterparts over loopback: the hub's own binary, a proxy
//! that cuts, refuses and swallows, and small servers that misbehave on purpose.

// The hub and its certificates.
#![cfg(feature = "hub")]
// All of it is test code; clippy exempts only the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod credentials;
mod delivery;
mod faults;
mod history;
mod http;
mod hub;
#[path = "../support/hub_process.rs"]
mod hub_process;
mod intake;
mod network;
mod peer;
mod privacy;
mod proxy;
mod records;
mod rest;
mod rest_blobs;
mod resumption;
mod rooms;
mod stopping;
mod store;
mod tuning;
