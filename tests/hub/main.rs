//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]

mod chat;
mod dialogs;
mod groups;
mod lifecycle;
mod sessions;
mod streams;
mod support;
mod users;
