//! The device's clients against real counterparts over loopback: the hub's own binary, a proxy
//! that cuts, refuses and swallows, and small servers that misbehave on purpose.

mod client;
mod credentials;
mod delivery;
mod faults;
mod http;
mod hub;
mod peer;
mod proxy;
mod rest;
mod store;
