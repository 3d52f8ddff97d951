//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod broadcast;
mod chat;
mod deletion;
mod delivery_order;
mod dialogs;
mod extensions;
mod filters;
mod full_disk;
mod groups;
mod lifecycle;
mod message_changes;
mod message_models;
mod public_dialogs;
mod reactions;
mod resumption;
mod roles;
mod search;
mod sessions;
mod slow_readers;
mod streams;
mod support;
mod system_messages;
mod users;
