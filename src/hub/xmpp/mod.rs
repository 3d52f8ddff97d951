//! The chat server: streams over WebSocket and TLS, and what stanzas do.
//!
//! Invariant: the hub alone says who a stanza is from. A stream outlives any stanza it cannot
//! make sense of; the sender gets an error stanza, the log gets the context.
//! Must not enter: SQL, HTTP other than the WebSocket upgrade.

pub mod announce;
mod change;
pub mod delivery;
mod depth;
mod iq;
pub mod lanes;
mod login;
mod message;
mod presence;
pub mod router;
pub mod stanza;
mod stream;
pub mod tls;
pub mod websocket;

pub use presence::kick;
