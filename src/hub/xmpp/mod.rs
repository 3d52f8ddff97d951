//! The chat server: streams over WebSocket and TLS, and what stanzas do.
//!
//! Invariant: the hub alone says who a stanza is from. A stream outlives any stanza it cannot
//! make sense of; the sender gets an error stanza, the log gets the context.
//! Must not enter: SQL, HTTP other than the WebSocket upgrade.

pub mod addresses;
mod alerts;
pub mod announce;
pub mod blocks;
mod change;
mod connection;
pub mod delivery;
mod discovery;
mod fan_out;
mod frames;
pub mod in_flight;
mod iq;
mod login;
mod message;
mod presence;
mod privacy;
mod receipts;
pub mod resumption;
pub mod router;
mod sending;
pub mod stanza;
mod stream;
pub mod tls;
pub mod undelivered;
mod unexpected;
pub mod websocket;

pub use presence::kick;
pub use stream::serve;
