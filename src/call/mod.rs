//! Call logic: who rings, who answers, why a call ended (PC-12…PC-25, wire reference C.3).
//!
//! Invariant: sans-IO and without a clock. `handle(now, input)` gives outputs to perform; asking
//! `deadline()` says when to come back with [`session::Input::Tick`].
//! Must not enter: tokio, actix, sockets, GStreamer, configuration files.

pub mod end;
pub mod registry;
pub mod session;
pub mod timers;
pub mod visitor_message;
