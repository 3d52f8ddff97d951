//! cubelet turns a Linux board into a video door station, a kiosk or a telemedicine cart.
//!
//! This is the map; start reading here. Layers point down only, and `tests/architecture.rs`
//! fails when an arrow points up:
//!
//! ```text
//! cli setup console rtsp control    what people and automations touch
//!          engine            supervised actors: thin shells joining everything below
//! rest chat media device discovery store      the outside world, one module each
//!           call             sans-IO: who rings, who answers, why a call ended
//!         protocol           sans-IO: stanzas, signals, REST models
//!           base             ids, backoff, shutdown, telemetry
//! ```
//!
//! `hub` (the site server) stands on `base`, `protocol`, `discovery` and its configuration, and knows
//! nothing of the engine; the engine knows nothing of `hub`.
//!
//! **The one invariant: decisions are made in `protocol` and `call` by pure state machines that
//! are handed the time; everything above only feeds them inputs and performs their outputs.**

pub mod base;
pub mod protocol;

pub mod call;

pub mod chat;
#[cfg(feature = "media")]
pub mod device;
#[cfg(any(feature = "media", feature = "hub"))]
pub mod discovery;
#[cfg(feature = "media")]
pub mod media;
pub mod rest;
pub mod store;

#[cfg(feature = "media")]
pub mod engine;

pub mod cli;
pub mod config;
#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "media")]
pub mod control;
#[cfg(feature = "media")]
pub mod rtsp;

#[cfg(feature = "media")]
pub mod setup;

#[cfg(feature = "hub")]
pub mod hub;
