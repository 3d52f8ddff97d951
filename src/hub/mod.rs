//! The site server: a ConnectyCube-compatible REST and chat server in one process, on SQLite.
//!
//! ```text
//! http                 the ports of browsers: requests, and upgrades to chat
//! rest  xmpp  web      what clients talk to
//! auth                 who they are
//! files                what they upload
//! data                 what custom objects are
//! push                 how they are reached while they are away
//! store                what is remembered
//! ```
//!
//! Invariant: a client of the official SDK cannot tell this server from the cloud in what this
//! server offers (wire reference A, B, E); what it does not offer it refuses, and never fakes.
//! Must not enter: anything of the engine, media, or the device's own clients.

pub mod auth;
mod certificate;
pub mod clock;
mod data;
pub mod enrolment;
mod files;
mod http;
mod push;
mod rest;
mod roles;
mod server;
mod site;
mod store;
mod web;
mod xmpp;

pub use clock::Clock;
pub use rest::read_form;
pub use server::{HubError, Ready, RunningHub, start, start_at};
