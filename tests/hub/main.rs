//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod broadcast;
mod chat;
mod deletion;
mod dialogs;
mod extensions;
mod filters;
mod groups;
mod lifecycle;
mod message_changes;
mod message_models;
mod public_dialogs;
mod reactions;
mod roles;
mod search;
mod sessions;
mod streams;
mod support;
mod system_messages;
mod users;
