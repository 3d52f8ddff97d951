//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod blobs;
mod chat;
mod dialogs;
mod groups;
mod lifecycle;
mod sessions;
mod sessions_ending;
mod streams;
mod support;
mod users;
mod users_profile;
mod users_search;
