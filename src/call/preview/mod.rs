//! The picture of who is at the door before anybody answers: who may look and until when
//! ([`door`]), and when a device that rings asks for it ([`viewer`]).
//!
//! Invariant: what was opened is closed exactly once, at the latest when nothing rings any more.
//! Must not enter: messages on the wire, connections.

pub mod door;
pub mod viewer;

#[cfg(test)]
mod looking_tests;
