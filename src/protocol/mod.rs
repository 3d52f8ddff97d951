//! The ConnectyCube wire contract as types: addresses, stanzas, call signals, REST models.
//!
//! Invariant: sans-IO. Bytes and elements in, typed values out and back; nothing unknown is lost.
//! Must not enter: tokio, actix, sockets, clocks, GStreamer.

pub mod address;
pub mod block_list;
pub mod call_signal;
pub mod chat_message;
#[cfg(any(feature = "media", feature = "hub"))]
pub mod enrolment;
pub mod extra_params;
pub mod frame_guard;
pub mod last_activity;
mod nonza;
pub mod ns;
pub mod percent;
pub mod preview;
pub mod privacy;
pub mod rest;
pub mod room_presence;
pub mod scram;
pub mod stream_management;
pub mod telephone_event;
pub mod xml;
pub mod xml_guard;
