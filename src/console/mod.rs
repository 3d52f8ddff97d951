//! The device's own small web server: the live picture by WHEP, a snapshot, health, metrics.
//!
//! Who may ask is decided without IO in `guard`; `sessions` bounds who watches, `metrics` writes
//! what is known; `actor` runs the server and `routes` and `whep` answer.
//!
//! Invariant: nothing but health is told to whoever may not ask, nothing here changes the device,
//! and nobody who watches, asks slowly or never finishes asking can hold up anybody else.
//! Must not enter: commands that act (they are MQTT's), pages, the hub's server.

mod actor;
mod guard;
mod metrics;
mod routes;
mod sessions;
mod whep;

pub use actor::{Bound, actors};
