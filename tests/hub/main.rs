//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod chat;
mod dialogs;
mod groups;
mod hostile;
mod lifecycle;
mod login;
mod privacy;
mod requests;
mod rooms;
mod sessions;
mod streams;
mod support;
mod users;
