//! Call logic: who rings, who answers, why a call ended (PC-12…PC-25, wire reference C.3).
//!
//! Invariant: sans-IO and without a clock. `handle(now, input)` gives outputs to perform; asking
//! `deadline()` says when to come back with [`session::Input::Tick`].
//! Must not enter: tokio, actix, sockets, GStreamer, configuration files.

pub mod active_speaker;
pub mod announcing;
mod candidates;
pub mod channel_orders;
pub mod door_code;
pub mod duplex;
pub mod end;
pub mod exchange;
mod leg;
pub mod live;
mod memory;
pub mod party;
pub mod policy;
pub mod preview;
pub mod refusals;
pub mod registry;
mod restart;
mod ring_outcome;
pub mod ring_plan;
pub mod rule;
pub mod schedule;
pub mod screen_layout;
pub mod screen_look;
pub mod screen_self_view;
pub mod session;
pub mod timers;
pub mod verdict;
pub mod visitor_message;

#[cfg(test)]
mod network_tests;
