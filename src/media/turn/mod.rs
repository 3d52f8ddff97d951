//! TURN over TCP and TLS, for a library that speaks TURN over UDP alone.
//!
//! ```text
//! library ──UDP──► Shim on loopback ──TCP or TLS──► TURN server
//! ```
//!
//! Invariant: a shim changes no message but its framing, serves one server for one peer, takes
//! datagrams of this machine alone, and ends with its owner.
//! Must not enter: what TURN messages mean, credentials.

mod address;
mod framing;
mod shim;

pub use address::{TurnAddress, TurnTransport};
pub use framing::{Deframer, FramingError, framed};
pub use shim::{Shim, ShimError};
