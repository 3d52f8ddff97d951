//! The chat server: streams over WebSocket and TLS, and what stanzas do.
//!
//! Invariant: the hub alone says who a stanza is from. A stream outlives any stanza it cannot
//! make sense of; the sender gets an error stanza, the log gets the context.
//! Must not enter: SQL, HTTP other than the WebSocket upgrade.

pub mod addresses;
pub mod blocks;
pub mod delivery;
mod discovery;
mod iq;
pub mod lanes;
mod login;
mod message;
mod presence;
mod privacy;
pub mod router;
pub mod stanza;
mod stream;
pub mod tls;
mod unexpected;
pub mod websocket;

pub use presence::kick;
