//! Chat messages and what belongs to them: edits, removals, reactions, receipts, typing, system
//! messages (wire reference B.1–B.6; RT-23…RT-45).
//!
//! `incoming` reads a stanza in the SDK's order of dispatch, `outgoing` writes what is stored
//! before it is sent, `receipt`, `typing` and `system` write what is sent now or not at all.
//!
//! Invariant: reading is lenient and never drops; a stanza of an unknown kind is
//! [`Incoming::Other`]. What is written here is read back as it was.
//! Must not enter: when to send, what was seen before, storage.

mod attachment;
mod contact;
mod incoming;
mod outgoing;
mod param;
mod receipt;
mod system;
mod typing;

#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod wire_tests;

pub use attachment::{Attachment, Text};
pub use contact::Contact;
pub use incoming::{ChatMessage, Incoming, MessageEdit, ReactionChange, read};
pub use outgoing::{Action, OutgoingMessage, Target};
pub use param::{Param, ParamValue, params_from_json, params_to_json, system_params_from_json};
pub use receipt::{Marker, marker};
pub use system::{SYSTEM_MODULE, system, system_message};
pub use typing::typing;
