//! The device's chat connection (wire reference A and B): XMPP over direct TLS or WebSocket.
//!
//! [`ChatClient`] is the handle the engine holds, [`ChatRunner`] the loop behind it: connect, log
//! in, serve, wait, again. Below them, from the wire upwards: `connector` and `happy_eyeballs`
//! (TCP and TLS), `transport` (framing), `login` and `handshake` (until stanzas flow),
//! `connection` (stream management, pings), `resumption` (what outlives it), `iq` (requests), `service` (one
//! connection being served), `outbox`, `inbox` and `intake` (what is stored, what is seen, what waits
//! to be noted).
//!
//! Invariant: a message handed to [`ChatClient::send`] reaches the server or ends among the
//! refused ones; it is never lost and never sent in another order.
//! Must not enter: actors, calls, what a message means.

mod client;
mod connection;
mod connector;
mod credentials;
mod error;
mod event;
mod handshake;
mod happy_eyeballs;
mod inbox;
mod intake;
#[cfg(test)]
mod intake_tests;
mod iq;
mod liveness;
mod login;
mod netlink;
mod network;
mod outbox;
mod resumption;
mod runner;
mod service;
mod settings;
mod transport;

pub use client::{ChatClient, SendError, chat};
pub use connector::greet;
pub use credentials::{Credentials, CredentialsError, CredentialsSource, Secret};
pub use error::{ConnectionEnd, Fault, Step};
pub use event::{ChatEvent, ConnectionStatus};
pub use iq::{Iq, IqKind, PING_LIMIT};
pub use netlink::network_changes;
pub use runner::ChatRunner;
pub use settings::{ChatEndpoint, ChatSettings, ChatTuning};
