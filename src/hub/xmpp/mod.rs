//! The chat server: streams over WebSocket and TLS, and what stanzas do.
//!
//! Invariant: the hub alone says who a stanza is from. A stream outlives any stanza it cannot
//! make sense of; the sender gets an error stanza, the log gets the context.
//! Must not enter: SQL, HTTP other than the WebSocket upgrade.

pub mod announce;
mod change;
mod connection;
pub mod delivery;
mod depth;
pub mod in_flight;
mod iq;
mod login;
mod message;
mod presence;
mod receipts;
pub mod resumption;
pub mod router;
mod sending;
pub mod stanza;
mod stream;
pub mod tls;
pub mod undelivered;
pub mod websocket;

pub use presence::kick;
